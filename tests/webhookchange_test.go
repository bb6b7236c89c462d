package tests_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// held is a server whose addresses below /held answer 410 only when it is let go; every
// other answers at once.
type held struct {
	URL   string
	letGo func()
	mu    sync.Mutex
	calls map[string]int // by path
}

func newHeld(t *testing.T) *held {
	h, gone := &held{calls: map[string]int{}}, make(chan struct{})
	h.letGo = sync.OnceFunc(func() { close(gone) })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h.mu.Lock()
		h.calls[r.URL.Path]++
		h.mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/held") {
			<-gone
			w.WriteHeader(http.StatusGone)
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(h.letGo)
	h.URL = srv.URL
	return h
}

func (h *held) called(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[path]
}

func (h *held) wait(t *testing.T, path string) {
	t.Helper()
	apitest.Eventually(t, 30*time.Second, path+" is called", func() bool { return h.called(path) > 0 })
}

func (h *held) hook(t *testing.T, c *apitest.Client, id, path, more string) {
	t.Helper()
	c.Post(t, "/v1/webhooks?id="+id, fmt.Sprintf(`{"url":%q%s}`, h.URL+path, more)).Want(t, 201)
}

func startHooked(t *testing.T) *apitest.Client {
	return start(t, nil, local(autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}), nil)
}

const aMovie = `{"title":"a","year":2001}`

// TestADeliveryTellsTheTrace in which its event was written, if there is one.
func TestADeliveryTellsTheTrace(t *testing.T) {
	c, r := startHooked(t), newReceiver(t)
	hookTo(t, c, r, `,"ordered":true`)
	c.Post(t, "/v1/movies", aMovie, apitest.Header("traceparent", clientParent)).Want(t, 201)
	c.Post(t, "/v1/movies", aMovie).Want(t, 201)
	got := r.wait(t, 2)
	if traced := got[0].header.Get("traceparent"); !strings.HasPrefix(traced, "00-"+clientTrace+"-") {
		t.Errorf("the traceparent is %q", traced)
	}
	if other := got[1].header.Values("traceparent"); len(other) > 0 {
		t.Errorf("without one it is %q", other)
	}
}

// TestWebhooksWithSimilarIDsAreApart: where one stands is not lost because another
// comes, changes or goes whose id begins like its own.
func TestWebhooksWithSimilarIDsAreApart(t *testing.T) {
	c := startHooked(t)
	r := newReceiver(t)
	for _, id := range []string{"a-", "a--b", "a---"} {
		c.Post(t, "/v1/webhooks?id="+id, fmt.Sprintf(`{"url":%q}`, r.URL)).Want(t, 201)
	}
	c.Post(t, "/v1/movies?id=m1", aMovie).Want(t, 201)
	r.wait(t, 3)
	other := newReceiver(t)
	c.Post(t, "/v1/webhooks?id=a", fmt.Sprintf(`{"url":%q}`, other.URL)).Want(t, 201)
	c.Post(t, "/v1/movies?id=m2", aMovie).Want(t, 201)
	other.wait(t, 1)
	r.wait(t, 6)
	purged(t, c, "/v1/webhooks/a")
	c.Post(t, "/v1/webhooks?id=a", fmt.Sprintf(`{"url":%q}`, other.URL)).Want(t, 201)
	c.Post(t, "/v1/movies?id=m3", aMovie).Want(t, 201)
	other.wait(t, 2)
	got := whats(r.wait(t, 9))
	slices.Sort(got)
	if want := []string{"created m1", "created m1", "created m1", "created m2", "created m2", "created m2", "created m3", "created m3", "created m3"}; !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
}

// TestAChangedWebhookIsNotPausedForWhatItWas: the address before the change says
// that it wants no more.
func TestAChangedWebhookIsNotPausedForWhatItWas(t *testing.T) {
	c, h := startHooked(t), newHeld(t)
	h.hook(t, c, "w", "/held", "")
	c.Post(t, "/v1/movies?id=m1", aMovie).Want(t, 201)
	h.wait(t, "/held")
	c.Patch(t, "/v1/webhooks/w", apitest.MergePatch, fmt.Sprintf(`{"url":%q}`, h.URL+"/new")).Want(t, 200)
	h.letGo()
	c.Post(t, "/v1/movies?id=m2", aMovie).Want(t, 201)
	h.wait(t, "/new")
	c.Get(t, "/v1/webhooks/w").Want(t, 200).Equal(t, "/data/paused", "false")
}

