package tests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// The model of pieces, one that some of its data does not fit, and others.
const (
	piecesBefore = "name: pieces\nschema: {type: object, properties: {n: {type: integer}, s: {type: string}}}\nindex: [n]\n"
	piecesAfter  = "name: pieces\nschema: {type: object, required: [u], properties: {n: {type: string}, u: {type: string}, s: {type: string}}}\nindex: [n]\n"
	piecesLoose  = "name: pieces\nschema: {type: object, properties: {n: {type: [integer, string]}, u: {type: string}, s: {type: string}}}\n"
)

// unfitIs says whether an answer has the mark at a place.
func unfitIs(t *testing.T, r *apitest.Response, at string, want bool) {
	t.Helper()
	if got := r.Value(at + "/meta/unfit"); (got == true) != want || got == false {
		t.Errorf("%s: meta.unfit is %v, want it %t: %s", at, got, want, r.Body)
	}
}

// countsUnfit compares what finds and counts with the mark.
func countsUnfit(t *testing.T, c *apitest.Client, marked, others string) {
	t.Helper()
	built(t, c, "pieces", "meta.unfit = true")
	find := func(filter string) string {
		return idsOf(c.Get(t, "/v1/pieces?order_by=meta.id&filter="+query(filter)).Want(t, 200))
	}
	if got := find("meta.unfit = true"); got != marked {
		t.Errorf("meta.unfit = true finds %q, want %q", got, marked)
	}
	if got := find("meta.unfit = false"); got != others {
		t.Errorf("meta.unfit = false finds %q, want %q", got, others)
	}
	n := len(strings.Fields(marked))
	c.Get(t, "/v1/pieces:count?filter="+query("meta.unfit = true")).Want(t, 200).Equal(t, "/count", fmt.Sprint(n))
	verified := c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	if got := verified.Value("/verified/unfit"); fmt.Sprint(got) != fmt.Sprint(n) {
		t.Errorf("verify counts %v, want %d", got, n)
	}
	want := fmt.Sprintf(`autocrud_unfit_resources{type="pieces"} %d`, n)
	if metrics := string(c.Get(t, "/metrics").Want(t, 200).Body); strings.Contains(metrics, "autocrud_unfit_resources{") && !strings.Contains(metrics, want) || n > 0 && !strings.Contains(metrics, want) {
		t.Errorf("no %s among the metrics", want)
	}
	list := c.Get(t, "/v1/pieces?returns=meta&order_by=meta.id").Want(t, 200)
	for i, id := range strings.Fields(idsOf(list)) {
		is := strings.Contains(" "+marked+" ", " "+id+" ")
		unfitIs(t, list, fmt.Sprintf("/items/%d", i), is)
		for _, path := range []string{"?consistency=strong", "?returns=meta", "?fields=s", "/revisions/1", "?consistency=eventual"} {
			unfitIs(t, c.Get(t, "/v1/pieces/"+id+path).Want(t, 200), "", is)
		}
	}
}

