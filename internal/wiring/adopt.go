package wiring

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// adopt takes new unique and refs over for the data that is there, while nothing is
// written. Data that does not fit is a matter of settings: nothing is served.
func adopt(ctx context.Context, m *admin.Admin, x *indexing, last uint64) error {
	types, err := m.Unadopted(ctx)
	if err != nil || len(types) == 0 {
		return err
	}
	if err := x.catchUp(ctx, last); err != nil {
		return err
	}
	since := map[string]uint64{}
	for _, name := range types {
		since[name] = math.MaxUint64 // no other process claims anything
	}
	if err := m.Adopt(ctx, since); err != nil {
		return wrong("%v", err)
	}
	return nil
}

// adoptTries is how often data is looked at again because it was written meanwhile.
const adoptTries = 20

// adoptShared is adopt while other processes write. They have the constraints as well,
// since those were recorded, and claim by them; what they wrote before they took them
// over is looked at with the rest. Where that does not fit, the models of before are in
// force again.
func (p *program) adoptShared(ctx context.Context, before map[string]plan.Recorded) error {
	types, err := p.manager.Admin.Unadopted(ctx)
	if err != nil || len(types) == 0 {
		return err
	}
	now, err := plan.ReadRecorded(ctx, p.st.log)
	if err != nil {
		return err
	}
	since, served := map[string]uint64{}, false
	for _, name := range types {
		since[name] = math.MaxUint64 // no other process has served it
		if before[name].Written != nil {
			since[name], served = now[name].Seq, true
		}
	}
	if served {
		p.logger.InfoContext(ctx, "other processes take new unique values and references over", "types", types, "in", late)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(late):
		}
	}
	for range adoptTries {
		state, err := p.st.log.State(ctx)
		if err != nil {
			return err
		}
		if err := p.indexing.catchUp(ctx, state.Last); err != nil {
			return err
		}
		if err = p.manager.Admin.Adopt(ctx, since); err == nil {
			return nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return p.withdraw(ctx, types, before, wrong("%v", err))
		}
	}
	return p.withdraw(ctx, types, before, wrong("unique and refs of %s cannot be taken over while so much is written; start again when it is less", strings.Join(types, ", ")))
}

// withdraw puts the models of before in force again, for all processes, and returns why.
func (p *program) withdraw(ctx context.Context, types []string, before map[string]plan.Recorded, why error) error {
	now, err := plan.ReadRecorded(ctx, p.st.log)
	if err != nil {
		return errors.Join(why, err)
	}
	var back []plan.Recorded
	for _, c := range p.changed {
		was := before[c.Type]
		if slices.Contains(types, c.Type) && was.Written != nil && now[c.Type].Same(c.Written) {
			back = append(back, plan.Recorded{Written: was.Written, Seq: now[c.Type].Seq})
		}
	}
	if err := plan.Record(ctx, p.st.log, back); err != nil && !errors.Is(err, storage.ErrConflict) {
		return errors.Join(why, err)
	}
	return why
}
