package wiring

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Provision makes what services need and checks what exists: the streams,
// the claim key, the bucket, and the fixed tables of the index. Models
// that the data does not fit are refused, where it has any models.
func Provision(ctx context.Context, set Settings, app App) (err error) {
	defer func() { err = set.scrubbed(err) }()
	set.Service = "provision"
	if err := set.check(); err != nil {
		return err
	}
	logger := set.Logger()
	st, err := openStores(ctx, &set, newObserver(prometheus.NewRegistry()), logger)
	if err != nil {
		return err
	}
	defer st.close()
	if err = checkLog(ctx, st); err != nil {
		return err
	}
	if err = st.fit(ctx, &set, logger); err != nil {
		return err
	}
	if err = judgeProvisioned(ctx, &set, app, st, logger); err != nil {
		return err
	}
	claimKey, err := st.claimKey(ctx, logger)
	if err != nil {
		return err
	}
	if _, err = st.subscriptionsKey(ctx, claimKey, true, logger); err != nil {
		return err
	}
	if _, err = st.auditKey(ctx, logger); err != nil || set.Auth != "required" || set.AdminKey != "" {
		return err
	}
	_, key, err := adminKey(ctx, st.log)
	tell(key)
	return err
}
