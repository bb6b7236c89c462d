package wiring

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Several processes serve one log. Each has models of its own, and those that were
// recorded last are in force: a process that finds others recorded than it has takes
// them over, so that none writes by a model of its own.

// remarked has types that a reload gives mark what does not fit them.
func (p *program) remarked(ctx context.Context, types []*model.Type, changed []plan.Recorded) ([]*model.Type, error) {
	recorded, err := plan.ReadRecorded(ctx, p.st.log)
	if err != nil {
		return nil, err
	}
	for _, c := range changed {
		recorded[c.Type] = c
	}
	return marked(types, recorded), nil
}

// adopted are types in which those whose recorded model is another one are replaced by
// it. names are the ones that were. A model that cannot be taken over leaves a type whose
// resources are read and not written.
func (p *program) adopted(ctx context.Context, recorded map[string]plan.Recorded, types []*model.Type) (out []*model.Type, names []string, err error) {
	byName := map[string]*model.Type{}
	for _, t := range types {
		byName[t.Name] = t
	}
	for _, name := range slices.Sorted(maps.Keys(recorded)) {
		own, r := byName[name], recorded[name]
		if own != nil && (own.Builtin || r.Same(plan.Describe(own)) && model.Marks(own) == r.Marks() && !model.Superseded(own)) {
			continue
		}
		if own == nil && p.set.AllowMissing {
			continue // it is gone on purpose
		}
		t, err := plan.Adopt(r.Written, own)
		if err != nil {
			p.logger.ErrorContext(ctx, "another process serves a model that this one cannot take over: it writes nothing of the type until it is started with that model", "type", name, "error", err)
			if own == nil {
				continue
			}
			t = model.Supersede(own)
		}
		byName[name], names = t, append(names, name)
	}
	out = slices.SortedFunc(maps.Values(byName), func(a, b *model.Type) int { return strings.Compare(a.Name, b.Name) })
	return out, names, model.CheckTypes(out)
}

// followModels takes over the models that other processes record.
func (p *program) followModels(ctx context.Context) error {
	at := p.recorded
	restart.Loop{Failed: func(err error, pause time.Duration) {
		p.logger.WarnContext(ctx, "the models of other processes are read again", "error", err, "in", pause)
	}}.Run(ctx, func(ctx context.Context) error {
		feed, err := p.st.log.Follow(ctx, at+1, plan.EveryRecord)
		if err != nil {
			return err
		}
		defer feed.Close()
		for {
			e, err := feed.Next(ctx)
			if err != nil {
				return err
			}
			if err := p.takeOver(ctx); err != nil {
				return err
			}
			at = e.Seq
		}
	})
	return nil
}

// takeOver serves the models that are recorded.
func (p *program) takeOver(ctx context.Context) error {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	recorded, err := plan.ReadRecorded(ctx, p.st.log)
	if err != nil {
		return err
	}
	before := p.manager.States.Types()
	types, names, err := p.adopted(ctx, recorded, before)
	if err != nil || len(names) == 0 {
		return err
	}
	show := p.describe(types)
	if err := p.manager.Use(types, nil); err != nil {
		return err
	}
	show()
	if err := p.indexBy(ctx, types); err != nil {
		return err
	}
	p.takeTypes(ctx, types)
	p.logger.InfoContext(ctx, "the models that another process serves are served here too", "types", strings.Join(names, ", "))
	return nil
}

// late is how long after a model was recorded another process may still have written by
// the one before.
const late = 3 * time.Second

// judgeLater looks at what other processes wrote by the models before, between the plan
// that read the data and the moment at which they took the new ones over. What does not
// fit is marked from then on.
func (p *program) judgeLater(changed []plan.Recorded, from uint64) {
	if p.st.sole || len(changed) == 0 {
		return
	}
	go func() {
		select {
		case <-p.ending:
			return
		case <-time.After(late):
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.judgeFrom(ctx, changed, from); err != nil {
			p.logger.WarnContext(ctx, "what other processes wrote by the models before is not looked at", "error", err)
		}
	}()
}

func (p *program) judgeFrom(ctx context.Context, changed []plan.Recorded, from uint64) error {
	asked := plan.Asked{Here: true}
	for _, c := range changed {
		if t := p.manager.Core.Types.Named(c.Type); t != nil && !model.Marks(t) && c.Same(plan.Describe(t)) {
			asked.Types = append(asked.Types, t)
		}
	}
	report, err := plan.Make(ctx, plan.Source{Log: p.st.log, Blobs: p.st.blobs, From: from}, asked)
	if err != nil {
		return err
	}
	recorded, err := plan.ReadRecorded(ctx, p.st.log)
	if err != nil {
		return err
	}
	var again []plan.Recorded
	for _, t := range report.Types {
		r := recorded[t.Type]
		if t.Unfit == 0 || r.Written == nil || r.Marks() {
			continue
		}
		p.logger.WarnContext(ctx, "another process wrote by the model before what does not fit the new one", "type", t.Type, "resources", t.Unfit, "first", strings.Join(plan.Named(t), "; "))
		r.Unfit = t.Unfit
		again = append(again, r)
	}
	err = plan.Record(ctx, p.st.log, again)
	if errors.Is(err, storage.ErrConflict) {
		return nil // a newer model is recorded, whose plan read it all
	}
	return err
}
