package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

func event(id string, seq uint64) *storage.Event {
	e := &storage.Event{Seq: seq, ID: fmt.Sprint("e", seq)}
	e.Meta.Type, e.Meta.ID = "notes", id
	return e
}

// What this process committed is known until the index holds it, and the newest of a
// resource stays the newest whatever the order in which events are added.
func TestRecentKnowsUntilTheIndexDoes(t *testing.T) {
	r := newRecent(10)
	if r.Last() != 10 || !r.covered(10) || r.covered(9) {
		t.Error("it does not begin where the log ended")
	}
	r.Add(event("a", 12), nil, 10)
	r.Add(event("a", 11), nil, 10)
	if e := r.get(Key{"notes", "a"}); e == nil || e.Seq != 12 {
		t.Errorf("the newest of a is %v", e)
	}
	if r.Last() != 12 || r.seqs[11].event == nil {
		t.Error("an event is not known")
	}
	r.Add(event("b", 13), nil, 12)
	if r.get(Key{"notes", "a"}) != nil || r.seqs[12].event != nil || r.get(Key{"notes", "b"}) == nil {
		t.Error("it keeps what the index holds, or lost what it does not")
	}
	if r.covered(11) || !r.covered(12) {
		t.Error("an index that is behind what was dropped covers it")
	}
}

// While the index stands still, memory holds no document whose content is in the blobs.
func TestRecentHoldsNoLargeDocuments(t *testing.T) {
	typ, err := model.NewType(model.Type{Name: "notes", Schema: json.RawMessage(`{"type":"object"}`)})
	if err != nil {
		t.Fatal(err)
	}
	doc := model.NewDocument(typ, map[string]any{}, model.Projection{})
	r, small, large := newRecent(0), event("a", 1), event("b", 2)
	small.Content = doc.Content
	r.Add(small, doc, 0)
	r.Add(large, doc, 0)
	if r.seqs[1].doc != doc || r.seqs[2].event != large || r.seqs[2].doc != nil {
		t.Errorf("it holds %v and %v", r.seqs[1], r.seqs[2])
	}
}

func TestLocksLetOneInAtATime(t *testing.T) {
	l, inside, most := NewLocks(), 0, 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			release := l.Acquire(Key{"notes", "a"})
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			mu.Lock()
			inside--
			mu.Unlock()
			release()
		})
	}
	other := l.Acquire(Key{"notes", "b"}) // waits for none of them
	wg.Wait()
	other()
	if most != 1 || len(l.held) != 0 {
		t.Errorf("%d were inside at once, %d locks are left", most, len(l.held))
	}
}

// An after-hook runs here or from the stream of events, not both.
func TestHookRunsTellTheStreamWhatWasRunHere(t *testing.T) {
	var a HookRuns
	a.Begin(1)
	a.End(1, true)
	if done, running := a.Take(1); done || running {
		t.Error("it keeps what no stream asks for")
	}
	a.Follow()
	a.Begin(2)
	if done, running := a.Take(2); done || !running {
		t.Error("a running hook is not told")
	}
	a.End(2, true)
	if done, _ := a.Take(2); !done {
		t.Error("what ran here is run again")
	}
	a.Begin(3)
	a.End(3, false)
	if done, running := a.Take(3); done || running {
		t.Error("what failed here is not run again")
	}
}

func TestBeforeHooksRefuseInTheirOrder(t *testing.T) {
	h, asked := NewHooks(), ""
	say := func(name string, err error) Hook {
		return func(context.Context, Change) error { asked += name; return err }
	}
	h.Before("notes", storage.Created, say("a", nil))
	h.Before("notes", storage.Created, say("b", errors.New("no")))
	h.Before("notes", storage.Created, say("c", nil))
	err := h.RunBefore(t.Context(), Change{Type: "notes", Action: storage.Created})
	if asked != "ab" || fault.CodeOf(err) != fault.ValidationFailed {
		t.Errorf("%s were asked: %v", asked, err)
	}
	if err := h.RunBefore(t.Context(), Change{Type: "notes", Action: storage.Updated}); err != nil || asked != "ab" {
		t.Errorf("hooks of another action were asked: %v", err)
	}
	if !h.Watched("notes", storage.Created) || h.Watched("films", storage.Created) {
		t.Error("it does not know what is watched")
	}
	if err := RunHook(t.Context(), func(context.Context, Change) error { panic("bad") }, Change{}); err == nil {
		t.Error("a panic is no error")
	}
}

func TestHiddenFieldsLeaveDocuments(t *testing.T) {
	content := []byte(`{"a":{"b":1,"c":2},"l":[{"b":3,"d":4}],"x":5}`)
	for want, hide := range map[string][]string{
		`{"a":{"b":1,"c":2},"l":[{"b":3,"d":4}],"x":5}`: {"y", "a.z"},
		`{"a":{"c":2},"l":[{"d":4}],"x":5}`:             {"a.b", "l.b"},
		`{"l":[{"b":3,"d":4}]}`:                         {"a", "x"},
	} {
		if got := Redact(content, hide); string(got) != want {
			t.Errorf("without %v it is %s", hide, got)
		}
	}
	if got := Redact([]byte("{"), []string{"a"}); string(got) != "{}" {
		t.Errorf("what cannot be read is shown as %s", got)
	}
	if got := WithoutIndexes("l.0.b.12"); got != "l.b" {
		t.Errorf("without indexes: %s", got)
	}
}

func TestReferencesAreFoundAndCleared(t *testing.T) {
	typ, err := model.NewType(model.Type{Name: "films", Schema: json.RawMessage(`{"type":"object","properties":{"studio":{"type":"string"},"cast":{"type":"array","items":{"type":"string"}}}}`),
		Refs: map[string]model.Ref{"studio": {Type: "studios", OnDelete: model.SetNull}, "cast": {Type: "people", OnDelete: model.SetNull}}, Index: []string{"studio", "cast"}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := model.DecodeJSON([]byte(`{"studio":"s1","cast":["p1","p2","p1"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"studio": `{"cast":["p1","p2","p1"]}`, "cast": `{"cast":["p2"],"studio":"s1"}`} {
		r := Referrer{typ, path, typ.Refs[path]}
		id := map[string]string{"studio": "s1", "cast": "p1"}[path]
		cleared, found := r.Clear(tree, id)
		if got := string(model.AppendCanonical(nil, cleared)); !found || got != want {
			t.Errorf("%s cleared: %s, %v", path, got, found)
		}
		if _, found := r.Clear(tree, "other"); found {
			t.Errorf("%s refers to what it does not", path)
		}
		if !r.Carries() || r.Right(true) != "update" {
			t.Errorf("%s: %v %s", path, r.Carries(), r.Right(true))
		}
		for _, id := range []string{id, "other"} {
			view := NewView(typ, event("f", 1), []byte(`{"studio":"s1","cast":["p1"]}`))
			if holds := query.Eval(r.Filter(id, 1), view) == query.True; holds != (id != "other") {
				t.Errorf("%s: the filter of %s says %v", path, id, holds)
			}
		}
	}
}
