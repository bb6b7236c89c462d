package autocrud_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

type note struct {
	Text string `json:"text"`
}

type shout struct {
	Times int `json:"times" jsonschema:"minimum=1,maximum=5"`
}

type made struct {
	ID string `json:"id"`
}

type shouted struct {
	Text string `json:"text"`
}

func notes(t *testing.T) string {
	t.Helper()
	app := autocrud.New()
	autocrud.Register[note](app, "notes")
	fn := func(ctx context.Context, c autocrud.ActionCall[shout]) (shouted, error) {
		n, err := resource.For[note](c.Manager, "notes").Get(ctx, c.ID, resource.GetOptions{})
		if err != nil {
			return shouted{}, err
		}
		return shouted{strings.Repeat(strings.ToUpper(n.Data.Text), c.Input.Times)}, nil
	}
	autocrud.Action(app, "notes", "shout", fn, autocrud.OnResource(), autocrud.Titled("Shout a note"))
	autocrud.Action(app, "notes", "shout-later", fn, autocrud.OnResource(), autocrud.AsJob())
	autocrud.Action(app, "notes", "import", func(ctx context.Context, c autocrud.ActionCall[note]) (made, error) {
		if c.Input.Text == "no" {
			return made{}, fault.Errorf(fault.PermissionDenied, "not this one")
		}
		n, err := resource.For[note](c.Manager, "notes").Create(ctx, c.Input, resource.CreateOptions{})
		if err != nil {
			return made{}, err
		}
		return made{n.Meta.ID}, nil
	})
	r, err := app.Start(t.Context(), autocrud.Settings{Addr: "127.0.0.1:0", DataDir: t.TempDir(), LogLevel: "error"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	return r.URL
}

func call(t *testing.T, method, url, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return resp.StatusCode, out
}

func TestActionsAreTypedDocumentedAndRunAtOnceOrAsJobs(t *testing.T) {
	url := notes(t)
	status, out := call(t, "POST", url+"/v1/notes:import", `{"text":"hey"}`)
	id, _ := out["id"].(string)
	if status != 200 || id == "" {
		t.Fatalf("%d %v", status, out)
	}
	if status, out = call(t, "POST", url+"/v1/notes/"+id+":shout", `{"times":2}`); status != 200 || out["text"] != "HEYHEY" {
		t.Fatalf("%d %v", status, out)
	}
	for path, want := range map[string]struct {
		body string
		code string
	}{
		"/v1/notes/" + id + ":shout": {`{"times":9}`, "validation_failed"},
		"/v1/notes/none:shout":       {`{"times":1}`, "not_found"},
		"/v1/notes:import":           {`{"text":"no"}`, "permission_denied"},
		"/v1/notes:unknown":          {`{}`, "not_found"},
	} {
		if _, out := call(t, "POST", url+path, want.body); out["code"] != want.code {
			t.Errorf("%s: %v, want %s", path, out, want.code)
		}
	}
	status, out = call(t, "POST", url+"/v1/notes/"+id+":shout-later", `{"times":3}`)
	if status != 202 {
		t.Fatalf("%d %v", status, out)
	}
	job := fmt.Sprint(out["meta"].(map[string]any)["id"])
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, out = call(t, "GET", url+"/v1/notes-shout-later-jobs/"+job, "")
		state := out["meta"].(map[string]any)["job"].(map[string]any)
		if state["state"] == "succeeded" {
			if state["result"].(map[string]any)["text"] != "HEYHEYHEY" {
				t.Fatalf("%v", state)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the job is %v", state)
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, doc := call(t, "GET", url+"/openapi.json", "")
	paths := doc["paths"].(map[string]any)
	for _, p := range []string{"/v1/notes:import", "/v1/notes/{id}:shout", "/v1/notes/{id}:shout-later"} {
		if paths[p] == nil {
			t.Errorf("%s is not in the document", p)
		}
	}
}
