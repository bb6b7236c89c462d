package tests_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

var shelves = map[string]string{
	"writers": "name: writers\nschema: {type: object, properties: {name: {type: string}}}\nindex: [name]\n",
	"books": `name: books
schema:
  type: object
  properties:
    title: {type: string, minLength: 1}
    code: {type: [string, "null"]}
    editor: {type: [string, "null"]}
    coauthors: {type: array, items: {type: string}}
    inner: {type: object, properties: {editor: {type: string}}}
    owner: {type: string}
    part: {type: string}
    loose: {type: string}
index: [title]
unique: [code]
refs:
  editor: {type: writers, onDelete: set_null}
  coauthors: {type: writers, onDelete: set_null}
  inner.editor: {type: writers, onDelete: set_null}
  owner: {type: writers, onDelete: restrict}
  part: {type: books, onDelete: cascade}
  loose: {type: writers, onDelete: dangling}
`}

func TestEveryDeletedResourceHasAWayBack(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, row, nil, shelves)
			writer := func(ids ...string) {
				t.Helper()
				for _, id := range ids {
					c.Post(t, "/v1/writers?id="+id, `{"name":"`+id+`"}`).Want(t, 201)
				}
			}
			book := func(id, data string) { t.Helper(); c.Post(t, "/v1/books?id="+id, data).Want(t, 201) }
			remove := func(path string) { t.Helper(); c.Delete(t, "/v1/"+path).Want(t, 200) }
			purge := func(path string) { t.Helper(); purged(t, c, "/v1/"+path) }

			t.Run("references that are let go with their target are let go", func(t *testing.T) {
				writer("s1", "s2", "s3", "stays")
				book("n", `{"title":"n","editor":"s1","coauthors":["s1","stays","s2"],"inner":{"editor":"s3"},"loose":"s2"}`)
				remove("books/n")
				remove("writers/s1")
				purge("writers/s1")
				remove("writers/s2")
				remove("writers/s3")
				c.Post(t, "/v1/books/n:restore", `{}`).Want(t, 200).
					Equal(t, "/data", `{"title":"n","editor":null,"coauthors":["stays"],"inner":{},"loose":"s2"}`).
					Equal(t, "/meta/current_revision", `"n:2"`).Equal(t, "/revision/parent", `"n:1"`).Equal(t, "/meta/deleted", "false")
				c.Get(t, "/v1/books/n?revision=1").Want(t, 200).Equal(t, "/data/editor", `"s1"`)
				if got := len(c.Get(t, "/v1/books/n/history").Items()); got != 3 {
					t.Errorf("%d events", got)
				}
				if got := len(c.Get(t, "/v1/writers/stays/referrers").Items()); got != 1 {
					t.Errorf("%d referrers", got)
				}
			})
			t.Run("what comes back in the same batch is there", func(t *testing.T) {
				writer("w1")
				book("b1", `{"title":"b","editor":"w1"}`)
				remove("books/b1")
				remove("writers/w1")
				c.Post(t, "/v1:batch", batch(`{"op":"restore","type":"books","id":"b1"}`, `{"op":"restore","type":"writers","id":"w1"}`)).Want(t, 200)
				c.Get(t, "/v1/books/b1").Equal(t, "/data/editor", `"w1"`).Equal(t, "/meta/current_revision", `"b1:1"`)
			})
			t.Run("what follows a delete leaves alone what came back with its target", func(t *testing.T) {
				const rounds = 25
				for i := range rounds {
					id := "again" + strconv.Itoa(i)
					writer(id)
					remove("writers/" + id)
					ops := []string{`{"op":"create","type":"books","id":"` + id + `","data":{"title":"x","editor":"` + id + `","coauthors":["` + id + `"]}}`, `{"op":"restore","type":"writers","id":"` + id + `"}`}
					if i%2 == 1 {
						ops[0], ops[1] = ops[1], ops[0]
					}
					c.Post(t, "/v1:batch", batch(ops...)).Want(t, 200)
				}
				writer("last")
				book("last", `{"title":"last","editor":"last"}`)
				remove("writers/last")
				eventually(t, "what follows the last delete", func() bool { return c.Get(t, "/v1/books/last").Value("/data/editor") == nil })
				for i := range rounds {
					id := "again" + strconv.Itoa(i)
					path := "/v1/books/" + id
					c.Get(t, path).Equal(t, "/data/editor", `"`+id+`"`).Equal(t, "/data/coauthors", `["`+id+`"]`)
					if got := len(c.Get(t, path+"/history").Items()); got != 1 {
						t.Errorf("%s has %d events", path, got)
					}
				}
			})
			t.Run("an earlier revision, or a patch, where a reference is gone for good", func(t *testing.T) {
				writer("o1", "o2")
				book("r", `{"title":"first"}`)
				c.Patch(t, "/v1/books/r", apitest.MergePatch, `{"title":"second","owner":"o1"}`).Want(t, 200)
				book("p", `{"title":"p","owner":"o1"}`)
				book("q", `{"title":"q","owner":"o1"}`)
				for _, id := range []string{"r", "p", "q"} {
					remove("books/" + id)
				}
				remove("writers/o1")
				purge("writers/o1")
				c.Post(t, "/v1/books/r:restore", `{}`).WantProblem(t, 422, "dangling_reference")
				c.Post(t, "/v1/books/r:restore", `{"revision":9}`).WantProblem(t, 404, "unknown_revision")
				c.Post(t, "/v1/books/r:restore", `{"revision":1}`).Want(t, 200).Equal(t, "/data", `{"title":"first"}`).Equal(t, "/meta/current_revision", `"r:1"`)
				c.Post(t, "/v1/books/r:restore", `{"revision":2}`).WantProblem(t, 409, "invalid_state")
				c.Post(t, "/v1/books/r:restore", `{}`).Want(t, 200)
				c.Post(t, "/v1/books/p:restore", `{"patch":{"title":""}}`).WantProblem(t, 422, "validation_failed")
				c.Post(t, "/v1/books/p:restore", `{"patch":{"owner":"o2"}}`).Want(t, 200).Equal(t, "/data", `{"title":"p","owner":"o2"}`).Equal(t, "/meta/current_revision", `"p:2"`)
				c.Post(t, "/v1:batch", batch(`{"op":"restore","type":"books","id":"q","patch":[{"op":"remove","path":"/owner"}]}`)).Want(t, 200)
				c.Get(t, "/v1/books/q").Equal(t, "/data", `{"title":"q"}`)
				for _, body := range []string{`{"revision":0}`, `{"revision":"1"}`, `{"patch":7}`, `{"other":1}`} {
					c.Post(t, "/v1/books/q:restore", body).WantProblem(t, 422, "validation_failed")
				}
			})
			t.Run("a value that another has by now", func(t *testing.T) {
				book("u", `{"title":"u","code":"x"}`)
				remove("books/u")
				book("v", `{"title":"v","code":"x"}`)
				c.Post(t, "/v1/books/u:restore", `{}`).WantProblem(t, 409, "unique_conflict")
				c.Post(t, "/v1/books/u:restore", `{"patch":{"code":"y"}}`).Want(t, 200)
				c.Patch(t, "/v1/books/v", apitest.MergePatch, `{"code":"y"}`).WantProblem(t, 409, "unique_conflict")
			})
			t.Run("a part whose whole is gone", func(t *testing.T) {
				book("whole", `{"title":"whole"}`)
				book("piece", `{"title":"piece","part":"whole"}`)
				remove("books/piece")
				remove("books/whole")
				c.Post(t, "/v1/books/piece:restore", `{}`).WantProblem(t, 422, "dangling_reference")
				c.Post(t, "/v1/books/piece:restore", `{"patch":{"part":null}}`).Want(t, 200)
			})
			verifyClean(t, c)
		})
	}
}

