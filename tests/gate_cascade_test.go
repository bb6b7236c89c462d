package tests_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

var folderModels = map[string]string{
	"folders": "name: folders\nschema: {type: object, properties: {name: {type: string}}}\nindex: [name]\n",
	"items": `name: items
schema: {type: object, properties: {folder: {type: [string, "null"]}, kind: {type: string}}}
index: [kind]
refs: {folder: {type: folders, onDelete: cascade}}
`,
	"remarks": `name: remarks
schema: {type: object, properties: {item: {type: [string, "null"]}, kind: {type: string}}}
index: [kind]
refs: {item: {type: items, onDelete: cascade}}
`,
	"links": `name: links
schema: {type: object, properties: {folder: {type: [string, "null"]}, folders: {type: array, items: {type: string}}, kind: {type: string}}}
index: [kind]
refs: {folder: {type: folders, onDelete: set_null}, folders: {type: folders, onDelete: set_null}}
`,
}

// folderRules are what the keys of the test may do besides everything with folders.
var folderRules = map[string]string{
	"all":        `{types: ["*"], actions: ["*"]}`,
	"own":        `{types: [items, remarks, links], actions: ["*"], where: 'meta.created_by = principal.id OR kind = "open"'}`,
	"denied":     `{types: ["*"], actions: ["*"]}, {types: [items], actions: [delete, purge], where: 'kind = "kept"', effect: deny}`,
	"none":       `{types: [links], actions: [read]}`,
	"blind":      `{types: [items, links, remarks], actions: [delete, update, purge]}`,
	"readonly":   `{types: [items, remarks], actions: ["*"]}, {types: [links], actions: ["*"], fields: {readonly: [folder, folders]}}`,
	"references": `{types: [items, remarks], actions: ["*"]}, {types: [links], actions: ["*"], where: 'folder:* OR kind = "open"'}`,
	"shallow":    `{types: [items, links], actions: ["*"]}, {types: [remarks], actions: [read]}`,
}

func folderPolicy() string {
	var roles, bindings strings.Builder
	for name, rules := range folderRules {
		fmt.Fprintf(&roles, "  %s: [{types: [folders], actions: [\"*\"]}, %s]\n", name, rules)
		fmt.Fprintf(&bindings, "  - {role: %s, subjects: [\"key:%s\"]}\n", name, name)
	}
	return "roles:\n" + roles.String() + "  bulks: [{types: [bulk-jobs], actions: [read]}]\nbindings:\n" + bindings.String()
}

