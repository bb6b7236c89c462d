package commit

import (
	"context"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Holdings are the unique values that a resource may have claimed, by constraint.
// sure tells that they are those and no others.
type Holdings struct {
	Of   map[string][]string // what its event tells is first, then what its content does
	has  map[string]string   // what its content has, when its event does not tell
	sure bool
}

// Holdings finds them. An event tells what was claimed when it was written: while
// the type had other constraints, or none, its values changed and the claims did
// not, so that then the content counts, and what either says is let go.
func (cl *Claims) Holdings(ctx context.Context, t *model.Type, s states.State) (h Holdings, err error) {
	if !s.Exists() || s.Event.Meta.Deleted {
		return Holdings{sure: true}, nil
	}
	h.Of = map[string][]string{}
	for constraint, hash := range s.Event.Claims {
		h.Of[constraint] = []string{hash}
	}
	if h.sure = s.Event.ClaimSet == t.ClaimSet(); h.sure {
		return h, nil
	}
	h.has = map[string]string{}
	if hash := s.Event.Claims[UniqueKeyConstraint]; hash != "" {
		h.has[UniqueKeyConstraint] = hash
	}
	values, err := cl.States.ValuesNow(ctx, t, s.Event)
	if err != nil {
		return h, err
	}
	for _, fields := range t.Unique {
		name := strings.Join(fields, ",")
		hash := cl.ClaimHash(t.Name, name, fields, values)
		if hash == "" {
			continue
		}
		h.has[name] = hash
		if !slices.Contains(h.Of[name], hash) {
			h.Of[name] = append(h.Of[name], hash)
		}
	}
	return h, nil
}

// now are the values that the resource has.
func (h Holdings) now(constraint string) []string {
	if h.sure {
		return h.Of[constraint]
	}
	if hash := h.has[constraint]; hash != "" {
		return []string{hash}
	}
	return nil
}
