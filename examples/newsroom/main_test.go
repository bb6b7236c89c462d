package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
)

// server runs the newsroom on a free port with a folder of its own.
type server struct {
	t   *testing.T
	url string
}

func start(t *testing.T) server {
	t.Helper()
	s, stop := startIn(t, newApp(), t.TempDir())
	t.Cleanup(stop)
	return s
}

func startIn(t *testing.T, app *autocrud.App, dir string) (s server, stop func()) {
	t.Helper()
	r, err := app.Start(t.Context(), autocrud.Settings{Addr: "127.0.0.1:0", DataDir: dir, Models: dir + "/none"})
	if err != nil {
		t.Fatal(err)
	}
	return server{t, r.URL}, func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// envelope is what the tests look at of an answer.
type envelope struct {
	Data Article `json:"data"`
	Meta struct {
		ID            string `json:"id"`
		SchemaVersion string `json:"schema_version"`
		Job           struct {
			State    string  `json:"state"`
			Attempts int     `json:"attempts"`
			Error    *string `json:"error"`
			Result   *Digest `json:"result"`
		} `json:"job"`
	} `json:"meta"`
	Title    string `json:"title"` // of what the action answers, or of a problem
	Revision any    `json:"revision"`
	Code     string `json:"code"` // of a problem
	Detail   string `json:"detail"`
}

func (s server) do(method, path, body string, status int) (out envelope) {
	s.t.Helper()
	got, b := s.send(method, path, body)
	if err := json.Unmarshal(b, &out); err != nil || got != status {
		s.t.Fatalf("%s %s: %d, want %d, %v: %s", method, path, got, status, err, b)
	}
	return out
}

func (s server) status(method, path, body string) int {
	s.t.Helper()
	status, _ := s.send(method, path, body)
	return status
}

func (s server) send(method, path, body string) (status int, answer []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	switch {
	case method == http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case body != "":
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// get decodes an answer of any form.
func (s server) get(path string, out any) {
	s.t.Helper()
	resp, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s, %v", path, resp.Status, err)
	}
}

// finished waits for the outcome of a job.
func (s server) finished(id string) envelope {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		e := s.do("GET", "/v1/send-digests/"+id+"?returns=meta", "", 200)
		switch e.Meta.Job.State {
		case "succeeded", "failed", "cancelled":
			return e
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the job is still %s", e.Meta.Job.State)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s server) article(id, more string) string {
	return fmt.Sprintf(`{"title":"%s","body":"...","section":"science",%s}`, id, more)
}

func TestRefusedWritesLeaveNothing(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"BothAuthorAndByline", s.article("a", `"author":"ann","byline":"Ann"`), 422, "validation_failed"},
		{"TitleWithSpace", s.article(" a", `"author":null,"byline":null`), 422, "validation_failed"},
		{"UnknownSection", `{"title":"a","body":"","section":"weather","author":null,"byline":null}`, 422, "validation_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := server{t, s.url}
			if e := s.do("POST", "/v1/articles?id=refused", c.body, c.status); e.Code != c.code {
				t.Errorf("code %s: %s, want %s", e.Code, e.Detail, c.code)
			}
			s.do("GET", "/v1/articles/refused", "", 404)
		})
	}
}

func TestAnArticleIsPublishedOnceANameStandsForIt(t *testing.T) {
	s := start(t)
	s.do("POST", "/v1/authors?id=ann", `{"name":"Ann","email":"ann@example.org"}`, 201)
	unsigned := s.article("A comet", `"author":null,"byline":null`)
	if e := s.do("POST", "/v1/articles?id=comet&status=stable", unsigned, 409); e.Code != "invalid_state" {
		t.Errorf("made as stable: %s: %s", e.Code, e.Detail)
	}
	s.do("POST", "/v1/articles?id=comet", unsigned, 201)
	if e := s.do("POST", "/v1/articles/comet:publish", "", 409); e.Code != "invalid_state" {
		t.Errorf("published without a name: %s: %s", e.Code, e.Detail)
	}
	s.do("GET", "/v1/articles/comet?view=published", "", 404)
	s.do("PATCH", "/v1/articles/comet", `{"author":"ann"}`, 200)
	s.do("GET", "/v1/articles/comet?view=published", "", 404)
	s.do("POST", "/v1/articles/comet:publish", "", 200)
	s.do("PATCH", "/v1/articles/comet", `{"author":null,"title":"Two comets"}`, 200)
	if e := s.do("GET", "/v1/articles/comet?view=published", "", 200); e.Data.Title != "A comet" {
		t.Errorf("%+v is published", e.Data)
	}
	if e := s.do("POST", "/v1/articles/comet:publish", "", 409); e.Code != "invalid_state" {
		t.Errorf("published without a name: %s: %s", e.Code, e.Detail)
	}
}

