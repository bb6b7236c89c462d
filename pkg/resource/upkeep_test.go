package resource_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

func verify(t *testing.T, s *testenv.Stack) (findings []admin.Finding) {
	t.Helper()
	v, err := s.Manager.Admin.Verify(t.Context(), func(f admin.Finding) { findings = append(findings, f) })
	if err != nil {
		t.Fatal(err)
	}
	if v.Findings != len(findings) {
		t.Fatalf("%+v, %d reported", v, len(findings))
	}
	return findings
}

func busyFilms(t *testing.T, s *testenv.Stack) {
	t.Helper()
	ctx := t.Context()
	st := create(t, s, "studios", `{"name":"S"}`)
	for i := range 10 {
		r := create(t, s, "films", fmt.Sprintf(`{"title":"F%d","slug":"f%d","studio":%q}`, i, i, st.ID))
		if _, _, err := s.Manager.Update(ctx, "films", r.ID, testenv.Doc(t, fmt.Sprintf(`{"title":"F%d","slug":"g%d"}`, i, i)), resource.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		switch i % 4 {
		case 1:
			if _, err := s.Manager.Switch(ctx, "films", r.ID, 1, resource.Match{}); err != nil {
				t.Fatal(err)
			}
		case 2:
			if _, err := s.Manager.Delete(ctx, "films", r.ID, resource.Match{}); err != nil {
				t.Fatal(err)
			}
		case 3:
			if _, err := s.Manager.Upkeep.Purge(ctx, "films", r.ID, resource.Match{}); err != nil {
				t.Fatal(err)
			}
			if i == 3 {
				if _, err := s.Manager.Create(ctx, "films", testenv.Doc(t, `{"title":"again","slug":"g3"}`), resource.CreateOptions{ID: r.ID}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestVerifyFindsNothingInASoundStore(t *testing.T) {
	s := films(t)
	busyFilms(t, s)
	if f := verify(t, s); len(f) > 0 {
		t.Fatalf("%+v", f)
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	dir := t.TempDir()
	types := testenv.Types(t, studiosModel, filmsModel)
	s := testenv.Open(t, dir, types, testenv.StackOptions{})
	r := create(t, s, "films", `{"title":"INTHEOBJECT"}`)
	create(t, s, "films", `{"title":"other"}`)
	s.Stop()
	name := filepath.Join(dir, "blobs", "segments", "00000001.seg")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(b, []byte("INTHEOBJECT"), []byte("INTHEOBJEKT"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s = testenv.Open(t, dir, types, testenv.StackOptions{})
	f := verify(t, s)
	if len(f) != 1 || f[0].ID != r.ID || !strings.Contains(f[0].Problem, "object") {
		t.Fatalf("%+v", f)
	}
	// Small content is in the event too, so the revision is still read.
	got, err := s.Manager.Get(t.Context(), "films", r.ID, resource.GetOptions{Revision: 1})
	if err != nil || string(got.Data) != `{"title":"INTHEOBJECT"}` {
		t.Fatalf("%v", err)
	}
}

func TestVerifyFindsAnAlteredEvent(t *testing.T) {
	s := films(t)
	r := create(t, s, "films", `{"title":"one"}`)
	if _, err := s.Manager.Delete(t.Context(), "films", r.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	// An event that does not know the one before it, as a forger would append.
	last, err := s.Log.Last(t.Context(), storage.RevisionSubject("films", r.ID))
	if err != nil {
		t.Fatal(err)
	}
	e, err := storage.DecodeEvent(last.Data, last.Seq)
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.Previous, e.Principal = "forged", "sha256:0", "nobody"
	data, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Log.Append(t.Context(), []storage.Record{{Subject: last.Subject, ID: e.ID, Expected: last.Seq, Data: data}}); err != nil {
		t.Fatal(err)
	}
	if f := verify(t, s); len(f) != 1 || !strings.Contains(f[0].Problem, "altered") {
		t.Fatalf("%+v", f)
	}
}

func TestSweepRemovesOnlyWhatNothingRefersTo(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, posterModel), testenv.StackOptions{})
	ctx := t.Context()
	used, err := s.Manager.Binaries.PutBinary(ctx, strings.NewReader("used"), 100)
	if err != nil {
		t.Fatal(err)
	}
	unused, err := s.Manager.Binaries.PutBinary(ctx, strings.NewReader("unused"), 100)
	if err != nil {
		t.Fatal(err)
	}
	r := create(t, s, "posters", fmt.Sprintf(`{"files":[{"digest":%q}]}`, used.Digest))
	if _, err := s.Blobs.Put(ctx, "posters/"+r.ID+":9/0190a000-0000-7000-8000-000000000000", []byte("orphan")); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Manager.Upkeep.Sweep(ctx, upkeep.SweepAge); err != nil || out.Binaries != 0 || out.Objects != 1 {
		t.Fatalf("young binaries must stay, the old orphan must go: %+v %v", out, err)
	}
	out, err := s.Manager.Upkeep.Sweep(ctx, -upkeep.SweepAge) // everything counts as old
	if err != nil || out.Binaries != 1 || out.Objects != 0 {
		t.Fatalf("%+v %v", out, err)
	}
	if _, err := s.Blobs.OpenBinary(ctx, unused.Digest); err == nil {
		t.Fatal("the unused one is still there")
	}
	if f := verify(t, s); len(f) > 0 {
		t.Fatalf("%+v", f)
	}
	if _, err := s.Manager.Upkeep.Purge(ctx, "posters", r.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Blobs.OpenBinary(ctx, used.Digest); err == nil {
		t.Fatal("a purge must erase the binaries that nothing else refers to")
	}
}

const (
	peopleV1 = `
name: people
schema: {type: object, required: [name], properties: {name: {type: string}, nick: {type: string}}}
index: [name]
`
	peopleV2 = `
name: people
version: "2"
migrations: [{from: "1", patch: [{op: move, from: /name, path: /fullName}, {op: add, path: /active, value: true}]}]
schema: {type: object, required: [fullName, active], properties: {fullName: {type: string}, active: {type: boolean}, nick: {type: string}}}
index: [fullName, active]
`
)

func TestMigrationOnReadAndInPlace(t *testing.T) {
	dir := t.TempDir()
	s := testenv.Open(t, dir, testenv.Types(t, peopleV1), testenv.StackOptions{})
	var ids []string
	for i := range 25 {
		ids = append(ids, create(t, s, "people", fmt.Sprintf(`{"name":"P%02d"}`, i)).ID)
	}
	s.Stop()
	s = testenv.Open(t, dir, testenv.Types(t, peopleV2), testenv.StackOptions{})
	ctx := t.Context()
	want := `{"active":true,"fullName":"P03"}`
	read := func(o resource.GetOptions) string {
		r, err := s.Manager.Get(ctx, "people", ids[3], o)
		if err != nil {
			t.Fatal(err)
		}
		return string(r.Data)
	}
	if got := read(resource.GetOptions{}); got != want {
		t.Fatal(got)
	}
	l, err := s.Manager.List(ctx, "people", resource.ListOptions{Filter: `fullName = "P03" AND active = true`})
	if err != nil || len(l.Items) != 1 || string(l.Items[0].Data) != want {
		t.Fatalf("%v", err)
	}
	dry, err := s.Manager.Admin.MigrateAll(ctx, "people", "", true)
	if err != nil || dry.Migrated != 25 || dry.Failed != 0 || !dry.Done {
		t.Fatalf("%+v %v", dry, err)
	}
	if _, err := s.Manager.Patch(ctx, "people", ids[3], resource.Patch{Kind: resource.MergePatch, Body: testenv.Doc(t, `{"nick":"x"}`)}, resource.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	done, err := s.Manager.Admin.MigrateAll(ctx, "people", "", false)
	if err != nil || done.Migrated != 24 {
		t.Fatalf("%+v %v", done, err)
	}
	if again, err := s.Manager.Admin.MigrateAll(ctx, "people", "", false); err != nil || again.Migrated != 0 {
		t.Fatalf("%+v %v", again, err)
	}
	if got := read(resource.GetOptions{Revision: 1}); got != want {
		t.Fatal(got)
	}
	if got := read(resource.GetOptions{Revision: 1, Raw: true}); got != `{"name":"P03"}` {
		t.Fatal(got)
	}
	h, err := s.Manager.History(ctx, "people", ids[4], resource.PageOptions{})
	if err != nil || len(h.Items) != 2 || h.Items[1].Action != storage.Migrated {
		t.Fatalf("%+v %v", h, err)
	}
}

// Claims that other processes make while constraints are taken over hold; older ones are
// of the last time that the type had them.
func TestClaimsMadeMeanwhileHold(t *testing.T) {
	dir := t.TempDir()
	s := testenv.Open(t, dir, testenv.Types(t, peopleV1), testenv.StackOptions{})
	a := create(t, s, "people", `{"name":"a","nick":"x"}`)
	s.Stop()
	s = testenv.Open(t, dir, testenv.Types(t, peopleV1+"unique: [nick]\n"), testenv.StackOptions{})
	ctx := t.Context()
	typ := s.Manager.States.Types()[slices.IndexFunc(s.Manager.States.Types(), func(x *model.Type) bool { return x.Name == "people" })]
	values := func(nick string) map[string]query.Value {
		v, err := typ.ValuesOf([]byte(`{"name":"n","nick":"` + nick + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	subject := func(nick string) string {
		return storage.ClaimSubject(s.Manager.Claims.ClaimHash("people", "nick", []string{"nick"}, values(nick)))
	}
	claim := func(nick, id string) uint64 {
		data, err := json.Marshal(commit.UniqueClaim{Version: 1, Type: "people", ID: id, Constraint: "nick", Live: true})
		if err != nil {
			t.Fatal(err)
		}
		seq, err := s.Log.Append(ctx, []storage.Record{{Subject: subject(nick), ID: uuid.NewString(), Data: data}})
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	last := func(nick string) (c commit.UniqueClaim) {
		e, err := s.Log.Last(ctx, subject(nick))
		if err != nil || json.Unmarshal(e.Data, &c) != nil {
			t.Fatalf("%s: %v", nick, err)
		}
		return c
	}
	if _, err := s.Manager.List(ctx, "people", resource.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	taken := claim("x", "faster")
	claim("old", "of-before")
	since := claim("new", "not-indexed-yet")
	if err := s.Manager.Admin.Adopt(ctx, map[string]uint64{"people": taken}); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("a value that another has claimed since: %v", err)
	}
	if err := s.Manager.Admin.Adopt(ctx, map[string]uint64{"people": since}); err != nil {
		t.Fatal(err)
	}
	if c := last("x"); c.ID != a.ID || !c.Live {
		t.Errorf("x is claimed by %+v", c)
	}
	if c := last("old"); c.Live {
		t.Errorf("what was claimed before still is: %+v", c)
	}
	if c := last("new"); !c.Live {
		t.Errorf("what was claimed since is not any more: %+v", c)
	}
}

func TestConstraintsAreTakenOverWhenTheDataFits(t *testing.T) {
	dir := t.TempDir()
	s := testenv.Open(t, dir, testenv.Types(t, peopleV1), testenv.StackOptions{})
	create(t, s, "people", `{"name":"a","nick":"x"}`)
	b := create(t, s, "people", `{"name":"b","nick":"x"}`)
	s.Stop()
	unique := peopleV1 + "unique: [nick]\n"
	s = testenv.Open(t, dir, testenv.Types(t, unique), testenv.StackOptions{})
	ctx := t.Context()
	if names, err := s.Manager.Admin.Unadopted(ctx); err != nil || len(names) != 1 {
		t.Fatalf("%v %v", names, err)
	}
	if _, err := s.Manager.List(ctx, "people", resource.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Manager.Admin.Adopt(ctx, map[string]uint64{"people": math.MaxUint64}); err == nil || !strings.Contains(err.Error(), b.ID) {
		t.Fatalf("two hold one value: %v", err)
	}
	if _, err := s.Manager.Delete(ctx, "people", b.ID, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Manager.List(ctx, "people", resource.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Manager.Admin.Adopt(ctx, map[string]uint64{"people": math.MaxUint64}); err != nil {
		t.Fatal(err)
	}
	if names, err := s.Manager.Admin.Unadopted(ctx); err != nil || len(names) != 0 {
		t.Fatalf("%v %v", names, err)
	}
	_, err := s.Manager.Create(ctx, "people", testenv.Doc(t, `{"name":"c","nick":"x"}`), resource.CreateOptions{})
	wantCode(t, err, fault.UniqueConflict)
}
