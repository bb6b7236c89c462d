package wiring

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// Plan says what types would do to the data of a stopped program. Nothing is changed,
// the index neither: the log alone is read.
func Plan(ctx context.Context, set Settings, types []*model.Type, report func(done, total uint64)) (_ *plan.Report, err error) {
	defer func() { err = set.scrubbed(err) }()
	if err := set.check(); err != nil {
		return nil, err
	}
	set.existing, set.maintenance = true, true
	logger := set.Logger()
	st, err := openStores(ctx, &set, newObserver(prometheus.NewRegistry()), logger)
	if err != nil {
		return nil, err
	}
	defer st.close()
	if err := checkLog(ctx, st); err != nil {
		return nil, err
	}
	if err := st.fit(ctx, &set, logger); err != nil {
		return nil, err
	}
	var before []string // those served before tell of data that no recorded model is of
	if st.known != nil {
		before = st.known.Types
	}
	asked, err := plan.Against(ctx, st.log, types, model.IsBuiltin, before)
	if err != nil {
		return nil, err
	}
	if asked.Rules, err = brokenRules(ctx, st, types); err != nil {
		return nil, err
	}
	return plan.Make(ctx, plan.Source{Log: st.log, Blobs: st.blobs, Report: report}, asked)
}

// brokenRules are the rules of the roles in the log that cannot work with the types, by
// type. Those of a policy file are checked when the program starts.
func brokenRules(ctx context.Context, st *stores, types []*model.Type) (map[string][]string, error) {
	all, err := withBuiltins(types)
	if err != nil {
		return nil, err
	}
	access := policy.NewAccess(all, nil, nil)
	if err := access.Load(ctx, st.log); err != nil {
		return nil, err
	}
	return access.Mistakes(all), nil
}