// TestAnAddressThatHangsHoldsUpNothing: neither a change of another webhook nor
// the end of the program.
func TestAnAddressThatHangsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	p := apitest.Launch(t, "--models", apitest.WriteModels(t, models), "--data-dir", t.TempDir(), "--allow-webhook-net", "127.0.0.0/8")
	c := apitest.NewClient(t, p.URL)
	h.hook(t, c, "hangs", "/held", "")
	h.hook(t, c, "other", "/old", "")
	c.Post(t, "/v1/movies?id=m", aMovie).Want(t, 201)
	h.wait(t, "/held")
	c.Patch(t, "/v1/webhooks/hangs", apitest.MergePatch, `{"description":"changed"}`).Want(t, 200)
	c.Patch(t, "/v1/webhooks/other", apitest.MergePatch, fmt.Sprintf(`{"url":%q}`, h.URL+"/new")).Want(t, 200)
	begun := time.Now()
	apitest.Eventually(t, 30*time.Second, "the new address is called", func() bool {
		c.Post(t, "/v1/movies", aMovie).Want(t, 201)
		return h.called("/new") > 0
	})
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("another webhook was changed after %s", took)
	}
	h.hook(t, c, "late", "/held/too", "")
	c.Post(t, "/v1/movies", aMovie).Want(t, 201)
	h.wait(t, "/held/too")
	code, took := p.Terminate(t, 20*time.Second)
	if code != 0 || took > 9*time.Second {
		t.Errorf("it ended with %d after %s", code, took)
	}
}

// TestAPurgeErasesWhatIsBeingDelivered: a resource is purged while an address that
// was told of it has not answered yet.
func TestAPurgeErasesWhatIsBeingDelivered(t *testing.T) {
	c, h := startHooked(t), newHeld(t)
	h.hook(t, c, "w", "/held", `,"ordered":true`)
	c.Post(t, "/v1/movies?id=gone", aMovie).Want(t, 201)
	h.wait(t, "/held")
	purged(t, c, "/v1/movies/gone")
	h.letGo()
	apitest.Eventually(t, 30*time.Second, "it is paused", func() bool {
		return c.Get(t, "/v1/webhooks/w").Want(t, 200).Value("/data/paused") == true
	})
	for _, x := range c.Get(t, "/v1/webhooks/w/deliveries").Want(t, 200).Items() {
		if m := x.(map[string]any); m["resource"] == "gone" && m["action"] != "purged" { // the purge itself may have been told
			t.Errorf("left: %v", x)
		}
	}
}

// TestANewWebhookHasNoDeliveriesOfAnother that had its id and was purged.
func TestANewWebhookHasNoDeliveriesOfAnother(t *testing.T) {
	c, h := startHooked(t), newHeld(t)
	h.hook(t, c, "w", "/first", "")
	c.Post(t, "/v1/webhooks/w:test", nil).Want(t, 200)
	purged(t, c, "/v1/webhooks/w")
	h.hook(t, c, "w", "/second", "")
	c.Post(t, "/v1/webhooks/w:test", nil).Want(t, 200)
	c.Get(t, "/v1/webhooks/w/deliveries").Want(t, 200).Equal(t, "/items/0/request/url", fmt.Sprintf("%q", h.URL+"/second")).Equal(t, "/items/1", "null").Equal(t, "/next_page_token", `""`)
}

// TestAWebhookIsNoWayAroundTheRules: a caller who may read and change webhooks,
// and watch nothing, gets no events by them.
func TestAWebhookIsNoWayAroundTheRules(t *testing.T) {
	s := local(autocrud.Settings{Storage: "disk", DataDir: t.TempDir()})
	s.Auth, s.AdminKey = "required", adminKey
	admin := start(t, nil, s, nil).As(adminKey)
	admin.Post(t, "/v1/roles", `{"name":"hooker","rules":[{"types":["webhooks"],"actions":["create","read","list","update"]}]}`).Want(t, 201)
	admin.Post(t, "/v1/bindings?id=b", `{"role":"hooker","subjects":["key:eve"]}`).Want(t, 201)
	eve := admin.As(admin.Post(t, "/v1/api-keys", `{"name":"eve"}`).Want(t, 201).Text("/secret"))
	r := newReceiver(t)
	hookURL := fmt.Sprintf(`{"url":%q}`, r.URL+"/theirs")
	admin.Post(t, "/v1/webhooks?id=w", fmt.Sprintf(`{"url":%q}`, r.URL)).Want(t, 201)
	admin.Post(t, "/v1/movies", aMovie).Want(t, 201)
	r.wait(t, 1)
	path := "/v1/webhooks/w/deliveries"
	apitest.Eventually(t, 30*time.Second, "eve may read deliveries", func() bool {
		list := eve.Get(t, path)
		return list.Status == 200 && len(list.Items()) == 1
	})
	eve.Get(t, path).Want(t, 200).Equal(t, "/items/0/request/body", "null")
	if admin.Get(t, path).Want(t, 200).Value("/items/0/request/body") == nil {
		t.Error("the admin does not see what was sent")
	}
	for _, change := range []string{hookURL, `{"types":["studios"],"description":"x"}`} {
		eve.Patch(t, "/v1/webhooks/w", apitest.MergePatch, change).WantProblem(t, 403, "permission_denied")
	}
	eve.Post(t, "/v1/webhooks?id=own", hookURL).WantProblem(t, 403, "permission_denied")
}

