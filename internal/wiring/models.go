package wiring

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// judging compares the models with those that the data was written by.
type judging struct {
	source plan.Source
	types  []*model.Type // of the application
	allow  bool          // what does not fit is told and not refused
	whole  bool          // unique values and references too, which a start takes over by itself
	shared bool          // those too, since other processes take the models over before they are checked
	logger *slog.Logger
}

func (p *program) judging() judging {
	return judging{source: plan.Source{Log: p.st.log, Blobs: p.st.blobs}, types: ownTypes(p.types), allow: p.set.AllowUnfit, shared: !p.st.sole, logger: p.logger}
}

// ownTypes are those that are not the program's.
func ownTypes(types []*model.Type) (own []*model.Type) {
	for _, t := range types {
		if !t.Builtin {
			own = append(own, t)
		}
	}
	return own
}

// judge refuses models that live resources do not fit. What is not recorded yet, since
// an earlier version wrote it, is told and not refused. It returns what is to be
// recorded.
func (j judging) judge(ctx context.Context) (changed []plan.Recorded, err error) {
	asked, changed, err := j.changes(ctx)
	if err != nil {
		return nil, err
	}
	report, err := plan.Make(ctx, j.source, asked)
	if err != nil {
		return nil, err
	}
	var refused []plan.TypePlan
	for _, p := range report.Types {
		if p.Breaks() && asked.Base[p.Type] != nil && !j.allow {
			refused = append(refused, p)
			continue
		}
		if p.Unfit > 0 {
			j.logger.WarnContext(ctx, "resources do not fit their model", "type", p.Type, "resources", p.Unfit, "of", p.Checked, "first", strings.Join(plan.Named(p), "; "))
		}
	}
	countUnfit(changed, report)
	return changed, refusal(refused)
}

// countUnfit notes in what is to be recorded how many resources do not fit.
func countUnfit(changed []plan.Recorded, report *plan.Report) {
	for i := range changed {
		for _, p := range report.Types {
			if p.Type == changed[i].Type {
				changed[i].Unfit, changed[i].UnfitDeleted = p.Unfit, p.DeletedUnfit
			}
		}
	}
}

// changes are the types whose models are not those that are recorded, and what is to be
// recorded of them.
func (j judging) changes(ctx context.Context) (asked plan.Asked, changed []plan.Recorded, err error) {
	asked = plan.Asked{Base: map[string]*plan.Written{}, Here: !j.whole, Constraints: j.shared}
	recorded, err := plan.ReadRecorded(ctx, j.source.Log)
	if err != nil {
		return asked, nil, err
	}
	for _, t := range j.types {
		now, before := plan.Describe(t), recorded[t.Name]
		if before.Written != nil && before.Same(now) && !(j.whole && before.Marks()) { // all may fit by now
			continue
		}
		asked.Types = append(asked.Types, t)
		changed = append(changed, plan.Recorded{Written: now, Seq: before.Seq})
		if before.Written != nil {
			asked.Base[t.Name] = before.Written
		}
	}
	return asked, changed, nil
}

// refusal is what the person who starts the program is told.
func refusal(refused []plan.TypePlan) error {
	if len(refused) == 0 {
		return nil
	}
	lines := []string{"the models do not fit the data that is there; nothing was started"}
	for _, p := range refused {
		lines = append(lines, plan.Line(p))
		for _, line := range plan.Lines(p) {
			lines = append(lines, "  "+line)
		}
	}
	return wrong("%s", strings.Join(append(lines, plan.Advice+". --allow-unfit starts all the same"), "\n"))
}

// recordTries is how often models are compared again because another process recorded its
// own meanwhile.
const recordTries = 10

// record writes down the models that data is written by from now on. Where another
// process was faster, they are compared with its models.
func (j judging) record(ctx context.Context, log plan.Recorder, changed []plan.Recorded) (err error) {
	for range recordTries {
		if err = plan.Record(ctx, log, changed); !errors.Is(err, storage.ErrConflict) {
			return err
		}
		if changed, err = j.judge(ctx); err != nil {
			return err
		}
	}
	return err
}

// judgeModels decides by which models the process begins, before anything was changed:
// where the API is served by its own, if the data fits them, else by those that are
// recorded.
func (p *program) judgeModels(ctx context.Context) (err error) {
	defer func() {
		if errors.Is(err, storage.ErrUnavailable) && p.set.AcceptDamage {
			p.logger.ErrorContext(ctx, "the models are not compared with those that data was written by: the log cannot be read", "error", err)
			err = nil
		}
	}()
	recorded, err := plan.ReadRecorded(ctx, p.st.log)
	if err != nil {
		return err
	}
	for _, r := range recorded {
		p.recorded = max(p.recorded, r.Seq)
	}
	if p.has.api {
		if p.changed, err = p.judging().judge(ctx); err != nil {
			return err
		}
		for _, c := range p.changed {
			recorded[c.Type] = c
		}
		p.types = marked(p.types, recorded)
		return nil
	}
	if p.set.maintenance { // the index is made by the models that are given
		p.types = marked(p.types, recorded)
		return nil
	}
	p.types, _, err = p.adopted(ctx, recorded, p.types)
	return err
}

// marked has the types mark what does not fit them, where the record says that there is
// any.
func marked(types []*model.Type, recorded map[string]plan.Recorded) []*model.Type {
	types = slices.Clone(types)
	for i, t := range types {
		if r := recorded[t.Name]; r.Written != nil && r.Marks() && r.Same(plan.Describe(t)) {
			types[i] = model.Marking(t)
		} else {
			types[i] = model.Plain(t)
		}
	}
	return types
}

// judgeProvisioned is judge before services are started, with unique values and
// references. The models need not be here; where they are, they are not recorded
// before an API serves them.
func judgeProvisioned(ctx context.Context, set *Settings, app App, st *stores, logger *slog.Logger) error {
	if _, err := os.Stat(set.Models); errors.Is(err, os.ErrNotExist) && len(app.Types) == 0 {
		return nil
	}
	types, err := LoadTypes(set.Models, app)
	if err != nil {
		return err
	}
	j := judging{source: plan.Source{Log: st.log, Blobs: st.blobs}, types: types, allow: set.AllowUnfit, whole: true, logger: logger}
	_, err = j.judge(ctx)
	return err
}
