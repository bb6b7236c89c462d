package api

import (
	"context"
	"net/http"
	"time"

	"github.com/autocrud-go/autocrud/pkg/resource"
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

// verify compares log, blobs and index.
func (a *API) verify(w http.ResponseWriter, r *http.Request) {
	a.admin(w, r, func(c call) error {
		findings := []resource.Finding{}
		v, err := a.m.Verify(c.r.Context(), func(f resource.Finding) {
			if len(findings) < maxFindings {
				findings = append(findings, f)
			}
		})
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, map[string]any{"verified": v, "findings": findings})
	})
}

// sweep removes what nothing refers to.
func (a *API) sweep(w http.ResponseWriter, r *http.Request) {
	a.admin(w, r, func(c call) error {
		out, err := a.m.Sweep(c.r.Context(), resource.SweepAge)
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, out)
	})
}

// reindex builds the index of all types anew, or tells how far it is.
func (a *API) reindex(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		a.admin(w, r, func(c call) error { return a.beginReindex(c, "") })
	case http.MethodGet, http.MethodHead:
		err := readQuery(r).err
		if err == nil {
			err = a.indexing(call{w: w, r: r}, http.StatusOK)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	default:
		notAllowed(w, r, http.MethodGet, http.MethodPost)
	}
}

// reindexType builds the index of one type anew.
func (a *API) reindexType(c call) error {
	if p := readQuery(c.r); p.err != nil {
		return p.err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	return a.beginReindex(c, c.t.Name)
}

func (a *API) beginReindex(c call, typ string) error {
	if err := a.m.Reindex(c.r.Context(), typ); err != nil {
		return err
	}
	return a.indexing(c, http.StatusAccepted)
}

func (a *API) indexing(c call, status int) error {
	out, err := a.m.Indexing(c.r.Context())
	if err != nil {
		return err
	}
	return c.json(status, out)
}

func (a *API) admin(w http.ResponseWriter, r *http.Request, fn func(call) error) {
	r, cancel := long(w, r)
	defer cancel()
	c := call{w: w, r: r}
	p := readQuery(r)
	err := p.err
	if err == nil {
		err = a.m.Admin(r.Context()) // before it is waited for the body
	}
	if err == nil {
		err = nothing(w, r)
	}
	if err == nil {
		err = fn(c)
	}
	if err != nil {
		a.fail(w, r, err)
	}
}

// migrate brings a page of resources to the type's schema version.
func (a *API) migrate(c call) error {
	p := readQuery(c.r, "dry_run", "after")
	dryRun, after := p.flag("dry_run"), p.text("after")
	if p.has("after") && resource.CheckID(after) != nil {
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
	report, err := a.m.MigrateAll(r.Context(), c.t.Name, after, dryRun)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, report)
}