// A cascade and a reference that is emptied are the deeds of the one that deletes: the
// delete is refused at once when it may not do them, by whatever door, and says no
// more than that something refers.
func TestADeleteIsRefusedWhenItsConsequencesAreNotAllowed(t *testing.T) {
	t.Parallel()
	for _, storage := range []string{"memory", "disk"} {
		t.Run(storage, func(t *testing.T) {
			t.Parallel()
			admin := guardModels(t, nil, autocrud.Settings{Storage: storage}, folderPolicy(), folderModels)
			keys := map[string]*apitest.Client{"admin": admin}
			for name := range folderRules {
				keys[name], _ = key(t, admin, name, "")
			}
			n := 0
			for _, x := range []struct {
				who, by, typ, data string // by makes what refers; @ is the folder, # an item of the kind open in it
				may                bool
			}{
				{"admin", "admin", "items", `{"folder":"@"}`, true},
				{"all", "admin", "items", `{"folder":"@"}`, true},
				{"own", "own", "items", `{"folder":"@"}`, true},
				{"own", "admin", "items", `{"folder":"@","kind":"open"}`, true},
				{"own", "admin", "items", `{"folder":"@"}`, false},
				{"own", "admin", "links", `{"folder":"@"}`, false},
				{"own", "admin", "links", `{"folders":["@"],"kind":"closed"}`, false},
				{"own", "own", "links", `{"folders":["@"]}`, true},
				{"denied", "admin", "items", `{"folder":"@"}`, false}, // kind is null: it cannot be told
				{"denied", "admin", "items", `{"folder":"@","kind":"kept"}`, false},
				{"denied", "admin", "items", `{"folder":"@","kind":"free"}`, true},
				{"denied", "admin", "links", `{"folder":"@"}`, true},
				{"none", "admin", "items", `{"folder":"@"}`, false},
				{"none", "admin", "links", `{"folder":"@"}`, false},
				{"none", "admin", "items", "", true},
				{"blind", "admin", "items", `{"folder":"@"}`, false},
				{"blind", "admin", "links", `{"folder":"@"}`, false},
				{"readonly", "admin", "links", `{"folder":"@"}`, false},
				{"readonly", "admin", "links", `{"folders":["@"]}`, false},
				{"readonly", "admin", "items", `{"folder":"@"}`, true},
				{"references", "admin", "links", `{"folder":"@"}`, false}, // it could not be written without the reference
				{"references", "admin", "links", `{"folder":"@","kind":"open"}`, true},
				{"shallow", "admin", "remarks", `{"item":"#"}`, false},
				{"shallow", "admin", "items", `{"folder":"@"}`, true},
				{"own", "admin", "remarks", `{"item":"#"}`, false},
				{"own", "own", "remarks", `{"item":"#"}`, true},
			} {
				for _, door := range []string{"delete", "batch", "one by one", "bulk", "purge"} {
					n++
					folder := fmt.Sprintf("f%d", n)
					what := fmt.Sprintf("%s of %s %s of %s for %s", door, x.typ, x.data, x.by, x.who)
					admin.Put(t, "/v1/folders/"+folder, `{"name":"`+folder+`"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
					at := ""
					if x.data != "" {
						if strings.Contains(x.data, "#") {
							admin.Put(t, "/v1/items/i"+folder, `{"folder":"`+folder+`","kind":"open"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
						}
						data := strings.NewReplacer("@", folder, "#", "i"+folder).Replace(x.data)
						at = "/v1/" + x.typ + "/" + keys[x.by].Post(t, "/v1/"+x.typ, data).Want(t, 201).Text("/meta/id")
					}
					c := keys[x.who]
					status := func() int {
						switch door {
						case "delete":
							r := c.Delete(t, "/v1/folders/"+folder)
							if r.Status == http.StatusForbidden && strings.Contains(string(r.Body), at[strings.LastIndex(at, "/")+1:]) {
								t.Errorf("%s: %s", what, r.Body)
							}
							return r.Status
						case "batch", "one by one":
							r := c.Post(t, "/v1:batch", fmt.Sprintf(`{"atomic":%v,"operations":[{"op":"delete","type":"folders","id":%q}]}`, door == "batch", folder))
							if door == "batch" {
								return r.Status
							}
							return r.Int("/results/0/status")
						case "bulk":
							r := c.Post(t, "/v1/folders:bulk", `{"op":"delete","filter":"name = \"`+folder+`\""}`).Want(t, 202)
							ended(t, admin, "/v1/bulk-jobs/"+r.Text("/meta/id"))
							return map[int]int{410: 200, 200: 403}[admin.Get(t, "/v1/folders/"+folder).Status]
						}
						return c.Post(t, "/v1/folders/"+folder+":purge", nil).Status
					}()
					if ok := status < 300; ok != x.may || !ok && status != http.StatusForbidden {
						t.Errorf("%s is %d", what, status)
						continue
					}
					if at == "" {
						continue
					}
					if !x.may {
						admin.Get(t, "/v1/folders/"+folder).Want(t, 200)
						admin.Get(t, at).Want(t, 200)
						continue
					}
					apitest.Eventually(t, 20*time.Second, what, func() bool {
						r := admin.Get(t, at)
						return r.Status == 410 || r.Status == 404 || r.Status == 200 && x.typ == "links" && !strings.Contains(string(r.Body), `"`+folder+`"`)
					})
					if door == "delete" && x.who != "admin" {
						items := admin.Get(t, at+"/history").Items()
						last := items[len(items)-1].(map[string]any)
						if last["principal"] != "key:"+x.who || last["cause"] == "" {
							t.Errorf("%s: history says %v", what, last)
						}
					}
				}
			}
		})
	}
}

