package tests_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// received is a delivery as a receiver got it.
type received struct {
	id, what string // "created m1"
	seq      uint64
	body     []byte
	header   http.Header
}

// receiver is another company's server. answer decides what it says.
type receiver struct {
	URL    string
	mu     sync.Mutex
	all    []received
	answer func(received) int
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		var m struct {
			Type string
			Seq  uint64
			Data struct{ Meta struct{ ID string } }
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		_, action, _ := strings.Cut(m.Type, ".")
		x := received{id: req.Header.Get("webhook-id"), what: action + " " + m.Data.Meta.ID, seq: m.Seq, body: body, header: req.Header}
		r.mu.Lock()
		defer r.mu.Unlock()
		status := 200
		if r.answer != nil {
			status = r.answer(x)
		}
		r.all = append(r.all, x)
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	r.URL = srv.URL
	return r
}

func (r *receiver) got() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

func (r *receiver) say(answer func(received) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// wait until n deliveries came.
func (r *receiver) wait(t *testing.T, n int) []received {
	t.Helper()
	apitest.Eventually(t, 30*time.Second, fmt.Sprintf("%d deliveries", n), func() bool { return len(r.got()) >= n })
	return r.got()
}

func whats(all []received) (out []string) {
	for _, x := range all {
		out = append(out, x.what)
	}
	return out
}

func local(s autocrud.Settings) autocrud.Settings {
	s.AllowWebhookNet = []string{"127.0.0.0/8"}
	return s
}

func hookTo(t *testing.T, c *apitest.Client, r *receiver, more string) *apitest.Response {
	t.Helper()
	return c.Post(t, "/v1/webhooks", fmt.Sprintf(`{"url":%q%s}`, r.URL+"/hook", more)).Want(t, 201)
}

func TestAWebhookIsToldInOrderAndSigned(t *testing.T) {
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			settings := s.Settings
			s.Settings = func(t testing.TB) autocrud.Settings { return local(settings(t)) }
			c := run(t, s, nil, nil)
			c.Post(t, "/v1/movies?id=before", `{"title":"before","year":2000}`).Want(t, 201)
			r := newReceiver(t)
			made := hookTo(t, c, r, `,"ordered":true`)
			secret := made.Text("/secret")
			n := story(t, c, "m1")
			all := r.wait(t, n)
			if got := whats(all); !reflect.DeepEqual(got, []string{"created m1", "modified m1", "status_changed m1", "updated m1", "switched m1", "deleted m1", "restored m1"}) {
				t.Errorf("told %q", got)
			}
			// What is purged may not be told any more; the tombstone is, at the end.
			story(t, c, "m2")
			purged(t, c, "/v1/movies/m2")
			apitest.Eventually(t, 10*time.Second, "the tombstone comes", func() bool {
				all = r.got()
				return all[len(all)-1].what == "purged m2"
			})
			wh, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			other, _ := standardwebhooks.NewWebhook("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
			for _, x := range all {
				if err := wh.Verify(x.body, x.header); err != nil {
					t.Errorf("%s: %v", x.what, err)
				}
				if other.Verify(x.body, x.header) == nil || wh.Verify(append(slices.Clone(x.body), ' '), x.header) == nil {
					t.Errorf("%s is accepted altered or with another secret", x.what)
				}
				moved := x.header.Clone()
				moved.Set("webhook-id", "another")
				late := x.header.Clone()
				late.Set("webhook-timestamp", fmt.Sprint(time.Now().Add(-time.Hour).Unix()))
				if wh.Verify(x.body, moved) == nil || wh.Verify(x.body, late) == nil {
					t.Errorf("%s is accepted replayed", x.what)
				}
			}
		})
	}
}

