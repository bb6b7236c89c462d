package commit

import "github.com/autocrud-go/autocrud/pkg/states"

// Parts are what an operation goes through, each of which knows only those before it.
type Parts struct {
	States     *states.States
	Guard      *states.Guard
	Reads      *states.Reads
	Seals      *Seals
	Binaries   *BinaryStore
	Claims     *Claims
	Gate       *Gate
	Writer     *Writer
	Batches    *Batches
	Questions  *Questions
	Publishing *Publishing

	Core states.Core
}

// NewParts puts them together, in their order.
func NewParts(c states.Core) Parts {
	st := states.NewStates(c)
	gd := states.NewGuard(c, st)
	p := Parts{States: st, Guard: gd, Reads: states.NewReads(c, st, gd), Core: c}
	p.Seals = &Seals{States: st, hashKey: c.HashKey, o: c.Options}
	p.Binaries = &BinaryStore{Guard: gd, States: st, blobs: c.Blobs, hashKey: c.HashKey, index: c.Index, o: c.Options, recent: c.Recent, types: c.Types}
	p.Claims = &Claims{Guard: gd, States: st, hashKey: c.HashKey, index: c.Index, log: c.Log, o: c.Options, progress: c.Progress, recent: c.Recent, types: c.Types}
	p.Gate = &Gate{Guard: gd, Seals: p.Seals, States: st, o: c.Options, strategies: c.Strategies, types: c.Types}
	p.Writer = &Writer{Binaries: p.Binaries, Claims: p.Claims, Gate: p.Gate, Guard: gd, Seals: p.Seals, States: st, hookRuns: c.HookRuns, blobs: c.Blobs, index: c.Index, loading: c.Loading, locks: states.NewLocks(), log: c.Log, o: c.Options, progress: c.Progress, recent: c.Recent, heads: c.Heads, strategies: c.Strategies, types: c.Types, underway: underway{flights: map[string]*flight{}}}
	p.Batches, p.Questions = &Batches{p.Writer}, &Questions{p.Writer}
	p.Publishing = &Publishing{p.Writer, p.Batches}
	return p
}
