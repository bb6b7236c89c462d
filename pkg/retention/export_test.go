package retention

import "github.com/autocrud-go/autocrud/pkg/model"

// StandAt makes the look at every resource of a type one that has come to an id.
func (k *Keeper) StandAt(t *model.Type, after string) { k.sweepOf(t).after = after }

// Looked reports whether the look at every resource of a type has come to its end.
func (k *Keeper) Looked(t *model.Type) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sweeps[t.Name]
	return s != nil && s.keep == t.Retention && !s.done.IsZero()
}
