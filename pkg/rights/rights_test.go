package rights

import (
	"testing"

	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Every built-in type that gives rights has a strategy that asks whether its writer has
// them.
func TestEveryTypeThatGivesRightsAsks(t *testing.T) {
	got := giving{access: &policy.Access{}}.strategies()
	for _, name := range []string{policy.APIKeys, policy.Roles, policy.Bindings} {
		if got[name].Hands == nil || got[name].Check == nil {
			t.Errorf("%s is given without a question", name)
		}
	}
	core := states.Core{Strategies: states.Strategies{}}
	core.Register("things", states.Strategy{ActsLater: true})
	if !core.Strategies["things"].ActsLater {
		t.Error("a registered strategy is not found")
	}
}
