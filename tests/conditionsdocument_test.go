package tests_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// The document says which reads take conditions: those compare, and no others.
func TestReadsCompareTheConditionsThatTheDocumentLists(t *testing.T) {
	c := start(t, nil, memory(), jobModel("shouts", "{exec: [cat]}"))
	id := map[string]string{
		"movies":   c.Post(t, "/v1/movies", heat).Want(t, 201).Text("/meta/id"),
		"shouts":   c.Post(t, "/v1/shouts", `{"to":"a"}`).Want(t, 201).Text("/meta/id"),
		"webhooks": c.Post(t, "/v1/webhooks", `{"url":"https://93.184.216.34/x","types":["movies"],"secret":"whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}`).Want(t, 201).Text("/meta/id"),
	}
	ended(t, c, "/v1/shouts/"+id["shouts"])
	asked := 0
	for _, op := range c.Doc.Operations {
		of, _, _ := strings.Cut(strings.TrimPrefix(strings.ReplaceAll(op.Path, ":", "/"), "/v1/"), "/")
		if id[of] == "" || op.Method != "GET" || strings.HasSuffix(op.Path, ":watch") || strings.Contains(op.Path, "{digest}") {
			continue
		}
		takes := map[string]bool{}
		for _, p := range c.Doc.Parameters(op) {
			takes[p.Name] = p.In == "header"
		}
		path := strings.NewReplacer("{id}", id[of], "{n}", "1", ":diff", ":diff?from=1&to=1").Replace(op.Path)
		etag := c.Get(t, path).Want(t, 200).ETag()
		for _, x := range []struct {
			header, value string
			held          int
		}{{"If-Match", `"nope"`, 412}, {"If-None-Match", etag, 304}} {
			want := 200
			if takes[x.header] {
				want = x.held
			} else if x.value == "" {
				x.value = `"nope"`
			}
			if r := c.Get(t, path, apitest.Header(x.header, x.value)); r.Status != want {
				t.Errorf("%s with %s: %s answers %d, want %d", op.ID, x.header, x.value, r.Status, want)
			}
			asked++
		}
	}
	if asked < 40 {
		t.Errorf("only %d requests", asked)
	}
}
