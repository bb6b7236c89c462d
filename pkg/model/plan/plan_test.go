package plan_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// served starts a server of the models with some resources, each given as
// "type id data".
func served(t *testing.T, models []string, rows ...string) *testenv.Stack {
	t.Helper()
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, models...), testenv.StackOptions{Memory: true})
	for _, row := range rows {
		typ, rest, _ := strings.Cut(row, " ")
		id, data, _ := strings.Cut(rest, " ")
		if _, err := s.Manager.Create(t.Context(), typ, decoded(t, []byte(data)), resource.CreateOptions{ID: id}); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
	}
	return s
}

// planned is the plan from the models of a server to others.
func planned(t *testing.T, s *testenv.Stack, before, after []string) *plan.Report {
	t.Helper()
	base := map[string]*plan.Written{}
	for _, x := range testenv.Types(t, before...) {
		base[x.Name] = plan.Describe(x)
	}
	return made(t, s, plan.Asked{Types: testenv.Types(t, after...), Base: base})
}

func made(t *testing.T, s *testenv.Stack, a plan.Asked) *plan.Report {
	t.Helper()
	out, err := plan.Make(t.Context(), plan.Source{Log: s.Log, Blobs: s.Blobs}, a)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// of is the plan of one type.
func of(t *testing.T, r *plan.Report, typ string) plan.TypePlan {
	t.Helper()
	i := slices.IndexFunc(r.Types, func(p plan.TypePlan) bool { return p.Type == typ })
	if i < 0 {
		t.Fatalf("the plan has no %s: %+v", typ, r)
	}
	return r.Types[i]
}

func effects(p plan.TypePlan) map[string]plan.Effect {
	out := map[string]plan.Effect{}
	for _, c := range p.Changes {
		out[c.Kind] = c.Effect
	}
	return out
}

const notes = "name: notes\nschema: {type: object, properties: {n: {type: integer}, s: {type: string}}}\nindex: [n]\n"

// TestAChangeWithoutAVersionIsSeen is the change that used to be silent: another
// kind and a required property, and no new version.
func TestAChangeWithoutAVersionIsSeen(t *testing.T) {
	s := served(t, []string{notes}, `notes a {"n": 1}`, `notes b {"n": 2}`, `notes gone {"n": 3}`)
	if _, err := s.Manager.Delete(t.Context(), "notes", "gone", resource.Match{}); err != nil {
		t.Fatal(err)
	}
	after := "name: notes\nschema: {type: object, required: [u], properties: {n: {type: string}, u: {type: string}, s: {type: string}}}\nindex: [n]\n"
	r := planned(t, s, []string{notes}, []string{after})
	p := of(t, r, "notes")
	want := map[string]plan.Effect{"schema": plan.Breaking, "index": plan.Breaking}
	if !r.Breaks() || p.Checked != 2 || p.Unfit != 2 || !reflect.DeepEqual(effects(p), want) {
		t.Fatalf("the plan is %+v", p)
	}
	for _, pointer := range []string{"/n", "/u"} {
		if !slices.ContainsFunc(p.Offenders, func(o plan.Offender) bool { return o.ID == "a" && o.Pointer == pointer }) {
			t.Errorf("%s of a is not among %+v", pointer, p.Offenders)
		}
	}
	// The same with a migration fits.
	r = planned(t, s, []string{notes}, []string{after + `version: "2"
migrations: [{from: "1", patch: [{op: replace, path: /n, value: "one"}, {op: add, path: /u, value: "x"}]}]
`})
	p = of(t, r, "notes")
	if r.Breaks() || p.Checked != 2 || p.Unfit != 0 || effects(p)["index"] != plan.Rebuild {
		t.Fatalf("the plan with a migration is %+v", p)
	}
}

// TestWhatCanOnlyWidenIsNotRead: no resource is read for a description, an optional
// property, a larger limit or another value of an enum.
func TestWhatCanOnlyWidenIsNotRead(t *testing.T) {
	before := "name: things\nschema: {type: object, properties: {a: {type: string, maxLength: 3}, e: {enum: [x]}}}\n"
	s := served(t, []string{before}, `things a {"a": "abc", "e": "x"}`)
	r := planned(t, s, []string{before}, []string{"name: things\ndescription: new\nschema: {type: object, description: d, properties: {a: {type: string, maxLength: 4}, e: {enum: [x, y]}, o: {type: integer}}}\n"})
	p := of(t, r, "things")
	if r.Breaks() || p.Checked != 0 || !reflect.DeepEqual(effects(p), map[string]plan.Effect{"schema": plan.None, "description": plan.None}) {
		t.Fatalf("the plan is %+v", p)
	}
	if p = of(t, planned(t, s, []string{before}, []string{before}), "things"); len(p.Changes) != 0 || p.Checked != 0 {
		t.Fatalf("the plan of nothing is %+v", p)
	}
}

// TestConstraintsAreDecidedByTheData: new indexed kinds, unique values and
// references are breaking when the data has something against them.
func TestConstraintsAreDecidedByTheData(t *testing.T) {
	before := "name: things\nschema: {type: object, properties: {a: {type: string}, b: {type: string}, c: {type: integer}}}\n"
	others := "name: others\nschema: {type: object, properties: {x: {type: integer}}}\n"
	long := strings.Repeat("x", 2001)
	s := served(t, []string{before, others}, `others one {}`, `others two {}`,
		`things 1 {"a": "same", "b": "one", "c": 1}`, `things 2 {"a": "same", "b": "two", "c": 2}`, `things 3 {"c": 3}`,
		fmt.Sprintf(`things 4 {"a": %q, "c": 4}`, long))
	if _, err := s.Manager.Delete(t.Context(), "others", "two", resource.Match{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		add, kind, id, pointer string
		effect                 plan.Effect
	}{
		{"index: [c]\n", "index", "", "", plan.Rebuild},
		{"index: [a]\n", "index", "4", "/a", plan.Breaking},
		{"unique: [c]\n", "unique", "", "", plan.None},
		{"unique: [b]\n", "unique", "", "", plan.None}, // null is unique as it is
		{"unique: [[b, c]]\n", "unique", "", "", plan.None},
		{"unique: [a]\n", "unique", "2", "/a", plan.Breaking},
		{"refs: {b: others}\n", "refs", "2", "/b", plan.Breaking},
		{"fulltext: [a]\n", "fulltext", "", "", plan.Rebuild},
	} {
		r := planned(t, s, []string{before, others}, []string{before + c.add, others})
		p := of(t, r, "things")
		if got := effects(p)[c.kind]; got != c.effect || r.Breaks() != (c.effect == plan.Breaking) {
			t.Errorf("%s is %q: %+v", strings.TrimSpace(c.add), got, p)
		}
		if c.id != "" && !slices.ContainsFunc(p.Offenders, func(o plan.Offender) bool { return o.ID == c.id && o.Pointer == c.pointer }) {
			t.Errorf("%s: %s of %s is not among %+v", strings.TrimSpace(c.add), c.pointer, c.id, p.Offenders)
		}
	}
}

// TestMigrationsAreTriedOnEveryRow: one that fails, and one that makes what does not
// fit, are breaking; values that it makes the same are.
func TestMigrationsAreTriedOnEveryRow(t *testing.T) {
	before := "name: things\nschema: {type: object, properties: {a: {type: string}, c: {type: integer}}}\nunique: [c]\n"
	s := served(t, []string{before}, `things 1 {"a": "x", "c": 1}`, `things 2 {"c": 2}`)
	with := func(patch string) plan.TypePlan {
		return of(t, planned(t, s, []string{before}, []string{before + "version: \"2\"\nmigrations: [{from: \"1\", patch: [" + patch + "]}]\n"}), "things")
	}
	if p := with("{op: test, path: /a, value: x}"); effects(p)["migrations"] != plan.Breaking || p.Unfit != 1 || p.Offenders[0].ID != "2" {
		t.Errorf("a migration that fails: %+v", p)
	}
	if p := with("{op: add, path: /a, value: 1}"); effects(p)["schema"] != "" || !p.Breaks() || p.Unfit != 2 || p.Offenders[0].Pointer != "/a" {
		t.Errorf("a migration that does not fit: %+v", p)
	}
	if p := with("{op: add, path: /c, value: 1}"); !p.Breaks() || p.Unfit != 1 || !strings.Contains(p.Offenders[0].Detail, "the same c") {
		t.Errorf("a migration that makes values the same: %+v", p)
	}
	if p := with("{op: add, path: /a, value: y}"); p.Breaks() || p.Checked != 2 {
		t.Errorf("a migration that fits: %+v", p)
	}
}

// TestTypesComeAndGo: a type that is new does nothing; one that has data and no
// model any more is breaking, one without data is not.
func TestTypesComeAndGo(t *testing.T) {
	one, two := strings.Replace(notes, "notes", "one", 1), strings.Replace(notes, "notes", "two", 1)
	s := served(t, []string{one, two}, `one a {}`)
	r := made(t, s, plan.Asked{Types: testenv.Types(t, notes), Gone: []string{"one", "two"}})
	if p := of(t, r, "one"); effects(p)["type"] != plan.Breaking || len(r.Types) != 2 {
		t.Errorf("the plan is %+v", r)
	}
	if p := of(t, r, "notes"); p.Breaks() || effects(p)["type"] != plan.None {
		t.Errorf("what is new: %+v", p)
	}
}

// TestEveryStateIsRead: drafts, content that is not in its event, and what was
// written by an older version; nothing that was replaced, purged or deleted.
func TestEveryStateIsRead(t *testing.T) {
	before := "name: things\nschema: {type: object, properties: {a: {type: string}}}\n"
	long := strings.Repeat("x", storage.InlineLimit)
	s := served(t, []string{before}, fmt.Sprintf(`things large {"a": %q}`, long), `things changed {"a": "too long"}`, `things purged {"a": "too long"}`, `things back {"a": "too long"}`)
	ctx, m := t.Context(), s.Manager
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(m.Create(ctx, "things", map[string]any{"a": "a long draft"}, resource.CreateOptions{ID: "draft", Status: storage.Draft}))
	must(m.Upkeep.Purge(ctx, "things", "purged", resource.Match{}))
	for _, id := range []string{"changed", "back"} {
		_, _, err := m.Update(ctx, "things", id, map[string]any{"a": "x"}, resource.UpdateOptions{})
		must(nil, err)
	}
	must(m.Switch(ctx, "things", "back", 1, resource.Match{}))
	p := of(t, planned(t, s, []string{before}, []string{strings.Replace(before, "{a: {type: string}}", "{a: {type: string, maxLength: 3}}", 1)}), "things")
	var ids []string
	for _, o := range p.Offenders {
		ids = append(ids, o.ID)
	}
	slices.Sort(ids)
	if want := []string{"back", "draft", "large"}; p.Checked != 4 || p.Unfit != 3 || !slices.Equal(ids, want) {
		t.Errorf("the plan is %+v", p)
	}
}

// TestOnlyTheFirstAreNamed: ten resources at most, all are counted.
func TestOnlyTheFirstAreNamed(t *testing.T) {
	before := "name: things\nschema: {type: object, properties: {a: {type: integer}}}\n"
	var rows []string
	for i := range 25 {
		rows = append(rows, fmt.Sprintf(`things i%02d {"a": %d}`, i, i))
	}
	s := served(t, []string{before}, rows...)
	p := of(t, planned(t, s, []string{before}, []string{strings.Replace(before, "integer", "string", 1)}), "things")
	if p.Checked != 25 || p.Unfit != 25 || len(p.Offenders) != 10 || p.Offenders[9].ID != "i09" {
		t.Errorf("the plan is %+v", p)
	}
}

// TestTheVerdictIsThatOfEveryRow: for random schemas and data, a plan says what
// checking every row says, whether the rows were read or not.
func TestTheVerdictIsThatOfEveryRow(t *testing.T) {
	const types, rows = 90, 15
	var before, after []*model.Type
	unread, broken := 0, 0
	for seed := uint64(1); len(before) < types; seed++ {
		g := generator{rand.New(rand.NewPCG(seed, 18)), []string{"d", "e"}}
		schema := g.model()
		changed := schema
		for range g.IntN(9) {
			changed = g.mutated(changed)
		}
		name := fmt.Sprintf("t%d", len(before))
		old, err := model.NewType(model.Type{Name: name, Schema: model.AppendCanonical(nil, schema)})
		now, err2 := model.NewType(model.Type{Name: name, Schema: model.AppendCanonical(nil, changed)})
		if err == nil && err2 == nil {
			before, after = append(before, old), append(after, now)
		}
	}
	s := testenv.Open(t, t.TempDir(), before, testenv.StackOptions{Memory: true})
	want := map[string]int{}
	base := map[string]*plan.Written{}
	for i, old := range before {
		base[old.Name] = plan.Describe(old)
		g := generator{rand.New(rand.NewPCG(uint64(i), 19)), nil}
		for stored, tries := 0, 0; stored < rows && tries < 200; tries++ {
			row := map[string]any{}
			for range g.IntN(4) {
				row[g.name()] = g.value(2)
			}
			made, err := s.Manager.Create(context.Background(), old.Name, row, resource.CreateOptions{})
			if err != nil {
				continue
			}
			stored++
			if after[i].Fits(decoded(t, made.Data)) != nil {
				want[old.Name]++
			}
		}
	}
	for _, p := range made(t, s, plan.Asked{Types: after, Base: base}).Types {
		if p.Unfit != want[p.Type] || p.Breaks() != (want[p.Type] > 0) {
			b, _ := json.Marshal(p)
			t.Errorf("%d rows of %s do not fit: %s", want[p.Type], p.Type, b)
		}
		if p.Checked == 0 {
			unread++
		}
		if p.Breaks() {
			broken++
		}
	}
	if t.Logf("of %d types %d were not read, %d break", types, unread, broken); unread < types/6 || broken < types/10 {
		t.Error("the random types say too little")
	}
}
