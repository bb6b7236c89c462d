package states

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestIndexesAreSuggestedWhereListsWalkFar: after three lists that took long, once in the
// log, and not where the model has the index or there can be none.
func TestIndexesAreSuggestedWhereListsWalkFar(t *testing.T) {
	posts := func(index string) *model.Type {
		typ, problems := model.ParseType("posts.yaml", []byte("name: posts\nindex: "+index+`
schema: {type: object, properties: {status: {type: string}, kind: {type: string}, views: {type: integer}, tags: {type: array, items: {type: string}}}}
`))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return typ
	}
	typ := posts("[status, kind, views, tags]")
	list := func(filter, order string) storage.Search {
		t.Helper()
		fields := typ.Definition().QueryFields()
		e, err := query.Parse(fields, filter, query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := query.ParseOrder(fields, order)
		if err != nil {
			t.Fatal(err)
		}
		return storage.Search{Type: "posts", Filter: e, Order: o}
	}
	var log bytes.Buffer
	w := newWalks(slog.New(slog.NewTextHandler(&log, nil)), 20*time.Millisecond)
	for range 5 {
		w.note(typ, list(`status = "a" AND views > 5`, "views desc"), 30*time.Millisecond)
		w.note(typ, list(`status = "b"`, "meta.created_at desc"), 20*time.Millisecond)
		w.note(typ, list(`kind = "b"`, "views"), 19*time.Millisecond)         // quick
		w.note(typ, list(`status = "a" OR kind = "b"`, "views"), time.Second) // equal to nothing
		w.note(typ, list(`tags:"x"`, "views"), time.Second)                   // a list
		w.note(typ, list(`status = "a"`, "meta.updated_by"), time.Second)     // cannot be indexed
		w.note(typ, list(`status = "a"`, "status"), time.Second)              // needs none
	}
	w.note(typ, list(`status = "a" AND views > 7`, "views desc"), 50*time.Millisecond)
	w.note(typ, list(`kind = "k" AND status = "s"`, "views"), time.Second) // once
	want := []Walk{{[]string{"status", "-views"}, 6, 50 * time.Millisecond}, {[]string{"status", "-meta.created_at"}, 5, 20 * time.Millisecond}}
	if got := w.Suggested(typ); !reflect.DeepEqual(got, want) {
		t.Errorf("suggested are %v, want %v", got, want)
	}
	if got := w.Suggested(posts("[status, [status, -views]]")); len(got) != 1 {
		t.Errorf("to a model with one of them are suggested %v", got)
	}
	if n := strings.Count(log.String(), "[[status, -views]]"); n != 1 || w.Lists() != 12 {
		t.Errorf("%d lists; the log names the index %d times: %s", w.Lists(), n, log.String())
	}
	served := posts("[[status, -views], kind]")
	w.note(served, list(`status = "a"`, "views desc"), time.Second)
	if w.Lists() != 12 {
		t.Error("a list along an index counts")
	}
}