func TestARestoreElsewhereNeedsTheRightsOfWhatItDoes(t *testing.T) {
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, `
roles:
  restorer:
    - {types: [papers], actions: [read, list, delete, restore]}
  clerk:
    - {types: [papers], actions: ["*"], fields: {hide: [salary], readonly: [ro]}}
bindings:
  - {role: restorer, subjects: ["key:restorer"]}
  - {role: clerk, subjects: ["key:clerk"]}
`, papers)
	only, _ := key(t, admin, "restorer", "")
	as, _ := key(t, admin, "clerk", "")
	admin.Post(t, "/v1/papers?id=a", `{"title":"one","ro":1,"salary":1}`).Want(t, 201)
	admin.Put(t, "/v1/papers/a", `{"title":"two","ro":1,"salary":1}`).Want(t, 200)
	admin.Put(t, "/v1/papers/a", `{"title":"three","ro":2,"salary":2}`).Want(t, 200)
	admin.Delete(t, "/v1/papers/a").Want(t, 200)
	for _, body := range []string{`{"revision":1}`, `{"patch":{"title":"x"}}`} {
		only.Post(t, "/v1/papers/a:restore", body).WantProblem(t, 403, "permission_denied")
	}
	for _, body := range []string{`{"revision":1}`, `{"patch":{"ro":5}}`, `{"patch":{"salary":null}}`, `{"patch":{"ro":null}}`, `{"revision":2,"patch":{"title":"x"}}`} {
		as.Post(t, "/v1/papers/a:restore", body).WantProblem(t, 403, "permission_denied")
	}
	as.Post(t, "/v1/papers/a:restore", `{"patch":{"title":"four"}}`).Want(t, 200)
	admin.Get(t, "/v1/papers/a").Equal(t, "/data", `{"title":"four","ro":2,"salary":2}`)
	admin.Delete(t, "/v1/papers/a").Want(t, 200)
	only.Post(t, "/v1/papers/a:restore", `{}`).Want(t, 200)
}