func TestTheSecretIsNeverRead(t *testing.T) {
	dir := t.TempDir()
	const text = "whsec_c2VjcmV0IHRoYXQgbm9ib2R5IG1heSByZWFkISE="
	s := local(autocrud.Settings{DataDir: dir})
	c := start(t, nil, s, nil)
	r := newReceiver(t)
	made := hookTo(t, c, r, `,"secret":"`+text+`"`)
	if made.Value("/secret") != nil {
		t.Errorf("the answer repeats a secret that was sent: %s", made.Body)
	}
	id := made.Text("/meta/id")
	w := c.MustWatch(t, "/v1/webhooks:watch?from_seq=0")
	c.Put(t, "/v1/webhooks/"+id, fmt.Sprintf(`{"url":%q,"description":"x"}`, r.URL)).Want(t, 200)
	const next = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhpcnR5IGJ5dGVzISE="
	c.Patch(t, "/v1/webhooks/"+id, apitest.MergePatch, `{"secret":"`+next+`"}`).Want(t, 200).Equal(t, "/meta/revision_count", "3")
	var seen []string
	for _, path := range []string{"", "/revisions", "/revisions/1", "/revisions/3", "/history", ":diff?from=1&to=3", "?revision=2"} {
		seen = append(seen, string(c.Get(t, "/v1/webhooks/"+id+path).Want(t, 200).Body))
	}
	seen = append(seen, string(c.Get(t, "/v1/webhooks").Want(t, 200).Body), string(c.Post(t, "/v1/webhooks:search", `{}`).Want(t, 200).Body))
	for _, e := range w.Take(t, 3) {
		seen = append(seen, e.Raw)
	}
	for _, body := range seen {
		if strings.Contains(body, `"secret"`) || strings.Contains(body, text[6:]) || strings.Contains(body, `"key"`) {
			t.Errorf("it shows: %s", body)
		}
	}
	// While both are good, both sign.
	c.Post(t, "/v1/movies?id=m1", `{"title":"One","year":1990}`).Want(t, 201)
	x := r.wait(t, 1)[0]
	for _, secret := range []string{text, next} {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(x.body, x.header); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
	}
	if n := len(strings.Fields(x.header.Get("webhook-signature"))); n != 2 {
		t.Errorf("%d signatures", n)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if files++; strings.Contains(string(b), "secret that nobody may read") || strings.Contains(string(b), text[6:]) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Error(files, err)
	}
}

func TestWhichEventsAWebhookIsTold(t *testing.T) {
	c := start(t, nil, local(autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}), nil)
	all, some, filtered := newReceiver(t), newReceiver(t), newReceiver(t)
	hookTo(t, c, all, "")
	hookTo(t, c, some, `,"types":["movies"],"actions":["deleted","restored"]`)
	hookTo(t, c, filtered, `,"types":["movies"],"filter":"year >= 2000","ordered":true`)
	c.Post(t, "/v1/studios?id=s1", `{"name":"x"}`).Want(t, 201)
	c.Post(t, "/v1/movies?id=a", `{"title":"a","year":2001}`).Want(t, 201)
	c.Post(t, "/v1/movies?id=b", `{"title":"b","year":1990}`).Want(t, 201)
	c.Put(t, "/v1/movies/a", `{"title":"a","year":1991}`).Want(t, 200)
	c.Put(t, "/v1/movies/b", `{"title":"b","year":2002}`).Want(t, 200)
	c.Delete(t, "/v1/movies/a").Want(t, 200)
	c.Post(t, "/v1/movies/a:restore", nil).Want(t, 200)
	c.Post(t, "/v1/movies?id=c", `{"title":"c","year":2003}`).Want(t, 201)
	if got := whats(filtered.wait(t, 4)); !reflect.DeepEqual(got, []string{"created a", "left a", "updated b", "created c"}) {
		t.Errorf("with a filter: %q", got)
	}
	got := whats(some.wait(t, 2))
	slices.Sort(got)
	if !reflect.DeepEqual(got, []string{"deleted a", "restored a"}) {
		t.Errorf("of some actions: %q", got)
	}
	if got := whats(all.wait(t, 8)); !slices.Contains(got, "created s1") || len(got) != 8 {
		t.Errorf("of all: %q", got) // and nothing of webhooks
	}
}

func TestAFailingReceiverIsToldAgain(t *testing.T) {
	c := start(t, nil, local(autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}), nil)
	r := newReceiver(t)
	tries := map[string]int{}
	r.answer = func(x received) int {
		if tries[x.id]++; tries[x.id] == 1 {
			return 500
		}
		return 204
	}
	id := hookTo(t, c, r, "").Text("/meta/id")
	c.Post(t, "/v1/movies?id=m1", `{"title":"a","year":2001}`).Want(t, 201)
	all := r.wait(t, 2)
	if all[0].id != all[1].id || string(all[0].body) != string(all[1].body) {
		t.Errorf("the second attempt is another event: %s, %s", all[0].body, all[1].body)
	}
	var list *apitest.Response
	apitest.Eventually(t, 10*time.Second, "two deliveries in the list", func() bool {
		list = c.Get(t, "/v1/webhooks/"+id+"/deliveries").Want(t, 200)
		return len(list.Items()) == 2
	})
	list.Equal(t, "/items/0/outcome", `"delivered"`).Equal(t, "/items/0/status", "204").Equal(t, "/items/0/attempt", "2").
		Equal(t, "/items/1/outcome", `"retrying"`).Equal(t, "/items/1/status", "500").Equal(t, "/items/1/action", `"created"`)
	if !strings.Contains(string(list.Body), all[0].id) || list.Value("/items/0/request/body") == nil {
		t.Errorf("%s", list.Body)
	}
	first := c.Get(t, "/v1/webhooks/"+id+"/deliveries?page_size=1").Want(t, 200).Equal(t, "/items/0/attempt", "2")
	c.Get(t, "/v1/webhooks/"+id+"/deliveries?page_size=1&page_token="+first.Text("/next_page_token")).Want(t, 200).Equal(t, "/items/0/attempt", "1")
	purged(t, c, "/v1/movies/m1")
	apitest.Eventually(t, 10*time.Second, "a purge takes the deliveries along", func() bool {
		for _, x := range c.Get(t, "/v1/webhooks/"+id+"/deliveries").Want(t, 200).Items() {
			if x.(map[string]any)["action"] == "created" {
				return false
			}
		}
		return true
	})
}

