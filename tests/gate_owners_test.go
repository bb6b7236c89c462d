package tests_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

const operatorPolicy = `
roles:
  operator:
    - {types: [schedules], actions: [create, read, list, update, modify, publish, switch, delete, restore, purge]}
    - {types: [bulk-jobs], actions: [create, read, list, update, cancel, rerun]}
    - {types: [films], actions: [read, list, update], where: 'genre = "open"'}
bindings:
  - {role: operator, subjects: ["key:operator"]}
`

// everySecond is a schedule that changes all films that its owner may change.
const everySecond = `{"type":"bulk-jobs","cron":"* * * * * *","overlap":"allow","paused":%v,"payload":{"op":"patch","type":"films","patch":{"budget":7}}}`

// scheduleDoor is a way in which one changes the schedule of another so that it runs.
type scheduleDoor struct {
	before string // "paused", "deleted", "switched": how the admin leaves it
	change func(t *testing.T, c *apitest.Client, id string) *apitest.Response
}

func scheduleDoors() map[string]scheduleDoor {
	running := fmt.Sprintf(everySecond, false)
	batch := func(atomic bool) func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
		return func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
			return c.Post(t, "/v1:batch", fmt.Sprintf(`{"atomic":%v,"operations":[{"op":"patch","type":"schedules","id":%q,"patch":{"paused":false}}]}`, atomic, id))
		}
	}
	return map[string]scheduleDoor{
		"put": {change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
			return c.Put(t, "/v1/schedules/"+id, running)
		}},
		"patch": {change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
			return c.Patch(t, "/v1/schedules/"+id, apitest.MergePatch, `{"paused":false}`)
		}},
		"json-patch": {change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
			return c.Patch(t, "/v1/schedules/"+id, apitest.JSONPatch, `[{"op":"replace","path":"/paused","value":false}]`)
		}},
		"batch-atomic": {change: batch(true)},
		"batch":        {change: batch(false)},
		"bulk": {change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
			return c.Post(t, "/v1/schedules:bulk", `{"op":"patch","filter":"meta.id = \"`+id+`\"","patch":{"paused":false}}`).Want(t, 202)
		}},
		"switch": {before: "switched", change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
			return c.Post(t, "/v1/schedules/"+id+":switch", `{"revision":1}`)
		}},
		"restore": {before: "deleted", change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
			return c.Post(t, "/v1/schedules/"+id+":restore", nil)
		}},
	}
}

// leave makes a schedule of the admin, as the door needs it.
func (d scheduleDoor) leave(t *testing.T, admin *apitest.Client, id, running, paused string) {
	t.Helper()
	path := "/v1/schedules/" + id
	first := paused
	if d.before != "" {
		first = running
	}
	admin.Post(t, "/v1/schedules?id="+id, first).Want(t, 201)
	switch d.before {
	case "deleted":
		admin.Delete(t, path).Want(t, 200)
	case "switched":
		admin.Put(t, path, paused).Want(t, 200)
	}
}

