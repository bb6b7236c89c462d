package admin

import (
	"context"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/model"
	modelplan "github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Plan says what models would do to the data, against those that it was written by.
// kept are types that stay as they are, beside those given and the program's own.
// report, if not nil, is told how much of how much was read. Nothing is changed.
func (ad *Admin) Plan(ctx context.Context, types []*model.Type, kept []string, report func(done, total uint64)) (*modelplan.Report, error) {
	if err := ad.Guard.Admin(ctx); err != nil {
		return nil, err
	}
	held, err := ad.index.Types(ctx)
	if err != nil {
		return nil, states.StoreError(err)
	}
	a, err := modelplan.Against(ctx, ad.log, types, func(name string) bool {
		return slices.Contains(kept, name) || model.IsBuiltin(name)
	}, held)
	if err != nil {
		return nil, states.StoreError(err)
	}
	if ad.o.Access != nil {
		all := slices.Clone(types)
		for _, t := range ad.States.Types() {
			if slices.Contains(kept, t.Name) || t.Builtin {
				all = append(all, t)
			}
		}
		a.Rules = ad.o.Access.Broken(ad.States.Types(), all)
	}
	out, err := modelplan.Make(ctx, modelplan.Source{Log: ad.log, Blobs: ad.blobs, Report: report}, a)
	if err != nil {
		return nil, states.StoreError(err)
	}
	ad.suggest(out, types)
	return out, nil
}

// suggest adds the indexes that lists were seen to need.
func (ad *Admin) suggest(out *modelplan.Report, types []*model.Type) {
	for i, p := range out.Types {
		at := slices.IndexFunc(types, func(t *model.Type) bool { return t.Name == p.Type })
		if at < 0 {
			continue
		}
		for _, w := range ad.walks.Suggested(types[at]) {
			out.Types[i].Suggestions = append(out.Types[i].Suggestions, modelplan.Suggestion{Index: w.Index, Lists: w.Lists, LongestMS: w.Longest.Milliseconds()})
		}
	}
}