// TestNoWriteOfAWebhookSendsAgain: that deliveries began again once is the program's
// own to know; what is written and what HEAD is moved to does not forget it.
func TestNoWriteOfAWebhookSendsAgain(t *testing.T) {
	c, r := startHooked(t), newReceiver(t)
	made := hookTo(t, c, r, `,"types":["movies"],"ordered":true`)
	id, body := made.Text("/meta/id"), fmt.Sprintf(`{"url":%q,"types":["movies"],"ordered":true}`, r.URL+"/hook")
	path := "/v1/webhooks/" + id
	for i := range 2 {
		c.Post(t, fmt.Sprint("/v1/movies?id=first", i), aMovie).Want(t, 201)
	}
	r.wait(t, 2)
	c.Patch(t, path, apitest.MergePatch, `{"replay":{"id":"mine","from_seq":0}}`).WantProblem(t, 422, "validation_failed")
	c.Post(t, path+":replay", `{"from_seq":0}`).Want(t, 200)
	r.wait(t, 4)
	old, _ := json.Marshal(c.Get(t, path).Want(t, 200).Value("/data"))
	c.Post(t, path+":replay", `{"from_seq":0}`).Want(t, 200)
	told := 6
	r.wait(t, told)
	now := c.Get(t, path).Want(t, 200).Text("/data/replay/id")
	batch := func(op string) string {
		return fmt.Sprintf(`{"operations":[{"type":"webhooks","id":%q,%s}]}`, id, op)
	}
	for _, door := range []struct {
		name  string
		write func()
	}{
		{"PUT without it", func() { c.Put(t, path, body).Want(t, 200) }},
		{"PUT with null", func() { c.Put(t, path, strings.TrimSuffix(body, "}")+`,"replay":null,"description":"x"}`).Want(t, 200) }},
		{"merge patch", func() { c.Patch(t, path, apitest.MergePatch, `{"replay":null,"description":"y"}`).Want(t, 200) }},
		{"JSON patch", func() {
			c.Patch(t, path, apitest.JSONPatch, `[{"op":"remove","path":"/replay"},{"op":"add","path":"/description","value":"z"}]`).Want(t, 200)
		}},
		{"batch", func() { c.Post(t, "/v1:batch", batch(`"op":"update","data":`+body)).Want(t, 200) }},
		{"switch", func() { c.Post(t, path+":switch", `{"revision":1}`).Want(t, 200) }},
		{"switch in a batch", func() {
			c.Patch(t, path, apitest.MergePatch, `{"description":"w"}`).Want(t, 200)
			c.Post(t, "/v1:batch", batch(`"op":"switch","revision":1`)).Want(t, 200)
		}},
		{"restore", func() { c.Delete(t, path).Want(t, 200); c.Post(t, path+":restore", nil).Want(t, 200) }},
		{"PUT after the restore", func() { c.Put(t, path, body).Want(t, 200) }},
	} {
		door.write()
		c.Get(t, path).Want(t, 200).Equal(t, "/data/replay/id", `"`+now+`"`)
		c.Post(t, fmt.Sprint("/v1/movies?id=m", told), aMovie).Want(t, 201)
		told++
		if got := whats(r.wait(t, told)); len(got) != told || got[told-1] != fmt.Sprint("created m", told-1) {
			t.Fatalf("%s: %q", door.name, got)
		}
	}
	c.Put(t, path, string(old)).WantProblem(t, 422, "validation_failed") // it was replayed since
}