func TestSigningOffIsAnActionThatTheHooksStillReview(t *testing.T) {
	s := start(t)
	s.do("POST", "/v1/articles?id=comet", s.article("A comet", `"author":null,"byline":null`), 201)
	if e := s.do("POST", "/v1/articles/comet:sign-off", `{}`, 409); e.Code != "invalid_state" {
		t.Errorf("without author and byline: %s: %s", e.Code, e.Detail)
	}
	if e := s.do("POST", "/v1/articles/comet:sign-off", `{"byline":""}`, 422); e.Code != "validation_failed" {
		t.Errorf("with an empty byline: %s: %s", e.Code, e.Detail)
	}
	if e := s.do("POST", "/v1/articles/comet:sign-off", `{"byline":"A guest"}`, 200); e.Title != "A comet" || fmt.Sprint(e.Revision) != "2" {
		t.Errorf("answered %+v", e)
	}
	if e := s.do("GET", "/v1/articles/comet?view=published&returns=data", "", 200); *e.Data.Byline != "A guest" {
		t.Errorf("article %+v", e.Data)
	}
	s.do("POST", "/v1/articles/none:sign-off", `{}`, 404)
}

// What is published at its time is reviewed as it is then, and is not what HEAD is.
func TestWhatIsScheduledIsReviewedAtItsTime(t *testing.T) {
	s := start(t)
	signed, unsigned := s.article("One", `"author":null,"byline":"A guest"`), s.article("Two", `"author":null,"byline":null`)
	for _, c := range []struct{ id, scheduled, newer, published string }{
		{"signed", signed, unsigned, "1"}, {"unsigned", unsigned, signed, "<nil>"},
	} {
		type state struct {
			Meta struct{ Scheduled, Published any }
		}
		var at state
		s.do("POST", "/v1/articles?id="+c.id, c.scheduled, 201)
		for wait, status := time.Second, 422; status == 422; wait *= 2 { // a slow machine finds its time passed
			status = s.status("POST", "/v1/articles/"+c.id+":publish", fmt.Sprintf(`{"at":%q}`, time.Now().Add(wait).UTC().Format(time.RFC3339Nano)))
		}
		s.do("PUT", "/v1/articles/"+c.id, c.newer, 200)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			at = state{} // what is not in the answer is null
			if s.get("/v1/articles/"+c.id+"?returns=meta", &at); at.Meta.Scheduled == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is still scheduled: %v", c.id, at.Meta.Scheduled)
			}
		}
		if got := fmt.Sprint(at.Meta.Published); got != c.published {
			t.Errorf("%s: %s is published, want %s", c.id, got, c.published)
		}
	}
}

func TestAuthorsOfVersionOneAreReadAndMigrated(t *testing.T) {
	type Author struct { // as it was
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Email     string `json:"email"`
	}
	old, dir := autocrud.New(), t.TempDir()
	autocrud.Register[Author](old, "authors")
	s, stop := startIn(t, old, dir)
	s.do("POST", "/v1/authors?id=ann", `{"first_name":"Ann","last_name":"Lee","email":"ann@example.org"}`, 201)
	stop()

	s, stop = startIn(t, newApp(), dir)
	defer stop()
	name := func() string {
		var out struct {
			Data struct{ Name string }
		}
		s.get("/v1/authors/ann?returns=data", &out)
		return out.Data.Name
	}
	if n := name(); n != "Ann Lee" {
		t.Errorf("on read the name is %q", n)
	}
	if e := s.do("POST", "/v1/authors", `{"name":"Other","email":"ann@example.org"}`, 409); e.Code != "unique_conflict" {
		t.Errorf("the same address: %s: %s", e.Code, e.Detail)
	}
	s.do("POST", "/v1/authors:migrate", "", 200)
	if e := s.do("GET", "/v1/authors/ann?returns=meta", "", 200); e.Meta.SchemaVersion != "2" || name() != "Ann Lee" {
		t.Errorf("migrated: %+v, %q", e.Meta, name())
	}
}

func TestDigestListsWhatIsPublished(t *testing.T) {
	s := start(t)
	s.do("POST", "/v1/articles?id=b&status=stable", s.article("Bees", `"author":null,"byline":"A guest"`), 201)
	s.do("POST", "/v1/articles?id=a&status=stable", s.article("Ants", `"author":null,"byline":"A guest"`), 201)
	s.do("POST", "/v1/articles?id=c", s.article("Cats", `"author":null,"byline":"A guest"`), 201)
	queued := s.do("POST", "/v1/send-digests", `{"section":"science","to":"desk@example.org"}`, 201)
	e := s.finished(queued.Meta.ID)
	j := e.Meta.Job
	if j.State != "succeeded" || j.Result == nil || fmt.Sprint(*j.Result) != "{desk@example.org 2 [Ants Bees]}" {
		t.Errorf("job %+v", j)
	}
}

func TestEmptyDigestFailsAtOnce(t *testing.T) {
	s := start(t)
	queued := s.do("POST", "/v1/send-digests", `{"section":"sport","to":"desk@example.org"}`, 201)
	j := s.finished(queued.Meta.ID).Meta.Job
	if j.State != "failed" || j.Attempts != 1 || j.Error == nil || *j.Error != "nothing is published in sport" {
		t.Errorf("job %+v", j)
	}
}
