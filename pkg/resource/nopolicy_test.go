package resource_test

import (
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// Without authentication an operation asks the policy nothing: no allocation, no
// lock, not one rule.
func TestWithoutAPolicyNothingIsAsked(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, "name: notes\nschema: {type: object, properties: {text: {type: string}}}\nindex: [text]\n"), testenv.StackOptions{Memory: true})
	typ, err := s.Manager.States.Type("notes")
	if err != nil {
		t.Fatal(err)
	}
	ctx := policy.WithActor(t.Context(), policy.Actor{Principal: "ann"})
	if n := testing.AllocsPerRun(100, func() { s.Manager.AskPolicy(ctx, typ) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