// A schedule acts as the one that changed it last, by whatever door: its jobs are
// made as that one and touch what that one may touch. An admin that changes the
// schedule of another lends it no rights.
func TestAScheduleActsAsItsLastWriter(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, operatorPolicy)
	operator, _ := key(t, admin, "operator", "")
	admin.Put(t, "/v1/films/open", `{"title":"O","genre":"open","budget":1}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	running, paused := fmt.Sprintf(everySecond, false), fmt.Sprintf(everySecond, true)
	for name, door := range scheduleDoors() {
		door.leave(t, admin, name, running, paused)
		if r := door.change(t, operator, name); r.Status >= 300 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	operator.Post(t, "/v1/schedules?id=lent", paused).Want(t, 201)
	admin.Patch(t, "/v1/schedules/lent", apitest.MergePatch, `{"paused":false}`).Want(t, 200)
	jobs := func() map[string][]string { // of each schedule, oldest first
		out := map[string][]string{}
		for _, x := range admin.Get(t, "/v1/bulk-jobs?page_size=1000&order_by=meta.seq").Want(t, 200).Items() {
			meta := x.(map[string]any)["meta"].(map[string]any)
			tick, _ := meta["job"].(map[string]any)["schedule"].(map[string]any)
			if id, ok := tick["id"].(string); ok {
				out[id] = append(out[id], meta["created_by"].(string))
			}
		}
		return out
	}
	names := []string{"lent"}
	for name := range scheduleDoors() {
		names = append(names, name)
	}
	apitest.Eventually(t, 30*time.Second, "the operator makes the jobs of every schedule", func() bool {
		made := jobs()
		for _, name := range names {
			if !strings.Contains(strings.Join(made[name], " "), "key:operator key:operator") {
				return false
			}
		}
		return true
	})
	for name, made := range jobs() {
		text := strings.Join(made, " ")
		if _, after, _ := strings.Cut(text, "key:operator"); strings.Contains(after, "admin") || name == "lent" && strings.Contains(text, "admin") {
			t.Errorf("%s: made by %s", name, text)
		}
	}
	admin.Put(t, "/v1/films/closed", `{"title":"C","genre":"closed","budget":1}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	admin.Patch(t, "/v1/films/open", apitest.MergePatch, `{"budget":1}`).Want(t, 200)
	apitest.Eventually(t, 30*time.Second, "the schedules change what is open", func() bool {
		return admin.Get(t, "/v1/films/open").Int("/data/budget") == 7
	})
	admin.Get(t, "/v1/films/closed").Equal(t, "/data/budget", "1")
	if got := admin.Get(t, "/v1/films/open").Text("/revision/message"); !strings.HasPrefix(got, "by bulk-jobs/") {
		t.Errorf("the message of a bulk change is %q", got)
	}
	for _, x := range admin.Get(t, "/v1/films/open/history?page_size=1000").Items() {
		h := x.(map[string]any)
		if cause, _ := h["cause"].(string); h["principal"] != "admin" && !strings.HasPrefix(cause, "bulk-jobs/") {
			t.Errorf("history of a bulk change: %v", h)
		}
	}
}

// What acts later and does what its writer may not is refused, whether the writer
// would put that in or found it there.
func TestAScheduleIsRefusedToWhomItIsTooStrongFor(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, operatorPolicy)
	operator, _ := key(t, admin, "operator", "")
	bindings := `{"type":"bulk-jobs","cron":"@yearly","paused":%v,"payload":{"op":"patch","type":"bindings","patch":[{"op":"add","path":"/subjects/-","value":"key:operator"}]}}`
	running, paused := fmt.Sprintf(bindings, false), fmt.Sprintf(bindings, true)
	doors := scheduleDoors()
	doors["put"] = scheduleDoor{change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
		return c.Put(t, "/v1/schedules/"+id, fmt.Sprintf(everySecond, true))
	}}
	doors["delete"] = scheduleDoor{change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
		return c.Delete(t, "/v1/schedules/"+id)
	}}
	doors["purge"] = scheduleDoor{change: func(t *testing.T, c *apitest.Client, id string) *apitest.Response {
		return c.Post(t, "/v1/schedules/"+id+":purge", nil)
	}}
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			door.leave(t, admin, name, running, paused)
			at := admin.Get(t, "/v1/schedules/"+name+"?include_deleted=true").Int("/meta/seq")
			r := door.change(t, operator, name)
			switch name {
			case "bulk":
				ended(t, admin, "/v1/bulk-jobs/"+r.Text("/meta/id"))
			case "batch":
				if r.Int("/results/0/status") != http.StatusForbidden {
					t.Errorf("%s", r.Body)
				}
			default:
				r.WantProblem(t, 403, "permission_denied")
			}
			if now := admin.Get(t, "/v1/schedules/"+name+"?include_deleted=true").Want(t, 200).Int("/meta/seq"); now != at {
				t.Errorf("it was changed")
			}
		})
	}
	for name, payload := range map[string]string{
		"bindings":      running,
		"roles":         `{"type":"bulk-jobs","cron":"@yearly","payload":{"op":"delete","type":"roles"}}`,
		"delete films":  `{"type":"bulk-jobs","cron":"@yearly","payload":{"op":"delete","type":"films"}}`,
		"another type":  `{"type":"mails","cron":"@yearly","payload":{"to":"x"}}`,
		"purge of keys": `{"type":"bulk-jobs","cron":"@yearly","payload":{"op":"purge","type":"api-keys","id":"x"}}`,
	} {
		t.Run("create "+name, func(t *testing.T) {
			operator.Post(t, "/v1/schedules", payload).WantProblem(t, 403, "permission_denied")
			id := strings.ReplaceAll(name, " ", "-") + "-own"
			operator.Post(t, "/v1/schedules?id="+id, fmt.Sprintf(everySecond, true)).Want(t, 201)
			operator.Put(t, "/v1/schedules/"+id, payload).WantProblem(t, 403, "permission_denied")
		})
	}
}

