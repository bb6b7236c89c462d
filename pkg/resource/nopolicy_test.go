package resource_test

import (
	"context"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
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
	if n := testing.AllocsPerRun(100, func() { askPolicy(ctx, s.Manager.Parts, typ) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// askPolicy asks everything that an operation asks the policy.
func askPolicy(ctx context.Context, p commit.Parts, t *model.Type) {
	_ = p.Guard.May(ctx, t, "read")
	_ = p.Guard.Admin(ctx)
	_ = p.Guard.Visible(ctx, t, "x", states.State{})
	_, _ = p.Guard.Readable(ctx, t, nil)
	_, _ = p.Guard.Redacted(ctx, t, "read", nil)
	_ = p.Guard.Narrow(ctx, t, "list", nil)
	_ = p.Writer.MayPlan(ctx, t, commit.Plan{Action: "update"})
	_ = commit.Censored(ctx, p.Guard, t, nil)
	_, _ = p.Guard.Watchable(ctx, t, nil)
	_ = policy.AsProgram(ctx)
}
