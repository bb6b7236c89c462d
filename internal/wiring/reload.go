package wiring

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
)

// Unfitting refuses models that the data does not fit; those before stay in force.
type Unfitting struct{ Report *plan.Report }

// Error implements error.
func (e *Unfitting) Error() string {
	lines := []string{"the models do not fit the data that is there; those before stay in force"}
	for _, p := range e.Report.Types {
		if !p.Breaks() {
			continue
		}
		lines = append(lines, plan.Line(p))
		for _, line := range plan.Lines(p) {
			lines = append(lines, "  "+line)
		}
	}
	return strings.Join(append(lines, plan.Advice), "\n")
}

// Unwrap is what a client is told.
func (e *Unfitting) Unwrap() error {
	return &fault.Error{Code: fault.InvalidState, Detail: e.Error()}
}

// Reload reads the models folder again and serves what it holds from then on, while
// requests, watches and jobs go on. It tells what changed. Models with mistakes are a
// model.ModelErrors, those that the data does not fit an *Unfitting; then nothing is
// changed.
func (r *Running) Reload(ctx context.Context) (*plan.Report, error) { return r.reload(ctx) }

func (p *program) reload(ctx context.Context) (*plan.Report, error) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	types, err := ServedTypes(p.set.Models, p.app, p.nets...)
	var report *plan.Report
	if err == nil {
		report, err = p.replaceTypes(ctx, types)
	}
	var setting *SettingError
	if errors.As(err, &setting) {
		err = &fault.Error{Code: fault.InvalidState, Detail: setting.Reason}
	}
	return report, err
}

// replaceTypes serves other types from now on, all of them or none. The caller holds
// p.reloading.
func (p *program) replaceTypes(ctx context.Context, types []*model.Type) (*plan.Report, error) {
	for _, x := range p.app.Actions {
		if !slices.ContainsFunc(types, func(t *model.Type) bool { return t.Name == x.Type }) {
			return nil, wrong("action %s:%s is on a type without a model", x.Type, x.Name)
		}
	}
	state, err := p.st.log.State(ctx)
	if err != nil {
		return nil, err
	}
	before := p.manager.States.Types()
	j := judging{source: plan.Source{Log: p.st.log, Blobs: p.st.blobs}, types: ownTypes(types), whole: true, logger: p.logger}
	asked, changed, err := j.changes(ctx)
	if err != nil {
		return nil, err
	}
	asked.Rules = p.brokenBy(before, types)
	if !p.set.AllowMissing {
		asked.Gone = gone(before, types)
	}
	report, err := plan.Make(ctx, j.source, asked)
	if err != nil {
		return nil, err
	}
	if err := p.acceptable(report); err != nil {
		return nil, err
	}
	countUnfit(changed, report)
	changed = slices.DeleteFunc(changed, func(c plan.Recorded) bool { // nothing new is found out
		was := asked.Base[c.Type]
		return was != nil && was.Same(c.Written) && was.Marks() == c.Marks()
	})
	if types, err = p.remarked(ctx, types, changed); err != nil {
		return nil, err
	}
	if err := p.indexBy(ctx, types); err != nil {
		return nil, err
	}
	if constrains(report) { // which the index is asked about, while nothing is written
		if err := p.indexing.catchUp(ctx, state.Last); err != nil {
			return nil, err
		}
	}
	show := p.describe(types)
	err = p.manager.Use(types, func() error {
		late := j.source
		late.From = state.Last + 1
		written, err := plan.Make(ctx, late, asked) // what was written since the report
		if err == nil {
			err = p.acceptable(written)
		}
		if err == nil {
			err = p.adoptNow(ctx)
		}
		if err == nil {
			err = j.record(ctx, p.st.log, changed)
		}
		return err
	})
	if err != nil {
		_ = p.indexBy(ctx, before) // it is the index that can be made anew
		return nil, err
	}
	show()
	p.takeTypes(ctx, types)
	p.judgeLater(changed, state.Last+1)
	return report, nil
}

// acceptable refuses what is breaking, unless that is allowed.
func (p *program) acceptable(report *plan.Report) error {
	if report.Breaks() && !p.set.AllowUnfit {
		return &Unfitting{report}
	}
	return nil
}

// constrains reports whether there are new unique values or references.
func constrains(report *plan.Report) bool {
	return slices.ContainsFunc(report.Types, func(t plan.TypePlan) bool {
		return slices.ContainsFunc(t.Changes, func(c plan.Change) bool { return slices.Contains([]string{"unique", "refs", "type"}, c.Kind) })
	})
}

// gone are the types that were served and have no model any more.
func gone(before, types []*model.Type) (names []string) {
	for _, t := range before {
		if !slices.ContainsFunc(types, func(x *model.Type) bool { return x.Name == t.Name && (t.Builtin || !x.Builtin) }) {
			names = append(names, t.Name)
		}
	}
	return names
}

// brokenBy are the rules of roles that other types would break, by type.
func (p *program) brokenBy(before, types []*model.Type) map[string][]string {
	if p.access == nil {
		return nil
	}
	return p.access.Broken(before, types)
}

// indexBy has the index made by these types. It returns when it is, where this process
// makes it.
func (p *program) indexBy(ctx context.Context, types []*model.Type) error {
	return p.indexing.use(ctx, types)
}

// adoptNow takes new unique values and references over, which only a process that is
// alone can do while it runs: others would go on without them.
func (p *program) adoptNow(ctx context.Context) error {
	names, err := p.manager.Admin.Unadopted(ctx)
	if err != nil || len(names) == 0 {
		return err
	}
	if !p.st.sole {
		return wrong("unique and refs of %s are other ones: where several processes serve the API, they are taken over when they start", strings.Join(names, ", "))
	}
	state, err := p.st.log.State(ctx)
	if err != nil {
		return err
	}
	return adopt(ctx, p.manager.Admin, p.indexing, state.Last)
}

// describe makes the documents of types, which takes longer than clients should see those
// of before; show answers with them.
func (p *program) describe(types []*model.Type) (show func()) {
	if p.api == nil {
		return func() {}
	}
	return p.api.Describe(types)
}

// takeTypes tells every part that looks after some types.
func (p *program) takeTypes(ctx context.Context, types []*model.Type) {
	p.types = types
	p.jobs.use(types)
	if err := p.missingTypes(ctx); err != nil {
		p.logger.WarnContext(ctx, "the types are not written down", "error", err)
	}
}