// What one unit changes is asked about as the unit leaves it.
func TestABatchMayMoveAwayWhatRefersBeforeItDeletes(t *testing.T) {
	t.Parallel()
	policy := `
roles:
  mover: [{types: [folders], actions: ["*"]}, {types: [items], actions: [create, read, update]}]
bindings:
  - {role: mover, subjects: ["key:mover"]}
`
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, policy, folderModels)
	mover, _ := key(t, admin, "mover", "")
	for _, f := range []string{"a", "b"} {
		admin.Put(t, "/v1/folders/"+f, `{}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	}
	admin.Put(t, "/v1/items/i", `{"folder":"a"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	remove := `{"op":"delete","type":"folders","id":"a"}`
	mover.Post(t, "/v1:batch", `{"operations":[`+remove+`]}`).WantProblem(t, 403, "permission_denied")
	mover.Post(t, "/v1:batch", `{"operations":[{"op":"patch","type":"items","id":"i","patch":{"kind":"x"}},`+remove+`]}`).WantProblem(t, 403, "permission_denied")
	mover.Post(t, "/v1:batch", `{"operations":[{"op":"patch","type":"items","id":"i","patch":{"folder":"b"}},`+remove+`]}`).Want(t, 200)
	admin.Get(t, "/v1/items/i").Want(t, 200).Equal(t, "/data/folder", `"b"`)
	admin.Get(t, "/v1/folders/a").WantProblem(t, 410, "deleted")
}

// A state of the past that may not be read is like none, deleted or not.
func TestAMomentThatMayNotBeReadIsLikeNone(t *testing.T) {
	t.Parallel()
	for _, storage := range []string{"memory", "disk"} {
		t.Run(storage, func(t *testing.T) {
			t.Parallel()
			admin := guard(t, autocrud.Settings{Storage: storage}, `
roles:
  open: [{types: [films], actions: [read, list], where: 'genre = "open"'}]
bindings:
  - {role: open, subjects: ["key:ann"]}
`)
			ann, _ := key(t, admin, "ann", "")
			at := func(r *apitest.Response) string {
				return "as_of=" + query(r.Text("/meta/updated_at"))
			}
			hidden := at(admin.Put(t, "/v1/films/x", `{"title":"X","genre":"closed"}`, apitest.Header("If-None-Match", "*")).Want(t, 201))
			deleted := at(admin.Delete(t, "/v1/films/x").Want(t, 200))
			admin.Post(t, "/v1/films/x:restore", nil).Want(t, 200)
			admin.Patch(t, "/v1/films/x", apitest.MergePatch, `{"genre":"open"}`).Want(t, 200)
			openly := at(admin.Delete(t, "/v1/films/x").Want(t, 200))
			admin.Post(t, "/v1/films/x:restore", nil).Want(t, 200)
			before := "as_of=2001-01-01T00:00:00Z"
			for _, also := range []string{"", "&include_deleted=true"} {
				for _, when := range []string{hidden, deleted, before} {
					ann.Get(t, "/v1/films/x?"+when+also).WantProblem(t, 404, "not_found")
				}
			}
			ann.Get(t, "/v1/films/x?"+openly).WantProblem(t, 410, "deleted")
			ann.Get(t, "/v1/films/x?"+openly+"&include_deleted=true").Want(t, 200)
			admin.Get(t, "/v1/films/x?"+deleted).WantProblem(t, 410, "deleted")
			ann.Get(t, "/v1/films/x").Want(t, 200)
		})
	}
}

// Without the right to read, a resource that is there, was deleted or was erased is
// answered like one that never was, at every way to look.
func TestWithoutARightToReadExistenceDoesNotShow(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, `
roles:
  watcher: [{types: [films], actions: [watch, list, update, switch, restore, delete]}]
bindings:
  - {role: watcher, subjects: ["key:ann"]}
`)
	ann, _ := key(t, admin, "ann", "")
	stranger, _ := key(t, admin, "bob", "")
	for _, id := range []string{"there", "deleted", "erased"} {
		admin.Post(t, "/v1/films?id="+id, `{"title":"X","genre":"x"}`).Want(t, 201)
	}
	admin.Delete(t, "/v1/films/deleted").Want(t, 200)
	admin.Post(t, "/v1/films/erased:purge", nil).Want(t, 204)
	for name, c := range map[string]*apitest.Client{"a right to all but read": ann, "no right at all": stranger} {
		t.Run(name, func(t *testing.T) {
			for _, look := range []string{"", "?include_deleted=true", "?revision=1", "/revisions", "/revisions/1", "/history", "/referrers", ":diff?from=1&to=1", ":watch", "/blobs/sha256:" + strings.Repeat("0", 64)} {
				for _, id := range []string{"never", "there", "deleted", "erased"} {
					c.Get(t, "/v1/films/"+id+look).WantProblem(t, 403, "permission_denied")
				}
			}
		})
	}
}