// TestWhatDoesNotFitIsMarked: on each storage row what does not fit its changed model is
// read, marked, found and counted, whatever happens to the index and the models.
func TestWhatDoesNotFitIsMarked(t *testing.T) {
	changed(t, func(t *testing.T, p *changing) {
		c := p.with(map[string]string{"pieces": piecesBefore})
		large := strings.Repeat("x", 40<<10) // is in its object alone
		c.Post(t, "/v1/pieces?id=a", `{"n":7}`).Want(t, 201)
		c.Post(t, "/v1/pieces?id=b", fmt.Sprintf(`{"n":8,"s":%q}`, large)).Want(t, 201)
		c.Post(t, "/v1/pieces?id=c", `{"n":9}`).Want(t, 201)
		c.Post(t, "/v1/pieces?id=gone", `{"n":1}`).Want(t, 201)
		c.Delete(t, "/v1/pieces/gone").Want(t, 200)
		countsUnfit(t, c, "", "a b c")

		c = p.with(map[string]string{"pieces": piecesAfter})
		countsUnfit(t, c, "a b c", "")
		c.Post(t, "/v1/pieces?id=d", `{"u":"x"}`).Want(t, 201)
		countsUnfit(t, c, "a b c", "d")
		c.Get(t, "/v1/pieces/a").Want(t, 200).Equal(t, "/data", `{"n":7}`)
		unfitIs(t, c.Get(t, "/v1/pieces/gone?include_deleted=true").Want(t, 200), "", true)

		// Each write makes it fit, or is refused with the places.
		r := c.Patch(t, "/v1/pieces/a", apitest.MergePatch, `{"s":"t"}`).WantProblem(t, 422, "validation_failed")
		if got := fmt.Sprint(r.Errors); !strings.Contains(got, "/n") || !strings.Contains(got, "/u") {
			t.Errorf("the places are %s", got)
		}
		unfitIs(t, c.Patch(t, "/v1/pieces/a", apitest.MergePatch, `{"n":"7","u":"x"}`).Want(t, 200), "", false)
		countsUnfit(t, c, "b c", "a d")

		// The marks are those of another start, with the flag and without.
		for _, allow := range []bool{true, false} {
			p.strict = !allow
			c = p.with(map[string]string{"pieces": piecesAfter})
			countsUnfit(t, c, "b c", "a d")
		}
		c.Post(t, "/v1/pieces:reindex", nil).Want(t, 202)
		eventually(t, "the new index", func() bool { return c.Get(t, "/v1:reindex").Want(t, 200).Value("/building/0") == nil })
		countsUnfit(t, c, "b c", "a d")

		// Another model that some does not fit, one that everything fits, and back.
		p.strict = false
		c = p.with(map[string]string{"pieces": piecesBefore})
		countsUnfit(t, c, "a d", "b c")
		p.strict = true
		c = p.with(map[string]string{"pieces": piecesLoose})
		countsUnfit(t, c, "", "a b c d")
		p.strict = false
		c = p.with(map[string]string{"pieces": piecesAfter})
		countsUnfit(t, c, "b c", "a d")
		c.Put(t, "/v1/pieces/b", `{"u":"y"}`).Want(t, 200)
		c.Delete(t, "/v1/pieces/c").Want(t, 200)
		countsUnfit(t, c, "", "a b d")
	})
}

// TestAReloadMarksWhatDoesNotFit: models that are read again mark at once, and a reload
// ends the marking when everything fits.
func TestAReloadMarksWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{DataDir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error", AllowUnfit: true, Models: apitest.WriteModels(t, map[string]string{"pieces": piecesBefore})}
	serving(t, s, func(c *apitest.Client) {
		for _, id := range []string{"a", "b"} {
			c.Post(t, "/v1/pieces?id="+id, `{"n":7}`).Want(t, 201)
		}
		rewrite(t, s.Models, "pieces", piecesAfter)
		c.Post(t, "/v1/types:reload", nil).Want(t, 200)
		c = apitest.NewClient(t, c.URL) // by the document of now
		unfitIs(t, c.Get(t, "/v1/pieces/a").Want(t, 200), "", true)
		countsUnfit(t, c, "a b", "")
		c.Post(t, "/v1/types:reload", nil).Want(t, 200)
		countsUnfit(t, c, "a b", "")
		w := c.MustWatch(t, "/v1/pieces:watch?from_seq=0&filter="+query("meta.unfit = true"))
		for i, e := range w.Take(t, 2) {
			if e.ID() != []string{"a", "b"}[i] || e.Action != "created" || !strings.Contains(e.Raw, `"unfit":true`) {
				t.Errorf("a watch of what does not fit is told %s", e.Raw)
			}
		}
		defer w.Close()
		c.Put(t, "/v1/pieces/a", `{"u":"y"}`).Want(t, 200)
		if e := w.Take(t, 1)[0]; e.ID() != "a" || e.Action != "left" || strings.Contains(e.Raw, `"unfit"`) {
			t.Errorf("a watch of what does not fit is told %s of what fits now", e.Raw)
		}
		c.Delete(t, "/v1/pieces/b").Want(t, 200)
		if e := w.Take(t, 1)[0]; e.ID() != "b" || e.Action != "deleted" || !strings.Contains(e.Raw, `"unfit":true`) {
			t.Errorf("a watch of what does not fit is told %s of a delete", e.Raw)
		}
		c.Post(t, "/v1/pieces/b:purge", nil).Want(t, 204)
		countsUnfit(t, c, "", "a")
		c.Post(t, "/v1/types:reload", nil).Want(t, 200)
		countsUnfit(t, c, "", "a")
		if metrics := string(c.Get(t, "/metrics").Want(t, 200).Body); strings.Contains(metrics, "autocrud_unfit_resources{") {
			t.Error("a type whose resources all fit is still looked at")
		}
		rewrite(t, s.Models, "pieces", piecesBefore)
		c.Post(t, "/v1/types:reload", nil).Want(t, 200)
		c = apitest.NewClient(t, c.URL)
		countsUnfit(t, c, "a", "")
	})
}

// rewrite replaces a model file of a folder.
func rewrite(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