// A revision that may not be read is no place to begin from, with a patch or without:
// what becomes of it would show what is in it.
func TestARestoreShowsNoRevisionThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, `
roles:
  plain:
    - {types: [papers], actions: ["*"], where: 'title != "secret"'}
  denied:
    - {types: [papers], actions: ["*"]}
    - {types: [papers], actions: [read], where: 'title = "secret"', effect: deny}
  veiled:
    - {types: [papers], actions: ["*"], where: 'title = "secret"', fields: {hide: [salary]}}
    - {types: [papers], actions: ["*"], where: 'title != "secret"'}
bindings:
  - {role: veiled, subjects: ["key:cat"]}
  - {role: plain, subjects: ["key:ann"]}
  - {role: denied, subjects: ["key:bob"]}
`, papers)
	for _, name := range []string{"ann", "bob"} {
		t.Run(name, func(t *testing.T) {
			as, _ := key(t, admin, name, "")
			at := "/v1/papers/" + name
			admin.Post(t, "/v1/papers?id="+name, `{"title":"one","ro":1}`).Want(t, 201)
			admin.Put(t, at, `{"title":"secret","ro":4711}`).Want(t, 200)
			admin.Put(t, at, `{"title":"three","ro":1}`).Want(t, 200)
			admin.Delete(t, at).Want(t, 200)
			for _, body := range []string{`{"revision":2}`, `{"revision":2,"patch":{"title":"mine"}}`, `{"revision":2,"patch":[{"op":"replace","path":"/title","value":"mine"}]}`,
				`{"revision":2,"patch":[{"op":"test","path":"/ro","value":1}]}`, `{"revision":2,"patch":{}}`, `{"revision":2,"patch":{"title":5}}`} {
				as.Post(t, at+":restore", body).WantProblem(t, 404, "unknown_revision")
				as.Post(t, "/v1:batch", `{"operations":[{"op":"restore","type":"papers","id":"`+name+`",`+body[1:]+`]}`).WantProblem(t, 404, "unknown_revision")
			}
			as.Post(t, at+":restore", `{"revision":1,"patch":{"title":"mine"}}`).Want(t, 200).Equal(t, "/data/title", `"mine"`)
		})
	} // Nor one of which fields are hidden that are not hidden in the newest state.
	as, _ := key(t, admin, "cat", "")
	admin.Post(t, "/v1/papers?id=cat", `{"title":"secret","salary":4711}`).Want(t, 201)
	admin.Put(t, "/v1/papers/cat", `{"title":"two","salary":1}`).Want(t, 200)
	admin.Delete(t, "/v1/papers/cat").Want(t, 200)
	for _, patch := range []string{`{"title":"mine","salary":1}`, `[{"op":"copy","from":"/salary","path":"/ro"},{"op":"replace","path":"/salary","value":1},{"op":"replace","path":"/title","value":"mine"}]`,
		`[{"op":"test","path":"/salary","value":1}]`, `[{"op":"test","path":"/salary","value":4711},{"op":"replace","path":"/salary","value":1}]`} {
		as.Post(t, "/v1/papers/cat:restore", `{"revision":1,"patch":`+patch+`}`).WantProblem(t, 403, "permission_denied")
	}
	as.Post(t, "/v1/papers/cat:restore", `{"patch":{"salary":2}}`).Want(t, 200).Equal(t, "/data/salary", "2")
}

