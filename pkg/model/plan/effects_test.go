package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// named is a type of its own for a row of the table.
func named(t *testing.T, typ *model.Type, name string) *model.Type {
	t.Helper()
	out, err := model.NewType(model.Type{Name: name, Schema: typ.Schema})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryKeywordHasItsEffect plans each row of the table of changes against a resource
// that fits both schemas and, where the change narrows, another one that fits only the
// old one. Rows that can only widen read nothing.
func TestEveryKeywordHasItsEffect(t *testing.T) {
	var before, after []*model.Type
	table := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return strings.Contains(c.before, "x-binary") }) // whose bytes would have to be there
	for i, c := range table {
		name := fmt.Sprintf("t%d", i)
		before = append(before, named(t, typeOf(t, c.before, c.defsBefore), name))
		after = append(after, named(t, typeOf(t, c.after, c.defsNow), name))
	}
	s := testenv.Open(t, t.TempDir(), before, testenv.StackOptions{Memory: true})
	base := map[string]*plan.Written{}
	for i, c := range table {
		base[before[i].Name] = plan.Describe(before[i])
		for id, value := range map[string]string{"fits": c.fits, "breaks": c.breaks} {
			if value == "" {
				continue
			}
			if _, err := s.Manager.Create(t.Context(), before[i].Name, decoded(t, fmt.Appendf(nil, `{"p":%s}`, value)), resource.CreateOptions{ID: id}); err != nil {
				t.Fatalf("%s: %s: %v", c.name, value, err)
			}
		}
	}
	report := made(t, s, plan.Asked{Types: after, Base: base})
	broken, unread := 0, 0
	for i, c := range table {
		p := of(t, report, before[i].Name)
		breaks := c.breaks != "" && after[i].Fits(decoded(t, fmt.Appendf(nil, `{"p":%s}`, c.breaks))) != nil
		want := map[bool]plan.Effect{false: plan.None, true: plan.Breaking}[breaks]
		if got := effects(p)["schema"]; got != want && string(before[i].Schema) != string(after[i].Schema) {
			t.Errorf("%s: the effect is %q, want %q: %+v", c.name, got, want, p)
		}
		if breaks {
			broken++
			if p.Unfit != 1 || p.Offenders[0].ID != "breaks" {
				t.Errorf("%s: the plan is %+v", c.name, p)
			}
		}
		if c.breaks == "" {
			unread++
			if p.Checked != 0 {
				t.Errorf("%s: it widens, and %d resources were read", c.name, p.Checked)
			}
		}
	}
	if broken < 30 || unread < 30 {
		t.Errorf("%d rows break and %d widen: the table says too little", broken, unread)
	}
}

// TestDefaultsCountAsTheyAreFilledIn: what a write would fill in is not missing, and a
// default that goes may leave resources without what is required.
func TestDefaultsCountAsTheyAreFilledIn(t *testing.T) {
	plain := "name: things\nschema: {type: object, properties: {a: {type: integer}}}\n"
	required := "name: things\nschema: {type: object, required: [b], properties: {a: {type: integer}, b: {type: integer%s}}}\n"
	s := served(t, []string{plain}, `things x {"a": 1}`, `things y {}`)
	for _, c := range []struct {
		name          string
		before, after string
		unfit         int
		read          bool
	}{
		{"a required property", plain, fmt.Sprintf(required, ""), 2, true},
		{"with a default", plain, fmt.Sprintf(required, ", default: 1"), 0, true},
		{"another default", fmt.Sprintf(required, ", default: 1"), fmt.Sprintf(required, ", default: 2"), 0, true},
		{"a default goes", fmt.Sprintf(required, ", default: 1"), fmt.Sprintf(required, ""), 2, true},
		{"a default moves into $defs", fmt.Sprintf(required, ", default: 1"),
			`{name: things, schema: {type: object, required: [b], properties: {a: {type: integer}, b: {$ref: "#/$defs/b"}}, $defs: {b: {type: integer, default: 1}}}}`, 0, false},
		{"a default more", fmt.Sprintf(required, ", default: 1"), "name: things\nschema: {type: object, required: [b], properties: {a: {type: integer}, b: {type: integer, default: 1}, c: {default: 3}}}\n", 0, false},
		{"a default more that is counted", fmt.Sprintf(required, ", default: 1"), "name: things\nschema: {type: object, maxProperties: 9, required: [b], properties: {a: {type: integer}, b: {type: integer, default: 1}, c: {default: 3}}}\n", 0, true},
	} {
		p := of(t, planned(t, s, []string{c.before}, []string{c.after}), "things")
		if p.Unfit != c.unfit || p.Checked > 0 != c.read {
			t.Errorf("%s: the plan is %+v", c.name, p)
		}
	}
}

// TestDeletedResourcesAreCountedApart: they break nothing, as they can be restored with a
// change.
func TestDeletedResourcesAreCountedApart(t *testing.T) {
	before := "name: things\nschema: {type: object, properties: {a: {type: integer}}}\n"
	s := served(t, []string{before}, `things x {"a": 1}`, `things y {"a": 5}`)
	if _, err := s.Manager.Delete(t.Context(), "things", "y", resource.Match{}); err != nil {
		t.Fatal(err)
	}
	r := planned(t, s, []string{before}, []string{"name: things\nschema: {type: object, properties: {a: {type: integer, maximum: 3}}}\n"})
	if p := of(t, r, "things"); r.Breaks() || p.Checked != 1 || p.Unfit != 0 || p.DeletedUnfit != 1 {
		t.Errorf("the plan is %+v", p)
	}
}

// TestOperationsAreTriedOnEveryRow: an operation that does not apply to a row is named
// with its place.
func TestOperationsAreTriedOnEveryRow(t *testing.T) {
	s := served(t, []string{notes}, `notes a {"n": 1, "s": "12"}`, `notes b {"n": 2, "s": "many"}`, `notes c {"n": 3}`)
	after := "name: notes\nschema: {type: object, properties: {n: {type: integer}, s: {type: integer}}}\nindex: [n]\nversion: '2'\nmigrations: [{from: '1', patch: [{op: convert, path: /s, to: integer%s}]}]\n"
	p := of(t, planned(t, s, []string{notes}, []string{fmt.Sprintf(after, "")}), "notes")
	if p.Unfit != 1 || p.Checked != 3 || p.Offenders[0].ID != "b" || p.Offenders[0].Pointer != "/s" || effects(p)["migrations"] != plan.Breaking {
		t.Errorf("the plan is %+v", p)
	}
	r := planned(t, s, []string{notes}, []string{fmt.Sprintf(after, ", else: 0")})
	if p = of(t, r, "notes"); r.Breaks() || p.Checked != 3 {
		t.Errorf("the plan is %+v", p)
	}
}

// TestRulesThatCanNoLongerWorkBreak: they are told with their type.
func TestRulesThatCanNoLongerWorkBreak(t *testing.T) {
	s := served(t, []string{notes})
	r := made(t, s, plan.Asked{Types: testenv.Types(t, notes), Base: map[string]*plan.Written{"notes": plan.Describe(testenv.Types(t, notes)[0])},
		Rules: map[string][]string{"notes": {"role editors"}}})
	if p := of(t, r, "notes"); !r.Breaks() || p.Changes[0].Detail != "role editors" || effects(p)["rules"] != plan.Breaking {
		t.Errorf("the plan is %+v", p)
	}
}