// A job runs as the one that changed it last or ran it again, who must be allowed to
// make it. An admin's change leaves the owner.
func TestAJobRunsAsItsLastWriter(t *testing.T) {
	t.Parallel()
	app := autocrud.New()
	type run struct{ to, who string }
	ran := make(chan run, 20)
	autocrud.Register[letter](app, "letters", model.WithJob(model.JobSpec{MaxAttempts: 1}))
	autocrud.HandleJob(app, "letters", func(ctx context.Context, j *job.Job[letter]) error {
		_, err := j.Manager.Create(ctx, "films", map[string]any{"title": j.Payload.To}, resource.CreateOptions{})
		ran <- run{j.Payload.To, policy.ActorOf(ctx).Principal}
		return err
	})
	admin := guardApp(t, app, autocrud.Settings{Storage: "memory"}, `
roles:
  writer: [{types: [letters], actions: [run, read, update, rerun, switch, cancel]}, {types: [films], actions: [create, read]}]
  editor: [{types: [letters], actions: [read, update, rerun, switch, cancel]}]
bindings:
  - {role: writer, subjects: ["key:ann", "key:bob"]}
  - {role: editor, subjects: ["key:carol"]}
`)
	ann, _ := key(t, admin, "ann", "")
	bob, _ := key(t, admin, "bob", "")
	carol, _ := key(t, admin, "carol", "")
	later := query(time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	n := 0
	// waiting makes a job of ann's that waits, is changed, and runs at once.
	waiting := func() string {
		n++
		return "/v1/letters/" + ann.Post(t, fmt.Sprintf("/v1/letters?id=l%d&run_at=%s", n, later), letter{"first"}).Want(t, 201).Text("/meta/id")
	}
	finished := func() string {
		path := "/v1/letters/" + ann.Post(t, "/v1/letters", letter{"first"}).Want(t, 201).Text("/meta/id")
		ended(t, admin, path).Equal(t, "/meta/job/state", `"succeeded"`)
		if x := <-ran; x.who != "key:ann" {
			t.Errorf("%v", x)
		}
		return path
	}
	by := func(t *testing.T, path, who string) {
		t.Helper()
		ended(t, admin, path).Equal(t, "/meta/job/state", `"succeeded"`)
		if x := <-ran; x.who != who {
			t.Errorf("ran as %s, want %s", x.who, who)
		}
	}
	t.Run("patched, cancelled and run again", func(t *testing.T) {
		path := waiting()
		bob.Patch(t, path, apitest.MergePatch, `{"to":"second"}`).Want(t, 200)
		ann.Post(t, path+":cancel", nil).Want(t, 200)
		admin.Post(t, path+":rerun", nil).Want(t, 200)
		by(t, path, "key:bob")
	})
	t.Run("switched back", func(t *testing.T) {
		path := waiting()
		ann.Patch(t, path, apitest.MergePatch, `{"to":"second"}`).Want(t, 200)
		bob.Post(t, path+":switch", `{"revision":1}`).Want(t, 200)
		ann.Post(t, path+":cancel", nil).Want(t, 200)
		admin.Post(t, path+":rerun", nil).Want(t, 200)
		by(t, path, "key:bob")
	})
	t.Run("run again by another", func(t *testing.T) {
		path := finished()
		bob.Post(t, path+":rerun", nil).Want(t, 200)
		by(t, path, "key:bob")
	})
	t.Run("run again by an admin", func(t *testing.T) {
		path := finished()
		admin.Post(t, path+":rerun", nil).Want(t, 200)
		by(t, path, "key:ann")
		admin.Get(t, path).Equal(t, "/meta/created_by", `"key:ann"`)
	})
	t.Run("refused to a principal that may not make it", func(t *testing.T) {
		path := waiting()
		carol.Patch(t, path, apitest.MergePatch, `{"to":"second"}`).WantProblem(t, 403, "permission_denied")
		carol.Post(t, "/v1:batch", `{"operations":[{"op":"patch","type":"letters","id":"`+strings.TrimPrefix(path, "/v1/letters/")+`","patch":{"to":"x"}}]}`).WantProblem(t, 403, "permission_denied")
		carol.Post(t, path+":cancel", nil).Want(t, 200)
		carol.Post(t, path+":rerun", nil).WantProblem(t, 403, "permission_denied")
	})
}

// A webhook that another changes tells what that one may watch; what it tells must be
// within the rights of every writer that changes it.
func TestAWebhookActsAsItsLastWriter(t *testing.T) {
	t.Parallel()
	told := atomic.Int64{}
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	t.Cleanup(hook.Close)
	admin := guard(t, autocrud.Settings{Storage: "memory", AllowWebhookNet: []string{"127.0.0.0/8"}}, `
roles:
  hooks: [{types: [webhooks], actions: ["*"]}]
bindings:
  - {role: hooks, subjects: ["key:maker"]}
`)
	admin.Put(t, "/v1/roles/watchers", `{"name":"watchers","rules":[{"types":["films"],"actions":["watch"]}]}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	binding := admin.Post(t, "/v1/bindings", `{"role":"watchers","subjects":["key:maker"]}`).Want(t, 201).Text("/meta/id")
	maker, _ := key(t, admin, "maker", "")
	all := "/v1/webhooks/" + admin.Post(t, "/v1/webhooks", `{"url":"`+hook.URL+`/all"}`).Want(t, 201).Text("/meta/id")
	films := "/v1/webhooks/" + admin.Post(t, "/v1/webhooks", `{"url":"`+hook.URL+`/films","types":["films"]}`).Want(t, 201).Text("/meta/id")
	for what, r := range map[string]*apitest.Response{
		"patch":  maker.Patch(t, all, apitest.MergePatch, `{"types":["films"]}`),
		"put":    maker.Put(t, all, `{"url":"`+hook.URL+`","types":["films"]}`),
		"pause":  maker.Post(t, all+":pause", nil),
		"replay": maker.Post(t, all+":replay", `{"from_seq":0}`),
		"delete": maker.Delete(t, all),
		"purge":  maker.Post(t, all+":purge", nil),
		"more":   maker.Patch(t, films, apitest.MergePatch, `{"types":[]}`),
	} {
		if r.Status != http.StatusForbidden {
			t.Errorf("%s is %d: %s", what, r.Status, r.Body)
		}
	}
	maker.Patch(t, films, apitest.MergePatch, `{"url":"`+hook.URL+`/mine"}`).Want(t, 200)
	sent := func(path string) string {
		return string(admin.Get(t, path+"/deliveries?page_size=1000").Want(t, 200).Body)
	}
	first := admin.Post(t, "/v1/films", `{"title":"x"}`).Want(t, 201).Text("/meta/id")
	apitest.Eventually(t, 30*time.Second, "both are told", func() bool { return strings.Contains(sent(all), first) && strings.Contains(sent(films), first) })
	admin.Delete(t, "/v1/bindings/"+binding).Want(t, 200)
	last := admin.Post(t, "/v1/films", `{"title":"y"}`).Want(t, 201).Text("/meta/id")
	apitest.Eventually(t, 30*time.Second, "the admin's is told", func() bool { return strings.Contains(sent(all), last) })
	if strings.Contains(sent(films), last) {
		t.Error("a webhook tells its last writer what that one may not watch any more")
	}
}
