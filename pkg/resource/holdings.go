package resource

import (
	"context"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// holdings are the unique values that a resource may have claimed, by constraint.
// sure tells that they are those and no others.
type holdings struct {
	of   map[string][]string // what its event tells is first, then what its content does
	has  map[string]string   // what its content has, when its event does not tell
	sure bool
}

// holdings finds them. An event tells what was claimed when it was written: while
// the type had other constraints, or none, its values changed and the claims did
// not, so that then the content counts, and what either says is let go.
func (cl *Claims) holdings(ctx context.Context, t *model.Type, s state) (h holdings, err error) {
	if !s.exists() || s.event.Meta.Deleted {
		return holdings{sure: true}, nil
	}
	h.of = map[string][]string{}
	for constraint, hash := range s.event.Claims {
		h.of[constraint] = []string{hash}
	}
	if h.sure = s.event.ClaimSet == t.ClaimSet(); h.sure {
		return h, nil
	}
	h.has = map[string]string{}
	if hash := s.event.Claims[uniqueKey]; hash != "" {
		h.has[uniqueKey] = hash
	}
	values, err := cl.States.valuesNow(ctx, t, s.event)
	if err != nil {
		return h, err
	}
	for _, fields := range t.Unique {
		name := strings.Join(fields, ",")
		hash := cl.claimHash(t.Name, name, fields, values)
		if hash == "" {
			continue
		}
		h.has[name] = hash
		if !slices.Contains(h.of[name], hash) {
			h.of[name] = append(h.of[name], hash)
		}
	}
	return h, nil
}

// now are the values that the resource has.
func (h holdings) now(constraint string) []string {
	if h.sure {
		return h.of[constraint]
	}
	if hash := h.has[constraint]; hash != "" {
		return []string{hash}
	}
	return nil
}
