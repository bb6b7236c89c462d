package tests_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// unfitWrite is a write to a resource that does not fit, as clients ask for it.
type unfitWrite struct {
	name string
	// how the resource was made, besides a first revision that does not fit later.
	draft, second, deleted bool
	leaves                 func(t *testing.T, c *apitest.Client, at string) *apitest.Response // it unfit
	mends                  func(t *testing.T, c *apitest.Client, at string) *apitest.Response // it; nil: it cannot
}

// toPiece is a write to a resource, by its path.
func toPiece(method, suffix, body string, opts ...apitest.Option) func(t *testing.T, c *apitest.Client, at string) *apitest.Response {
	return func(t *testing.T, c *apitest.Client, at string) *apitest.Response {
		return c.Do(t, method, "/v1/pieces/"+at+suffix, body, opts...)
	}
}

// inBatch is a batch of one operation; ID stands for the resource's.
func inBatch(operation string, atomic bool) func(t *testing.T, c *apitest.Client, at string) *apitest.Response {
	return func(t *testing.T, c *apitest.Client, at string) *apitest.Response {
		body := `{"atomic":` + map[bool]string{true: "true", false: "false"}[atomic] + `,"operations":[` + strings.ReplaceAll(operation, "ID", at) + `]}`
		return c.Post(t, "/v1:batch", body)
	}
}

// inBulk is a bulk change of one resource.
func inBulk(rest string) func(t *testing.T, c *apitest.Client, at string) *apitest.Response {
	return func(t *testing.T, c *apitest.Client, at string) *apitest.Response {
		return bulkDone(t, c, "pieces", `{"filter":"meta.id = \"`+at+`\"",`+rest+`}`)
	}
}

func unfitWrites() []unfitWrite {
	merge, ops := apitest.Header("Content-Type", apitest.MergePatch), apitest.Header("Content-Type", apitest.JSONPatch)
	fits := `{"n":"7","u":"x"}`
	mend := toPiece("PATCH", "", fits, merge)
	return []unfitWrite{
		{name: "PUT", leaves: toPiece("PUT", "", `{"n":7,"s":"t"}`), mends: toPiece("PUT", "", `{"u":"x"}`)},
		{name: "PUT of the same", leaves: toPiece("PUT", "", `{"n":7}`), mends: toPiece("PUT", "", `{"n":"7","u":"x"}`)},
		{name: "PUT in place", draft: true, leaves: toPiece("PUT", "?mode=modify", `{"n":7,"s":"t"}`), mends: toPiece("PUT", "?mode=modify", `{"u":"x"}`)},
		{name: "PATCH", leaves: toPiece("PATCH", "", `{"s":"t"}`, merge), mends: mend},
		{name: "PATCH of nothing", leaves: toPiece("PATCH", "", `{}`, merge), mends: mend},
		{name: "PATCH of a half", leaves: toPiece("PATCH", "", `{"u":"x"}`, merge), mends: mend},
		{name: "PATCH in place", draft: true, leaves: toPiece("PATCH", "?mode=modify", `{"s":"t"}`, merge), mends: toPiece("PATCH", "?mode=modify", fits, merge)},
		{name: "PATCH that publishes", draft: true, leaves: toPiece("PATCH", "?status=stable", `{}`, merge), mends: toPiece("PATCH", "?status=stable", fits, merge)},
		{name: "JSON PATCH", leaves: toPiece("PATCH", "", `[{"op":"add","path":"/s","value":"t"}]`, ops), mends: toPiece("PATCH", "", `[{"op":"add","path":"/u","value":"x"},{"op":"remove","path":"/n"}]`, ops)},
		{name: "status stable", draft: true, leaves: toPiece("POST", ":status", `{"status":"stable"}`), mends: mend},
		{name: "status draft", leaves: toPiece("POST", ":status", `{"status":"draft"}`), mends: mend},
		{name: "switch", second: true, leaves: toPiece("POST", ":switch", `{"revision":1}`), mends: mend},
		{name: "restore", deleted: true, leaves: toPiece("POST", ":restore", `{}`), mends: toPiece("POST", ":restore", `{"patch":`+fits+`}`)},
		{name: "restore with a patch", deleted: true, leaves: toPiece("POST", ":restore", `{"patch":{"s":"t"}}`), mends: toPiece("POST", ":restore", `{"patch":`+fits+`}`)},
		{name: "restore of a revision", second: true, deleted: true, leaves: toPiece("POST", ":restore", `{"revision":1}`), mends: toPiece("POST", ":restore", `{"revision":1,"patch":`+fits+`}`)},
		{name: "batch update", leaves: inBatch(`{"op":"update","type":"pieces","id":"ID","data":{"n":7,"s":"t"}}`, true), mends: inBatch(`{"op":"update","type":"pieces","id":"ID","data":{"u":"x"}}`, true)},
		{name: "batch patch", leaves: inBatch(`{"op":"patch","type":"pieces","id":"ID","patch":{"s":"t"}}`, true), mends: inBatch(`{"op":"patch","type":"pieces","id":"ID","patch":`+fits+`}`, false)},
		{name: "batch modify", draft: true, leaves: inBatch(`{"op":"modify","type":"pieces","id":"ID","data":{"s":"t"}}`, false), mends: inBatch(`{"op":"modify","type":"pieces","id":"ID","data":{"u":"x"}}`, false)},
		{name: "batch switch", second: true, leaves: inBatch(`{"op":"switch","type":"pieces","id":"ID","revision":1}`, false), mends: mend},
		{name: "batch restore", deleted: true, leaves: inBatch(`{"op":"restore","type":"pieces","id":"ID"}`, true), mends: inBatch(`{"op":"restore","type":"pieces","id":"ID","patch":`+fits+`}`, true)},
		{name: "bulk patch", leaves: inBulk(`"op":"patch","patch":{"s":"t"}`), mends: inBulk(`"op":"patch","patch":` + fits)},
		{name: "bulk restore", deleted: true, leaves: inBulk(`"op":"restore"`), mends: toPiece("POST", ":restore", `{"patch":`+fits+`}`)},
	}
}