// TestAnEventThatFailsHoldsUpNoOther: what an address refuses waits for its next
// attempt, and everything else is sent meanwhile.
func TestAnEventThatFailsHoldsUpNoOther(t *testing.T) {
	c := start(t, nil, local(autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}), nil)
	r := newReceiver(t)
	const bad, good = 60, 200
	r.answer = func(x received) int {
		if strings.HasPrefix(x.what, "created bad") {
			return 500
		}
		return 200
	}
	id := hookTo(t, c, r, "").Text("/meta/id")
	for i := range bad {
		c.Post(t, fmt.Sprint("/v1/movies?id=bad", i), `{"title":"a","year":2001}`).Want(t, 201)
	}
	for i := range good {
		c.Post(t, fmt.Sprint("/v1/movies?id=good", i), `{"title":"a","year":2001}`).Want(t, 201)
	}
	apitest.Eventually(t, 30*time.Second, "everything is tried and the good ones are sent", func() bool {
		told := map[string]bool{}
		for _, x := range r.got() {
			told[x.what] = true
		}
		return len(told) == bad+good
	})
	r.say(nil)
	apitest.Eventually(t, 30*time.Second, "the bad ones are sent too", func() bool {
		delivered := 0
		for _, x := range c.Get(t, "/v1/webhooks/"+id+"/deliveries?page_size=1000").Want(t, 200).Items() {
			if m := x.(map[string]any); m["outcome"] == "delivered" && strings.HasPrefix(m["resource"].(string), "bad") {
				delivered++
			}
		}
		return delivered == bad
	})
}

func TestAWebhookIsPausedResumedAndReplayed(t *testing.T) {
	c := start(t, nil, local(autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}), nil)
	r := newReceiver(t)
	id := hookTo(t, c, r, `,"ordered":true`).Text("/meta/id")
	c.Post(t, "/v1/movies?id=a", `{"title":"a","year":2001}`).Want(t, 201)
	r.wait(t, 1)
	c.Post(t, "/v1/webhooks/"+id+":pause", nil).Want(t, 200).Equal(t, "/data/paused", "true")
	second := c.Post(t, "/v1/movies?id=b", `{"title":"b","year":2001}`).Want(t, 201)
	c.Post(t, "/v1/webhooks/"+id+":resume", nil).Want(t, 200).Equal(t, "/data/paused", "false")
	if got := whats(r.wait(t, 2)); !reflect.DeepEqual(got, []string{"created a", "created b"}) {
		t.Errorf("after the pause: %q", got)
	}
	c.Post(t, "/v1/webhooks/"+id+":replay", `{"from_seq":0}`).Want(t, 200)
	if got := whats(r.wait(t, 4)); !reflect.DeepEqual(got[2:], []string{"created a", "created b"}) {
		t.Errorf("replayed: %q", got)
	}
	c.Post(t, "/v1/webhooks/"+id+":replay", fmt.Sprintf(`{"from_time":%q}`, second.Text("/meta/created_at"))).Want(t, 200)
	if got := whats(r.wait(t, 5)); got[4] != "created b" {
		t.Errorf("replayed from a time: %q", got)
	}
	for _, body := range []string{`{}`, `{"from_seq":-1}`, `{"from_seq":1,"from_time":"2020-01-01T00:00:00Z"}`, `{"from_time":"x"}`, `{"x":1}`} {
		c.Post(t, "/v1/webhooks/"+id+":replay", body).WantProblem(t, 422, "validation_failed")
	}
	// One that wants no more is paused, which is an event.
	w := c.MustWatch(t, "/v1/webhooks/"+id+":watch")
	r.say(func(received) int { return 410 })
	c.Post(t, "/v1/movies?id=c", `{"title":"c","year":2001}`).Want(t, 201)
	e := w.Take(t, 1)[0]
	if reason, _ := e.Envelope.Data["paused_reason"].(string); e.Action != "updated" || e.Envelope.Data["paused"] != true || !strings.Contains(reason, "410") {
		t.Errorf("told %+v", e)
	}
	r.say(nil)
	x := c.Post(t, "/v1/webhooks/"+id+":test", nil).Want(t, 200).Equal(t, "/outcome", `"delivered"`).Equal(t, "/status", "200")
	if all := r.got(); all[len(all)-1].id != x.Text("/event_id") {
		t.Errorf("the test did not arrive")
	}
	c.Post(t, "/v1/movies/a:pause", nil).WantProblem(t, 404, "not_found")
	c.Get(t, "/v1/movies/a/deliveries").WantProblem(t, 404, "not_found")
}

