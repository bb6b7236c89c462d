package api

import (
	"context"
	"net/http"
	"time"

	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// maxFindings bounds how many findings one answer lists.
const maxFindings = 1000

// adminTimeout bounds what looks at everything.
const adminTimeout = 30 * time.Minute

// long gives a request more time than others have.
func long(w http.ResponseWriter, r *http.Request) (*http.Request, context.CancelFunc) {
	lengthen(w, adminTimeout)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), adminTimeout)
	return r.WithContext(ctx), cancel
}

// asAdmin lets only an admin run an operation on the whole store, and gives it the
// time for it.
func asAdmin(run handler) handler {
	return func(a *API, c call) error {
		var cancel context.CancelFunc
		c.r, cancel = long(c.w, c.r)
		defer cancel()
		if err := a.m.Guard.Admin(c.r.Context()); err != nil { // before it is waited for the body
			return err
		}
		if err := nothing(c.w, c.r); err != nil {
			return err
		}
		return run(a, c)
	}
}

// verifyStores compares log, blobs and index.
func verifyStores(a *API, c call) error {
	findings := []admin.Finding{}
	v, err := a.m.Admin.Verify(c.r.Context(), func(f admin.Finding) {
		if len(findings) < maxFindings {
			findings = append(findings, f)
		}
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"verified": v, "findings": findings})
}

// sweepUnused removes what nothing refers to.
func sweepUnused(a *API, c call) error {
	out, err := a.m.Upkeep.Sweep(c.r.Context(), upkeep.SweepAge)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, out)
}

// reindexAll builds the index of all types anew.
func reindexAll(a *API, c call) error { return beginReindex(a, c, "") }

// readIndexing answers with the progress of the index.
func readIndexing(a *API, c call) error {
	return indexing(a, c, http.StatusOK)
}

// reindexType builds the index of one type anew.
func reindexType(a *API, c call) error {
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	return beginReindex(a, c, c.t.Name)
}

func beginReindex(a *API, c call, typ string) error {
	if err := a.m.Admin.Reindex(c.r.Context(), typ); err != nil {
		return err
	}
	return indexing(a, c, http.StatusAccepted)
}

func indexing(a *API, c call, status int) error {
	out, err := a.m.Admin.Indexing(c.r.Context())
	if err != nil {
		return err
	}
	return c.json(status, out)
}

// migrateType brings a page of resources to the type's schema version.
func migrateType(a *API, c call) error {
	p := c.query()
	dryRun, after := p.flag("dry_run"), p.text("after")
	if p.has("after") && model.CheckID(after) != nil {
		p.refuse("after is what the answer before gave as next")
	}
	if p.err != nil {
		return p.err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	r, cancel := long(c.w, c.r)
	defer cancel()
	report, err := a.m.Admin.MigrateAll(r.Context(), c.t.Name, after, dryRun)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, report)
}
