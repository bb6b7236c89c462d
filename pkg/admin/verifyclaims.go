package admin

import (
	"context"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// compareClaims checks that the holder of a value claims it, and the other way, for
// the constraints that the data was taken over with.
func (v *verifier) compareClaims(ctx context.Context) error {
	adopted := map[string]constraints{}
	for _, name := range v.m.types.Names() {
		var err error
		if _, adopted[name], err = v.m.kept(ctx, name); err != nil {
			return err
		}
	}
	constrains := func(typ, name string) bool {
		c, now := adopted[typ], v.m.types.Named(typ)
		return now != nil && named(c.Unique, name) && named(now.Unique, name)
	}
	held := map[string]states.Key{}
	for k, h := range v.heads {
		if h.deleted || h.purged {
			continue
		}
		for constraint, hashes := range h.held.Of {
			if constraint != commit.UniqueKeyConstraint && !constrains(k.Type, constraint) {
				continue // the model has it no more, or not yet
			}
			claimed := false
			for _, hash := range hashes {
				subject := storage.ClaimSubject(hash)
				c := v.claims[subject]
				if c.Live && (states.Key{Type: c.Type, ID: c.ID}) == k {
					held[subject], claimed = k, true
				}
			}
			if v.out.Claims++; !claimed {
				v.report(Finding{Type: k.Type, ID: k.ID, Problem: "its " + constraint + " is not claimed by it"})
			}
		}
	}
	for subject, c := range v.claims {
		if _, ok := held[subject]; ok || !c.Live {
			continue
		}
		if constrains(c.Type, c.Constraint) {
			v.report(Finding{Type: c.Type, ID: c.ID, Problem: "it claims a value of " + c.Constraint + " that it does not have"})
		}
	}
	return nil
}

// named reports whether a constraint of a name is among them.
func named(unique [][]string, name string) bool {
	return slices.ContainsFunc(unique, func(f []string) bool { return strings.Join(f, ",") == name })
}
