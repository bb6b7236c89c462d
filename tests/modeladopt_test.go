package tests_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// TestProcessesServeTheSameModels: API processes with other models on one NATS never
// serve each its own. A change that the data fits is taken over by all of them, and by
// the services, while they write; one that is breaking is refused.
func TestProcessesServeTheSameModels(t *testing.T) {
	const wider = "name: pieces\nschema: {type: object, properties: {n: {type: integer}, s: {type: string}, u: {type: string}}}\nindex: [n, u]\n"
	const books = "name: books\nschema: {type: object, properties: {title: {type: string}, piece: {type: string}}}\nfulltext: [title]\nrefs: {piece: {type: pieces}}\n"
	s := startWithoutAPI(t, map[string]string{"pieces": piecesBefore})
	env := apitest.Environment(apitest.As(s, "api"))
	launch := func(models map[string]string, more ...string) *apitest.Client {
		t.Helper()
		p := apitest.LaunchWith(t, env, append([]string{"api", "--addr", "127.0.0.1:0", "--models", apitest.WriteModels(t, with(models))}, more...)...)
		return apitest.NewClient(t, p.URL)
	}
	a, b := launch(map[string]string{"pieces": piecesBefore}), launch(map[string]string{"pieces": piecesBefore})
	a.Post(t, "/v1/pieces?id=first", `{"n":7}`).Want(t, 201)

	// Both write all the time.
	var stop atomic.Bool
	var writers sync.WaitGroup
	var wrote atomic.Int64
	for w, c := range []*apitest.Client{a, b} {
		writers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				r := c.Post(t, fmt.Sprintf("/v1/pieces?id=w%d-%d", w, i), fmt.Sprintf(`{"n":%d}`, i))
				if r.Status != 201 {
					t.Errorf("a write is answered %d: %s", r.Status, r.Body)
				}
				wrote.Add(1)
			}
		})
	}
	t.Cleanup(func() { stop.Store(true); writers.Wait() })

	// A model that allows more, and a new type.
	c := launch(map[string]string{"pieces": wider, "books": books})
	all := []*apitest.Client{apitest.NewClient(t, a.URL), apitest.NewClient(t, b.URL), c}
	for i, one := range all {
		eventually(t, "the wider model", func() bool { return serves(t, one, "pieces", `"u"`) && serves(t, one, "books", `"title"`) })
		all[i] = apitest.NewClient(t, one.URL) // by the document of now
		all[i].Post(t, fmt.Sprintf("/v1/pieces?id=u%d", i), `{"u":"found"}`).Want(t, 201)
	}
	for i, one := range all {
		one = apitest.NewClient(t, one.URL) // by the document of now
		eventually(t, "the new field", func() bool {
			r := one.Get(t, "/v1/pieces?order_by=meta.id&filter="+query(`u = "found"`))
			return r.Status == 200 && idsOf(r) == "u0 u1 u2"
		})
		one.Post(t, fmt.Sprintf("/v1/books?id=b%d", i), `{"title":"of all","piece":"first"}`).Want(t, 201)
		eventually(t, "the new text", func() bool { return idsOf(one.Get(t, "/v1/books?q=all&returns=meta")) != "" })
		one.Post(t, "/v1/pieces", `{"other":1}`).WantProblem(t, 422, "validation_failed")
	}

	// A breaking one is refused, and all go on by the wider one.
	r := apitest.RunWith(t, env, "api", "--addr", "127.0.0.1:0", "--models", apitest.WriteModels(t, with(map[string]string{"pieces": piecesAfter, "books": books})))
	if r.Code != 2 || !strings.Contains(r.Stderr, "/u: is required") || !strings.Contains(r.Stderr, "pieces: breaking") {
		t.Errorf("a breaking model ends with %d: %s", r.Code, r.Stderr)
	}
	provision := apitest.Environment(apitest.As(s, "provision"))
	if r := apitest.RunWith(t, provision, "provision", "--models", apitest.WriteModels(t, with(map[string]string{"pieces": piecesAfter, "books": books}))); r.Code != 2 || !strings.Contains(r.Stderr, "first /n: must be a string") {
		t.Errorf("provision with a breaking model ends with %d: %s", r.Code, r.Stderr)
	}
	if r := apitest.RunWith(t, provision, "provision", "--models", apitest.WriteModels(t, with(map[string]string{"pieces": wider, "books": books}))); r.Code != 0 {
		t.Errorf("provision with the model in force ends with %d: %s", r.Code, r.Stderr)
	}
	for _, one := range all {
		one.Post(t, "/v1/pieces", `{"n":1,"u":"x"}`).Want(t, 201)
	}
	stop.Store(true)
	writers.Wait()
	if wrote.Load() < 10 {
		t.Errorf("only %d writes went on", wrote.Load())
	}

	// What does not fit because it was allowed is marked by all, and all make it fit.
	launch(map[string]string{"pieces": piecesAfter, "books": books}, "--allow-unfit")
	for i, one := range all {
		id := fmt.Sprintf("u%d", i)
		eventually(t, "the mark", func() bool {
			return apitest.NewClient(t, one.URL).Get(t, "/v1/pieces/first").Value("/meta/unfit") == true
		})
		one = apitest.NewClient(t, one.URL)
		eventually(t, "the marked index", func() bool {
			return one.Get(t, "/v1/pieces?page_size=1&filter="+query("meta.unfit = true")).Status == 200
		})
		if got := one.Get(t, "/v1/pieces?filter="+query(`meta.unfit = false AND meta.id = "`+id+`"`)).Want(t, 200); idsOf(got) != id {
			t.Errorf("what fits is marked: %s", id)
		}
		one.Patch(t, "/v1/pieces/first", apitest.MergePatch, `{"s":"t"}`).WantProblem(t, 422, "validation_failed")
		one.Patch(t, "/v1/pieces/"+id, apitest.MergePatch, `{"n":"a text"}`).Want(t, 200)
	}
}

// serves reports whether a process serves a model of a type that has a text, and tells of
// a property in its document.
func serves(t *testing.T, c *apitest.Client, typ, text string) bool {
	t.Helper()
	r := c.Get(t, "/v1/types/"+typ)
	if r.Status != 200 || !strings.Contains(string(r.Body), text) {
		return false
	}
	return strings.HasPrefix(text, `"version"`) || strings.Contains(string(c.Get(t, "/openapi.json").Want(t, 200).Body), text+":")
}