// TestWritesMakeWhatDoesNotFitFit: each write to a resource that does not fit its model is
// refused and changes nothing, or makes it fit; what only takes it away goes on.
func TestWritesMakeWhatDoesNotFitFit(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{DataDir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error", AllowUnfit: true, Models: apitest.WriteModels(t, map[string]string{"pieces": piecesBefore})}
	writes := unfitWrites()
	idOf := func(w unfitWrite) string { return strings.ReplaceAll(w.name, " ", "-") }
	gone := []string{"to-delete", "to-purge", "to-delete-in-bulk", "to-delete-in-a-batch"}
	serving(t, s, func(c *apitest.Client) {
		for _, id := range gone {
			c.Post(t, "/v1/pieces?id="+id, `{"n":7}`).Want(t, 201)
		}
		for _, w := range writes {
			at := "/v1/pieces/" + idOf(w)
			status := map[bool]string{true: "draft", false: "stable"}[w.draft]
			c.Post(t, "/v1/pieces?status="+status+"&id="+idOf(w), `{"n":7}`).Want(t, 201)
			if w.second {
				c.Put(t, at, `{"s":"second"}`).Want(t, 200)
			}
			if w.deleted {
				c.Delete(t, at).Want(t, 200)
			}
		}
	})
	s.Models = apitest.WriteModels(t, map[string]string{"pieces": piecesAfter})
	serving(t, s, func(c *apitest.Client) {
		built(t, c, "pieces", "meta.unfit = true")
		for _, w := range writes {
			t.Run(w.name, func(t *testing.T) {
				read := func(want bool) string {
					t.Helper()
					r := c.Get(t, "/v1/pieces/"+idOf(w)+"?include_deleted=true").Want(t, 200)
					unfitIs(t, r, "", want)
					return r.Text("/meta/updated_at")
				}
				before := read(true)
				r := w.leaves(t, c, idOf(w))
				switch said := string(r.Body); {
				case strings.Contains(w.name, "bulk"):
					r.Equal(t, "/meta/job/result/failed", "1").Equal(t, "/meta/job/result/changed", "0")
				case !strings.Contains(said, `"validation_failed"`) || !strings.Contains(said, `"pointer":"/u"`) && !strings.Contains(said, `"pointer":"/n"`):
					t.Errorf("it is not refused with a place: %d %s", r.Status, said)
				}
				if after := read(true); after != before {
					t.Errorf("it was changed at %s", after)
				}
				if r := w.mends(t, c, idOf(w)); r.Status >= 300 || strings.Contains(string(r.Body), `"failed":1`) {
					t.Errorf("it cannot be mended: %d %s", r.Status, r.Body)
				}
				read(false)
				if got := idsOf(c.Get(t, "/v1/pieces?filter="+query(`meta.unfit = false AND meta.id = "`+idOf(w)+`"`)).Want(t, 200)); got != idOf(w) {
					t.Errorf("searches still take it for one that does not fit: %q", got)
				}
			})
		}
		c.Delete(t, "/v1/pieces/to-delete").Want(t, 200)
		purged(t, c, "/v1/pieces/to-purge")
		inBulk(`"op":"delete"`)(t, c, "to-delete-in-bulk").Equal(t, "/meta/job/result/changed", "1")
		inBatch(`{"op":"delete","type":"pieces","id":"ID"}`, true)(t, c, "to-delete-in-a-batch").Want(t, 200)
		c.Get(t, "/v1/pieces:count?filter="+query("meta.unfit = true")).Want(t, 200).Equal(t, "/count", "0")
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	})
}
