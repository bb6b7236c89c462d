package policy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

func typeWith(t *testing.T, name string, index ...string) *model.Type {
	t.Helper()
	properties := map[string]any{}
	for _, f := range index {
		properties[f] = map[string]any{"type": "string"}
	}
	b, err := json.Marshal(map[string]any{"type": "object", "properties": properties})
	if err != nil {
		t.Fatal(err)
	}
	out, err := model.NewType(model.Type{Name: name, Schema: b, Index: index})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRulesThatChangedTypesBreak: a filter of a field that is no longer indexed, a field
// that is gone, and a type that is gone are told with their type; rules that do not work
// already and rules of other types are not.
func TestRulesThatChangedTypesBreak(t *testing.T) {
	before := []*model.Type{typeWith(t, "notes", "team", "secret"), typeWith(t, "tags", "name")}
	file, err := policy.Parse("p.yaml", []byte(`
roles:
  editors:
    - {types: [notes], actions: [read], where: "team = \"a\""}
    - {types: [notes], actions: [read], fields: {hide: [secret]}}
    - {types: [tags], actions: [read], where: "name = \"a\""}
    - {types: ["*"], actions: [read], where: "team = \"a\""}
`), before, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := policy.NewAccess(before, nil, file)
	if got := a.Broken(before, before); len(got) != 0 {
		t.Errorf("nothing changes, and %v break", got)
	}
	got := a.Broken(before, []*model.Type{typeWith(t, "notes", "other")})
	if len(got["notes"]) != 2 || !strings.Contains(got["notes"][0], "/rules/0/where") || !strings.Contains(got["notes"][1], "/rules/1/fields/hide/0") {
		t.Errorf("of notes break %q", got["notes"])
	}
	if len(got["tags"]) != 1 || !strings.Contains(got["tags"][0], "no type") || len(got) != 2 {
		t.Errorf("the type that is gone: %v", got)
	}
}
