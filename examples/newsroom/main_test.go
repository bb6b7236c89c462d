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
	b, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil || resp.StatusCode != status {
		s.t.Fatalf("%s %s: %s, want %d, %v: %s", method, path, resp.Status, status, err, b)
	}
	return out
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
		{"PublicWithoutAuthorOrByline", s.article("a", `"author":null,"byline":null,"public":true`), 409, "invalid_state"},
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

func TestArticleIsPublishedOnceSomebodyAnswersForIt(t *testing.T) {
	s := start(t)
	s.do("POST", "/v1/authors?id=ann", `{"name":"Ann","email":"ann@example.org"}`, 201)
	s.do("POST", "/v1/articles?id=comet", s.article("A comet", `"author":null,"byline":null`), 201)
	if e := s.do("PATCH", "/v1/articles/comet", `{"public":true}`, 409); e.Code != "invalid_state" {
		t.Errorf("publishing without an author: %s: %s", e.Code, e.Detail)
	}
	s.do("PATCH", "/v1/articles/comet", `{"author":"ann"}`, 200)
	if e := s.do("PATCH", "/v1/articles/comet", `{"public":true}`, 200); !e.Data.Public {
		t.Error("not public")
	}
	if e := s.do("PATCH", "/v1/articles/comet", `{"public":null}`, 409); e.Code != "invalid_state" {
		t.Errorf("hiding what was public: %s: %s", e.Code, e.Detail)
	}
}

func TestPublishIsAnActionThatTheHooksStillReview(t *testing.T) {
	s := start(t)
	s.do("POST", "/v1/articles?id=comet", s.article("A comet", `"author":null,"byline":null`), 201)
	if e := s.do("POST", "/v1/articles/comet:publish", `{}`, 409); e.Code != "invalid_state" {
		t.Errorf("without author and byline: %s: %s", e.Code, e.Detail)
	}
	if e := s.do("POST", "/v1/articles/comet:publish", `{"byline":""}`, 422); e.Code != "validation_failed" {
		t.Errorf("with an empty byline: %s: %s", e.Code, e.Detail)
	}
	if e := s.do("POST", "/v1/articles/comet:publish", `{"byline":"A guest"}`, 200); e.Title != "A comet" || fmt.Sprint(e.Revision) != "2" {
		t.Errorf("answered %+v", e)
	}
	if e := s.do("GET", "/v1/articles/comet?returns=data", "", 200); !e.Data.Public || *e.Data.Byline != "A guest" {
		t.Errorf("article %+v", e.Data)
	}
	s.do("POST", "/v1/articles/none:publish", `{}`, 404)
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

func TestDigestListsWhatIsPublic(t *testing.T) {
	s := start(t)
	s.do("POST", "/v1/articles?id=b", s.article("Bees", `"author":null,"byline":"A guest","public":true`), 201)
	s.do("POST", "/v1/articles?id=a", s.article("Ants", `"author":null,"byline":"A guest","public":true`), 201)
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
