package wiring

import (
	"context"
	"errors"
	"log/slog"
	"os"
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
	logger *slog.Logger
}

func (p *program) judging() judging {
	return judging{source: plan.Source{Log: p.st.log, Blobs: p.st.blobs}, types: ownTypes(p.types), allow: p.set.AllowUnfit, logger: p.logger}
}

// ownTypes are those that are not the program's.
func ownTypes(types []*model.Type) (own []*model.Type) {
	for _, t := range types {
		if !isBuiltin(t.Name) {
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
	unfit, refused := map[string]int{}, []plan.TypePlan{}
	for _, p := range report.Types {
		unfit[p.Type] = p.Unfit
		if p.Breaks() && asked.Base[p.Type] != nil && !j.allow {
			refused = append(refused, p)
			continue
		}
		if p.Unfit > 0 {
			j.logger.WarnContext(ctx, "resources do not fit their model", "type", p.Type, "resources", p.Unfit, "of", p.Checked, "first", strings.Join(plan.Named(p), "; "))
		}
	}
	for i := range changed {
		changed[i].Unfit = unfit[changed[i].Type]
	}
	return changed, refusal(refused)
}

// changes are the types whose models are not those that are recorded, and what is to be
// recorded of them.
func (j judging) changes(ctx context.Context) (asked plan.Asked, changed []plan.Recorded, err error) {
	asked = plan.Asked{Base: map[string]*plan.Written{}, Here: !j.whole}
	recorded, err := plan.ReadRecorded(ctx, j.source.Log)
	if err != nil {
		return asked, nil, err
	}
	for _, t := range j.types {
		now, before := plan.Describe(t), recorded[t.Name]
		if before.Written != nil && before.Same(now) {
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

// judgeModels is judge where the API is served, before anything was changed.
func (p *program) judgeModels(ctx context.Context) ([]plan.Recorded, error) {
	if !p.has.api {
		return nil, nil
	}
	changed, err := p.judging().judge(ctx)
	if errors.Is(err, storage.ErrUnavailable) && p.set.AcceptDamage {
		p.logger.ErrorContext(ctx, "the models are not compared with those that data was written by: the log cannot be read", "error", err)
		return nil, nil
	}
	return changed, err
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