func TestARequestThatIsSentAgainBringsNothingErasedBack(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, row, nil, shelves)
			with := func(key string) apitest.Option { return apitest.Header("Idempotency-Key", key) }
			erase := func(id string) { t.Helper(); purged(t, c, "/v1/writers/"+id) }
			requests := map[string]func(key string) *apitest.Response{
				"create": func(key string) *apitest.Response {
					return c.Post(t, "/v1/writers", `{"name":"erased"}`, with(key))
				},
				"create under an id": func(key string) *apitest.Response {
					return c.Post(t, "/v1/writers?id=chosen", `{"name":"erased"}`, with(key))
				},
				"put": func(key string) *apitest.Response {
					return c.Put(t, "/v1/writers/put", `{"name":"erased"}`, with(key), apitest.Header("If-None-Match", "*"))
				},
			}
			for name, send := range requests {
				t.Run(name, func(t *testing.T) {
					k := "key-" + name[:3] + name[len(name)-2:]
					id := send(k).Want(t, 201).Text("/meta/id")
					send(k).Want(t, 201)
					c.Patch(t, "/v1/writers/"+id, apitest.MergePatch, `{"name":"changed"}`).Want(t, 200)
					erase(id)
					send(k).WantProblem(t, 410, "deleted")
					send(k).WantProblem(t, 410, "deleted")
					c.Get(t, "/v1/writers/"+id).WantProblem(t, 404, "not_found")
					if name == "create" {
						return
					}
					// The id is free for another request, and another life ends the same way.
					send(k+"2").Want(t, 201)
					erase(id)
					send(k).WantProblem(t, 410, "deleted")
					send(k+"2").WantProblem(t, 410, "deleted")
					c.Post(t, "/v1/writers?id="+id, `{"name":"without a key"}`).Want(t, 201)
				})
			}
			// What wrote an earlier life of an id is not done to the next one.
			for name, send := range map[string]func(id, key string) *apitest.Response{
				"patch": func(id, key string) *apitest.Response {
					return c.Patch(t, "/v1/writers/"+id, apitest.MergePatch, `{"name":"erased"}`, with(key))
				},
				"replace": func(id, key string) *apitest.Response {
					return c.Put(t, "/v1/writers/"+id, `{"name":"erased"}`, with(key))
				},
				"delete": func(id, key string) *apitest.Response {
					return c.Do(t, "DELETE", "/v1/writers/"+id, nil, with(key))
				},
				"batch of a patch": func(id, key string) *apitest.Response {
					return c.Post(t, "/v1:batch", batch(`{"op":"patch","type":"writers","id":"`+id+`","patch":{"name":"erased"}}`), with(key))
				},
			} {
				t.Run(name, func(t *testing.T) {
					id := strings.ReplaceAll(name, " ", "-") + "-lives"
					c.Post(t, "/v1/writers?id="+id, `{"name":"one"}`).Want(t, 201)
					send(id, name[:3]+"1").Want(t, 200)
					erase(id)
					if r := send(id, name[:3]+"1"); r.Status != 404 && r.Status != 410 {
						t.Errorf("after the purge: %d %s", r.Status, r.Body)
					}
					for _, life := range []string{"two", "three"} {
						c.Post(t, "/v1/writers?id="+id, `{"name":"`+life+`"}`).Want(t, 201)
						send(id, name[:3]+"1").WantProblem(t, 410, "deleted")
						c.Patch(t, "/v1/writers/"+id, apitest.MergePatch, `{"name":"`+life+`!"}`).Want(t, 200)
						send(id, name[:3]+"1").WantProblem(t, 410, "deleted")
						c.Get(t, "/v1/writers/"+id).Want(t, 200).Equal(t, "/data/name", `"`+life+`!"`)
						if life == "two" {
							erase(id)
						}
					}
					send(id, name[:3]+"2").Want(t, 200)
				})
			}
			t.Run("batch", func(t *testing.T) {
				body := batch(`{"op":"create","type":"writers","id":"b1","data":{"name":"erased"}}`, `{"op":"create","type":"writers","id":"b2","data":{"name":"stays"}}`)
				c.Post(t, "/v1:batch", body, with("batch")).Want(t, 200)
				erase("b1")
				if r := c.Post(t, "/v1:batch", body, with("batch")); r.Status < 400 {
					t.Errorf("%d %s", r.Status, r.Body)
				}
				c.Get(t, "/v1/writers/b1").WantProblem(t, 404, "not_found")
			})
			verifyClean(t, c)
		})
	}
}
