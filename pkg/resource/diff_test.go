package resource_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// anyValue is any JSON value whose keys are the difficult ones of a pointer.
func anyValue() *rapid.Generator[any] {
	key := rapid.SampledFrom([]string{"", "/", "~", "~1", "a", "0", "01", "-", "a/b~c", "é", " "})
	leaf := rapid.OneOf(rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Map(rapid.Int64(), func(i int64) any { return i }),
		rapid.Map(rapid.SampledFrom([]float64{0.5, 1e300, -2.25}), func(f float64) any { return f }), rapid.Map(rapid.StringMatching(`[a-c~/]{0,3}`), func(s string) any { return s }))
	value := leaf
	for range 3 {
		inside := value
		value = rapid.OneOf(leaf, rapid.Map(rapid.SliceOfN(inside, 0, 5), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(key, inside, 0, 5), func(m map[string]any) any { return m }))
	}
	return value
}

func TestADiffAppliedAsAPatchGivesTheOtherRevision(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, `
name: things
schema: {type: object, additionalProperties: true}
`), testenv.StackOptions{})
	value := anyValue()
	object := rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"", "/", "~", "v", "01", "-"}), value, 0, 6), func(m map[string]any) map[string]any { return m })
	rapid.Check(t, func(rt *rapid.T) {
		a, b := object.Draw(rt, "a"), object.Draw(rt, "b")
		r, err := s.Manager.Create(t.Context(), "things", a, resource.CreateOptions{})
		if err != nil {
			rt.Fatal(err)
		}
		if _, _, err = s.Manager.Update(t.Context(), "things", r.ID, b, resource.UpdateOptions{}); err != nil {
			rt.Fatal(err)
		}
		want := string(model.AppendCanonical(nil, b))
		if string(model.AppendCanonical(nil, a)) == want {
			return // changed nothing
		}
		for _, way := range [][2]int{{2, 1}, {1, 2}} {
			ops, _, err := s.Manager.Diff(t.Context(), "things", r.ID, way[0], way[1])
			if err != nil {
				rt.Fatal(err)
			}
			raw, err := json.Marshal(ops)
			if err != nil {
				rt.Fatal(err)
			}
			body, err := model.DecodeJSON(raw)
			if err != nil {
				rt.Fatal(err)
			}
			got, err := s.Manager.Patch(t.Context(), "things", r.ID, resource.Patch{Kind: resource.JSONPatch, Body: body}, resource.UpdateOptions{})
			if err != nil {
				rt.Fatalf("%s: %v", raw, err)
			}
			if way[1] == 2 && string(got.Data) != want {
				rt.Fatalf("%s gives %s, want %s", raw, got.Data, want)
			}
		}
	})
}
