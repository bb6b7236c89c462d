package resource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/indexer"
)

const (
	studiosModel = `
name: studios
schema: {type: object, required: [name], properties: {name: {type: string}}}
index: [name]
`
	filmsModel = `
name: films
schema:
  type: object
  required: [title]
  properties:
    title: {type: string}
    slug: {type: [string, "null"]}
    code: {type: [string, "null"]}
    studio: {type: [string, "null"]}
    sequelOf: {type: [string, "null"]}
    partners: {type: array, items: {type: string}}
index: [title]
fulltext: [title]
unique: [slug, [studio, code]]
refs:
  studio: {type: studios, onDelete: restrict}
  sequelOf: {type: films, onDelete: cascade}
  partners: {type: studios, onDelete: set_null}
`
)

func films(t *testing.T) *testenv.Stack {
	return testenv.Open(t, t.TempDir(), testenv.Types(t, studiosModel, filmsModel), testenv.StackOptions{})
}

func create(t *testing.T, s *testenv.Stack, typ, doc string) *resource.Resource {
	t.Helper()
	r, err := s.Manager.Create(t.Context(), typ, testenv.Doc(t, doc), resource.CreateOptions{})
	if err != nil {
		t.Fatalf("create %s %s: %v", typ, doc, err)
	}
	return r
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func TestUniqueValueHasOneHolder(t *testing.T) {
	s := films(t)
	ctx := t.Context()
	a := create(t, s, "films", `{"title":"A","slug":"x"}`)
	_, err := s.Manager.Create(ctx, "films", testenv.Doc(t, `{"title":"B","slug":"x"}`), resource.CreateOptions{})
	wantCode(t, err, fault.UniqueConflict)
	if e := err.(*fault.Error); e.Field != "slug" || e.ConflictingID != a.ID {
		t.Fatalf("%+v", e)
	}
	create(t, s, "films", `{"title":"null is exempt","slug":null}`)
	create(t, s, "films", `{"title":"null is exempt","slug":null}`)
	b := create(t, s, "films", `{"title":"B","slug":"y"}`)

	// A change of value frees the old one and takes the new one.
	if _, _, err := s.Manager.Update(ctx, "films", a.ID, testenv.Doc(t, `{"title":"A","slug":"z"}`), resource.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Manager.Patch(ctx, "films", b.ID, resource.Patch{Kind: resource.MergePatch, Body: testenv.Doc(t, `{"slug":"z"}`)}, resource.UpdateOptions{})
	wantCode(t, err, fault.UniqueConflict)
	c := create(t, s, "films", `{"title":"C","slug":"x"}`)

	// A switch back needs the value it had.
	_, err = s.Manager.Switch(ctx, "films", a.ID, 1, resource.Match{})
	wantCode(t, err, fault.UniqueConflict)

	// A delete frees, a restore takes again.
	if _, err := s.Manager.Delete(ctx, "films", c.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	d := create(t, s, "films", `{"title":"D","slug":"x"}`)
	_, err = s.Manager.Restore(ctx, "films", c.ID, resource.Match{})
	wantCode(t, err, fault.UniqueConflict)
	if _, err := s.Manager.Upkeep.Purge(ctx, "films", d.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Manager.Restore(ctx, "films", c.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
}

func TestCompositeUniqueNeedsEveryPart(t *testing.T) {
	s := films(t)
	st := create(t, s, "studios", `{"name":"One"}`)
	doc := func(code string) string {
		return fmt.Sprintf(`{"title":"T","studio":%q,"code":%s}`, st.ID, code)
	}
	create(t, s, "films", doc(`"1"`))
	create(t, s, "films", doc(`"2"`))
	create(t, s, "films", doc(`null`))
	create(t, s, "films", doc(`null`))
	_, err := s.Manager.Create(t.Context(), "films", testenv.Doc(t, doc(`"1"`)), resource.CreateOptions{})
	wantCode(t, err, fault.UniqueConflict)
}

func TestRacingCreatesOfOneUniqueValueHaveOneWinner(t *testing.T) {
	s := films(t)
	for round := range 5 {
		var made, refused atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := s.Manager.Create(t.Context(), "films", testenv.Doc(t, fmt.Sprintf(`{"title":"T","slug":"race-%d"}`, round)), resource.CreateOptions{})
				switch fault.CodeOf(err) {
				case "":
					if err != nil {
						t.Error(err)
					}
					made.Add(1)
				case fault.UniqueConflict:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 || refused.Load() != 49 {
			t.Fatalf("%d made, %d refused", made.Load(), refused.Load())
		}
	}
}

// Two resources that swap their values, again and again, never both hold one.
func TestSwapsOfUniqueValuesNeverShareOne(t *testing.T) {
	s := films(t)
	a, b := create(t, s, "films", `{"title":"A","slug":"p"}`), create(t, s, "films", `{"title":"B","slug":"q"}`)
	var wg sync.WaitGroup
	for i := range 50 {
		for _, x := range []struct{ id, slug string }{{a.ID, []string{"p", "q", "r"}[i%3]}, {b.ID, []string{"q", "p", "s"}[i%3]}} {
			wg.Go(func() {
				_, _, err := s.Manager.Update(t.Context(), "films", x.id, testenv.Doc(t, fmt.Sprintf(`{"title":"T","slug":%q}`, x.slug)), resource.UpdateOptions{})
				if c := fault.CodeOf(err); err != nil && c != fault.UniqueConflict && c != fault.Conflict {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	slug := func(id string) string {
		r, err := s.Manager.Get(t.Context(), "films", id, resource.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var d struct{ Slug string }
		if err := r.DecodeData(&d); err != nil {
			t.Fatal(err)
		}
		return d.Slug
	}
	if x, y := slug(a.ID), slug(b.ID); x == y {
		t.Fatalf("both hold %q", x)
	}
}

func TestReferenceMustLeadSomewhere(t *testing.T) {
	s := films(t)
	ctx := t.Context()
	for _, doc := range []string{`{"title":"T","studio":"none"}`, `{"title":"T","partners":["none"]}`, `{"title":"T","studio":"not an id"}`} {
		_, err := s.Manager.Create(ctx, "films", testenv.Doc(t, doc), resource.CreateOptions{})
		wantCode(t, err, fault.DanglingReference)
	}
	st := create(t, s, "studios", `{"name":"S"}`)
	f := create(t, s, "films", fmt.Sprintf(`{"title":"T","studio":%q}`, st.ID))
	_, err := s.Manager.Delete(ctx, "studios", st.ID, resource.Match{})
	wantCode(t, err, fault.Referenced)
	if _, err := s.Manager.Delete(ctx, "films", f.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Manager.Delete(ctx, "studios", st.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Manager.Restore(ctx, "films", f.ID, resource.Match{})
	wantCode(t, err, fault.DanglingReference)
}

// A delete that races with a new reference: one of the two is refused. The index
// takes one entry at a time, so that it is often between the messages of a unit.
func TestRestrictHoldsUnderRaces(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, studiosModel, filmsModel), testenv.StackOptions{Indexer: indexer.Options{MaxBatch: 1}})
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	deleted := 0
	for range rounds {
		st := create(t, s, "studios", `{"name":"S"}`)
		var wg sync.WaitGroup
		var delErr, refErr error
		wg.Go(func() { _, delErr = s.Manager.Delete(t.Context(), "studios", st.ID, resource.Match{}) })
		wg.Go(func() {
			_, refErr = s.Manager.Create(t.Context(), "films", testenv.Doc(t, fmt.Sprintf(`{"title":"T","studio":%q}`, st.ID)), resource.CreateOptions{})
		})
		wg.Wait()
		switch {
		case delErr == nil && fault.CodeOf(refErr) == fault.DanglingReference:
			deleted++
		case refErr == nil && fault.CodeOf(delErr) == fault.Referenced:
		default:
			t.Fatalf("delete: %v, reference: %v", delErr, refErr)
		}
	}
	t.Logf("the delete won %d of %d", deleted, rounds)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen in time", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestCascadeFollowsADeleteAndSurvivesCycles(t *testing.T) {
	s := films(t)
	ctx := policy.WithActor(t.Context(), policy.Actor{Principal: "ann"})
	root := create(t, s, "films", `{"title":"root"}`)
	child := create(t, s, "films", fmt.Sprintf(`{"title":"child","sequelOf":%q}`, root.ID))
	grand := create(t, s, "films", fmt.Sprintf(`{"title":"grand","sequelOf":%q}`, child.ID))
	if _, _, err := s.Manager.Update(t.Context(), "films", root.ID, testenv.Doc(t, fmt.Sprintf(`{"title":"root","sequelOf":%q}`, grand.ID)), resource.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	st := create(t, s, "studios", `{"name":"P"}`)
	other := create(t, s, "films", fmt.Sprintf(`{"title":"other","partners":[%q]}`, st.ID))
	if _, err := s.Manager.Delete(ctx, "films", root.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{child.ID, grand.ID} {
		eventually(t, "the cascade", func() bool {
			_, err := s.Manager.Get(t.Context(), "films", id, resource.GetOptions{})
			return fault.CodeOf(err) == fault.Deleted
		})
	}
	h, err := s.Manager.History(t.Context(), "films", child.ID, resource.PageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	last := h.Items[len(h.Items)-1]
	if last.Action != storage.Deleted || last.Principal != "ann" || last.Cause == "" || len(h.Items) != 2 {
		t.Fatalf("%+v", h.Items)
	}
	if _, err := s.Manager.Delete(ctx, "studios", st.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "set_null", func() bool {
		r, err := s.Manager.Get(t.Context(), "films", other.ID, resource.GetOptions{})
		return err == nil && string(r.Data) == `{"partners":[],"title":"other"}`
	})
}

func TestPurgeLeavesNoByte(t *testing.T) {
	dir := t.TempDir()
	types := testenv.Types(t, studiosModel, filmsModel)
	s := testenv.Open(t, dir, types, testenv.StackOptions{Manager: func(o *resource.Options) { o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil)) }})
	ctx := t.Context()
	const marker = "XYZZYMARKERPLUGH"
	keep := create(t, s, "films", `{"title":"neighbour"}`)
	r, err := s.Manager.Create(ctx, "films", testenv.Doc(t, fmt.Sprintf(`{"title":"%s one","slug":"%s"}`, marker, marker)),
		resource.CreateOptions{ID: "gone", Message: marker})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Manager.Update(ctx, "films", r.ID, testenv.Doc(t, fmt.Sprintf(`{"title":"two","slug":"%s"}`, marker)), resource.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	create(t, s, "films", `{"title":"another neighbour"}`)
	if l, err := s.Manager.List(ctx, "films", resource.ListOptions{}); err != nil || len(l.Items) != 3 {
		t.Fatalf("%v", err)
	}
	out, err := s.Manager.Upkeep.Purge(ctx, "films", "gone", resource.Match{})
	if err != nil || !out.Done {
		t.Fatalf("%+v %v", out, err)
	}
	_, err = s.Manager.Get(ctx, "films", "gone", resource.GetOptions{})
	wantCode(t, err, fault.NotFound)
	_, err = s.Manager.History(ctx, "films", "gone", resource.PageOptions{})
	wantCode(t, err, fault.NotFound)
	if _, err := s.Manager.Get(ctx, "films", keep.ID, resource.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	again, err := s.Manager.Create(ctx, "films", testenv.Doc(t, `{"title":"new life"}`), resource.CreateOptions{ID: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	var meta storage.Meta
	if err := json.Unmarshal(again.Meta, &meta); err != nil || meta.RevisionCount != 1 {
		t.Fatalf("%+v %v", meta, err)
	}
	noByte(t, dir, marker)
	s.Stop()
	noByte(t, dir, marker)
	s = testenv.Open(t, dir, types, testenv.StackOptions{})
	if r, err := s.Manager.Get(ctx, "films", "gone", resource.GetOptions{}); err != nil || string(r.Data) != `{"title":"new life"}` {
		t.Fatalf("%v", err)
	}
	noByte(t, dir, marker)
}

func noByte(t *testing.T, dir, marker string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range []string{marker, string(bytes.ToLower([]byte(marker)))} {
			if bytes.Contains(b, []byte(m)) {
				t.Errorf("%s holds %s", filepath.Base(path), m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRevisionReferencesInListsHoldToo(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, studiosModel, `
name: reels
schema: {type: object, properties: {cuts: {type: array, items: {type: string}}, one: {type: string}}}
refs: {cuts: {type: studios, revision: true}, one: {type: studios, onDelete: set_null}}
`), testenv.StackOptions{})
	ctx := t.Context()
	st := create(t, s, "studios", `{"name":"S"}`)
	if _, _, err := s.Manager.Update(ctx, "studios", st.ID, testenv.Doc(t, `{"name":"T"}`), resource.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	r := create(t, s, "reels", fmt.Sprintf(`{"cuts":["%s:2"]}`, st.ID))
	_, err := s.Manager.Create(ctx, "reels", testenv.Doc(t, fmt.Sprintf(`{"cuts":["%s:3"]}`, st.ID)), resource.CreateOptions{})
	wantCode(t, err, fault.DanglingReference)
	_, err = s.Manager.Delete(ctx, "studios", st.ID, resource.Match{})
	wantCode(t, err, fault.Referenced)
	if l, err := s.Manager.Referrers(ctx, "studios", st.ID, resource.PageOptions{}); err != nil || len(l.Items) != 1 || l.Items[0].ID != r.ID {
		t.Fatalf("%+v %v", l, err)
	}
	// An optional reference that may not be null is taken out.
	other := create(t, s, "studios", `{"name":"U"}`)
	o := create(t, s, "reels", fmt.Sprintf(`{"one":%q}`, other.ID))
	if _, err := s.Manager.Delete(ctx, "studios", other.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "set_null", func() bool {
		got, err := s.Manager.Get(ctx, "reels", o.ID, resource.GetOptions{})
		return err == nil && string(got.Data) == `{}`
	})
}

// A hook that writes does not wait for the write it belongs to, and what it
// writes is no repetition of it.
func TestHooksOfAKeyedWriteMayWrite(t *testing.T) {
	hooks := resource.NewHooks()
	var s *testenv.Stack
	hooks.After("studios", storage.Created, func(ctx context.Context, c resource.Change) error {
		_, err := s.Manager.Create(ctx, "films", testenv.Doc(t, `{"title":"made by a hook"}`), resource.CreateOptions{})
		return err
	})
	s = testenv.Open(t, t.TempDir(), testenv.Types(t, studiosModel, filmsModel), testenv.StackOptions{Manager: func(o *resource.Options) { o.Hooks = hooks }})
	ctx := resource.WithIdempotency(t.Context(), "k", "f")
	for range 2 {
		if _, err := s.Manager.Create(ctx, "studios", testenv.Doc(t, `{"name":"S"}`), resource.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if l, err := s.Manager.List(t.Context(), "films", resource.ListOptions{}); err != nil || len(l.Items) != 1 {
		t.Fatalf("%d films, %v", len(l.Items), err)
	}
}