func TestAWebhookThatOnlyFailsIsPaused(t *testing.T) {
	s := local(autocrud.Settings{Storage: "disk", DataDir: t.TempDir()})
	s.WebhookPauseAfter = 50 * time.Millisecond
	c := start(t, nil, s, nil)
	r := newReceiver(t)
	r.answer = func(received) int { return 503 }
	id := hookTo(t, c, r, "").Text("/meta/id")
	for i := range 20 {
		c.Post(t, fmt.Sprint("/v1/movies?id=f", i), `{"title":"a","year":2001}`).Want(t, 201)
	}
	apitest.Eventually(t, 20*time.Second, "it is paused", func() bool {
		return c.Get(t, "/v1/webhooks/"+id).Want(t, 200).Value("/data/paused") == true
	})
}

func TestWebhooksThatAreRefused(t *testing.T) {
	c := start(t, nil, memory(), nil) // no net is allowed
	for _, body := range []string{`{"url":"http://127.0.0.1/"}`, `{"url":"http://10.1.2.3/"}`, `{"url":"http://[::1]/"}`, `{"url":"http://[::ffff:169.254.169.254]/"}`,
		`{"url":"https://u:p@example.com/"}`, `{"url":"ftp://example.com/"}`, `{"url":"https://example.com:6379/"}`, `{"url":"http://localhost/"}`, `{"url":"x"}`, `{}`,
		`{"url":"https://example.com/","types":["nothing"]}`, `{"url":"https://example.com/","types":["webhooks"]}`, `{"url":"https://example.com/","actions":["x"]}`,
		`{"url":"https://example.com/","filter":"year > 1"}`, `{"url":"https://example.com/","types":["movies"],"filter":"nothing = 1"}`,
		`{"url":"https://example.com/","secret":"x"}`, `{"url":"https://example.com/","secret":""}`, `{"url":"https://example.com/","secret":"whsec_c2hvcnQ="}`, `{"url":"https://example.com/","secret":[{"key":"x"}]}`, `{"url":"https://example.com/","secret":5}`} {
		c.Post(t, "/v1/webhooks", body).WantProblem(t, 422, "validation_failed")
	}
	id := c.Post(t, "/v1/webhooks", `{"url":"https://hooks.example/"}`).Want(t, 201).Text("/meta/id")
	c.Patch(t, "/v1/webhooks/"+id, apitest.MergePatch, `{"url":"http://192.168.0.1/"}`).WantProblem(t, 422, "validation_failed")
}

// TestNoDeliveryIsLostWhenTheProcessIsKilled ends the program again and again
// while a receiver fails at random.
func TestNoDeliveryIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	args := []string{"--models", apitest.WriteModels(t, models), "--data-dir", t.TempDir(), "--log-level", "error", "--allow-webhook-net", "127.0.0.0/8"}
	want := map[uint64]string{}
	p := apitest.Launch(t, args...)
	c := apitest.NewClient(t, p.URL)
	hookTo(t, c, r, `,"types":["movies"]`)
	for round := range 4 {
		for i := range 40 {
			id := fmt.Sprintf("k%d-%d", round, i)
			resp, err := c.Try(t, "POST", "/v1/movies?id="+id, `{"title":"a","year":2001}`)
			if err != nil {
				t.Fatal(err)
			}
			want[uint64(resp.Want(t, 201).Int("/meta/seq"))] = "created " + id
		}
		time.Sleep(rand.N(30 * time.Millisecond)) // the kill comes anywhere
		p.Kill()
		p = apitest.Launch(t, args...)
		c = apitest.NewClient(t, p.URL)
	}
	apitest.Eventually(t, 60*time.Second, "every event was delivered", func() bool {
		told := map[uint64]string{}
		for _, x := range r.got() {
			told[x.seq] = x.what
		}
		return reflect.DeepEqual(told, want)
	})
}
