package commit

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

func notes(t *testing.T, required bool) *model.Type {
	t.Helper()
	typ, err := model.NewType(model.Type{Name: "notes", Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer"}}}`), RequireIfMatch: required})
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func TestPreconditionsOfAState(t *testing.T) {
	live := states.State{Event: &storage.Event{ID: "e2"}}
	deleted := states.State{Event: &storage.Event{ID: "e2", Meta: storage.Meta{Deleted: true}}}
	for _, c := range []struct {
		name     string
		match    Match
		state    states.State
		required bool
		want     fault.Code
	}{
		{"none", Match{}, live, false, ""},
		{"none where one is needed", Match{}, live, true, fault.PreconditionRequired},
		{"any", Match{Any: true}, live, true, ""},
		{"the last event", Match{Events: []string{"e1", "e2"}}, live, true, ""},
		{"another event", Match{Events: []string{"e1"}}, live, false, fault.PreconditionFailed},
		{"absent", Match{Absent: true}, live, false, fault.PreconditionFailed},
		{"absent, and it is deleted", Match{Absent: true}, deleted, false, ""},
		{"not the last", Match{Not: []string{"e2"}}, live, false, fault.PreconditionFailed},
		{"not another", Match{Not: []string{"e1"}}, live, false, ""},
	} {
		if got := fault.CodeOf(c.match.Check(notes(t, c.required), c.state)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPatchesOfContent(t *testing.T) {
	typ := notes(t, false)
	for _, c := range []struct {
		patch Patch
		want  string
	}{
		{Patch{Kind: MergePatch, Body: map[string]any{"a": nil, "b": int64(2)}}, `{"b":2}`},
		{Patch{Kind: JSONPatch, Body: []any{map[string]any{"op": "add", "path": "/b", "value": "x"}}}, `{"a":1,"b":"x"}`},
	} {
		apply, err := c.patch.Compile(typ)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // a patch is applied again to a newer state
			tree, err := apply([]byte(`{"a":1}`))
			if got := string(model.AppendCanonical(nil, tree)); err != nil || got != c.want {
				t.Errorf("%v makes %s, %v", c.patch.Body, got, err)
			}
		}
	}
	for _, p := range []Patch{{Kind: MergePatch, Body: "no object"}, {Kind: JSONPatch, Body: []any{map[string]any{"op": "dance"}}}} {
		if _, err := p.Compile(typ); fault.CodeOf(err) == "" {
			t.Errorf("%v is no refusal: %v", p.Body, err)
		}
	}
	if merge := (Patch{Kind: MergePatch, Body: map[string]any{"a": int64(1)}}); !merge.Touches("a") || merge.Touches("b") {
		t.Error("a merge patch touches what it does not name, or not what it does")
	}
}

// Each write of an action has a key of its own, in order, and what runs beside a write
// has none.
func TestKeysOfSeveralWrites(t *testing.T) {
	ctx := Severally(WithIdempotency(t.Context(), "k", "f"))
	var keys []string
	for range 3 {
		keys = append(keys, idempotencyOf(enter(ctx)).Key)
	}
	if !slices.Equal(keys, []string{"k#0", "k#1", "k#2"}) {
		t.Errorf("the keys are %v", keys)
	}
	if one := enter(enter(ctx)); idempotencyOf(one).Key != "k#3" {
		t.Errorf("what a write calls has the key %s", idempotencyOf(one).Key)
	}
	if keyed(WithoutKey(ctx)) || keyed(enter(WithoutKey(ctx))) {
		t.Error("a hook's write is a repetition of the write")
	}
}

// A document is completed with what its writer may not see, and one that changes that is
// refused.
func TestWhatAWriterDoesNotSeeStays(t *testing.T) {
	tree := func(text string) map[string]any {
		v, err := model.DecodeJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v.(map[string]any)
	}
	for _, c := range []struct {
		keeping  keeping
		doc, old string
		path     []string
		want     string // empty: refused
	}{
		{keeping{}, `{"a":1}`, `{"a":0,"s":7}`, []string{"s"}, `{"a":1,"s":7}`},
		{keeping{}, `{"s":7}`, `{"s":7}`, []string{"s"}, ""},
		{keeping{seen: true}, `{"s":7}`, `{"s":7}`, []string{"s"}, `{"s":7}`},
		{keeping{seen: true}, `{"s":8}`, `{"s":7}`, []string{"s"}, ""},
		{keeping{seen: true, patch: true}, `{}`, `{"s":7}`, []string{"s"}, ""},
		{keeping{}, `{"o":{"x":1}}`, `{"o":{"s":7}}`, []string{"o", "s"}, `{"o":{"s":7,"x":1}}`},
		{keeping{}, `{}`, `{"o":{"s":7,"x":1}}`, []string{"o", "s"}, `{"o":{"s":7}}`},
	} {
		doc := tree(c.doc)
		ok := c.keeping.keep(doc, tree(c.old), c.path)
		if got := string(model.AppendCanonical(nil, doc)); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s over %s, %v kept by %+v: %s, %v", c.doc, c.old, c.path, c.keeping, got, ok)
		}
	}
}
