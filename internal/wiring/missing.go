package wiring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// tailWait bounds the wait for an entry of the log that is there already.
const tailWait = 2 * time.Second

// readIndex makes the index readable and looks at what is in it. Damage may show only
// then: the index is made anew.
func (p *program) readIndex(ctx context.Context) error {
	if err := p.indexing.prepare(ctx); err != nil {
		return err
	}
	err := p.missingTypes(ctx)
	if !errors.Is(err, storage.ErrNotReady) {
		return err
	}
	p.logger.WarnContext(ctx, "the index is damaged and is made anew", "error", err)
	if err := p.indexing.prepare(ctx); err != nil {
		return err
	}
	return p.missingTypes(ctx)
}

// missingTypes refuses to start an API when data has no model any more. Where that
// is allowed, purges leave binaries to the sweep: the index does not know what such
// data refers to.
func (p *program) missingTypes(ctx context.Context) error {
	if !p.has.api && !p.has.worker {
		return nil
	}
	recorded, err := plan.ReadRecorded(ctx, p.st.log)
	if err != nil {
		return err
	}
	var served []string
	for _, t := range p.types {
		if !takesOver(t, recorded) {
			served = append(served, t.Name)
		}
	}
	stored, err := p.st.index.Types(ctx)
	if err != nil {
		return err
	}
	ahead, err := typesAhead(ctx, p.st)
	if err != nil {
		return err
	}
	before, err := p.st.typesBefore(ctx, served)
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range slices.Concat(stored, ahead, before) {
		if !slices.Contains(missing, name) && !slices.Contains(served, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 && p.has.api && !p.set.AllowMissing {
		return wrong("there is data of %s but no model; put the model back, or say --allow-missing-types", strings.Join(missing, ", "))
	}
	if len(missing) > 0 {
		p.manager.Upkeep.LeaveBinaries()
	}
	all := append(served, missing...)
	slices.Sort(all)
	return p.st.notebook.save(ctx, false, func(i *origin) { i.Types = all })
}

// takesOver reports whether a type of the program would serve the data of an
// application's own type of its name, whose model is gone.
func takesOver(t *model.Type, recorded map[string]plan.Recorded) bool {
	own, was := recorded[t.Name]
	return t.Builtin && was && !own.Same(plan.Describe(t))
}

// typesBefore are the types that were served before and still have data. An index
// that was built without their models does not tell of them.
func (s *stores) typesBefore(ctx context.Context, served []string) (types []string, err error) {
	if s.known == nil {
		return nil, nil
	}
	for _, name := range s.known.Types {
		if slices.Contains(served, name) {
			continue
		}
		e, err := s.log.Last(ctx, storage.RevisionSubject(name, ">"))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		has, err := s.hasData(ctx, name, e.Seq)
		if err != nil {
			return nil, err
		}
		if has {
			types = append(types, name)
		}
	}
	return types, nil
}

// hasData reports whether a type has a resource that was not purged.
func (s *stores) hasData(ctx context.Context, typ string, last uint64) (bool, error) {
	feed, err := s.log.Follow(ctx, 1, storage.RevisionSubject(typ, ">"))
	if err != nil {
		return false, err
	}
	defer feed.Close()
	live := map[string]bool{}
	for {
		entry, err := nextOf(ctx, feed)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return true, nil // it cannot be told
		}
		if err != nil {
			return false, err
		}
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err != nil || e.Action != storage.Purged {
			live[entry.Subject] = true
		} else {
			delete(live, entry.Subject)
		}
		if entry.Seq >= last {
			return len(live) > 0, nil
		}
	}
}

// typesAhead are the types of what the log holds and the index does not yet.
// The indexer passes over types without a model, so they are found here.
func typesAhead(ctx context.Context, st *stores) (types []string, err error) {
	pos, err := st.index.Position(ctx)
	if err != nil {
		return nil, err
	}
	state, err := st.log.State(ctx)
	if err != nil || pos.Applied >= state.Last {
		return nil, err
	}
	feed, err := st.log.Follow(ctx, max(pos.Applied+1, state.First))
	if err != nil {
		return nil, fmt.Errorf("read the log from %d on: %w", pos.Applied+1, err)
	}
	defer feed.Close()
	for seq := uint64(0); seq < state.Last; {
		e, err := nextOf(ctx, feed)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			break // the last ones were erased
		}
		if err != nil {
			return nil, err
		}
		seq = e.Seq
		if typ, _, ok := storage.SplitRevisionSubject(e.Subject); ok && !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	return types, nil
}

func nextOf(ctx context.Context, feed storage.Feed) (storage.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, tailWait)
	defer cancel()
	return feed.Next(ctx)
}
