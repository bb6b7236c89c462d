package wiring

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Provision makes what services need and checks what is there: the streams,
// the claim key, the bucket, and the fixed tables of the index.
func Provision(ctx context.Context, set Settings) (err error) {
	defer func() { err = set.scrubbed(err) }()
	set.Service = "provision"
	if err := set.check(); err != nil {
		return err
	}
	st, err := openStores(ctx, &set, newObserver(prometheus.NewRegistry()), set.Logger())
	if err != nil {
		return err
	}
	defer st.close()
	if _, err = ClaimKey(ctx, st.log); err != nil {
		return err
	}
	if _, err = auditKey(ctx, st.log); err != nil || set.Auth != "required" || set.AdminKey != "" {
		return err
	}
	_, key, err := adminKey(ctx, st.log)
	tell(key)
	return err
}
