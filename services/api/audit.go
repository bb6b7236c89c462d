package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/audit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/api/limit"
)

// telling keeps refused callers from filling the audit: beyond
// these, refusals are only counted, in the next entry.
type telling struct {
	unknown, known *limit.Limiter // of those without a good credential, of each principal
	suppressed     atomic.Int64
}

func newTelling() *telling {
	return &telling{unknown: limit.Bursts(20, 1000), known: limit.Bursts(100, 5000)}
}

// tellRefusal records a refusal. It never keeps one from being answered: what
// cannot be recorded is in the service's log, and said to be missing.
func (a *API) tellRefusal(r *http.Request, e storage.AuditEntry) {
	by, who := a.telling.known, e.Principal
	if e.Code == string(fault.Unauthenticated) {
		by, who = a.telling.unknown, "all"
	}
	if by.Take(who, time.Now()) > 0 {
		a.telling.suppressed.Add(1)
		return
	}
	e.Outcome, e.Method, e.Path, e.Suppressed = audit.OutcomeRefused, r.Method, shorten(r.URL.Path, 300), int(a.telling.suppressed.Swap(0))
	if err := a.m.Guard.Tell(context.WithoutCancel(r.Context()), e); err != nil {
		a.telling.suppressed.Add(int64(e.Suppressed) + 1)
		a.logger.LogAttrs(r.Context(), slog.LevelError, "the audit misses a refusal", slog.String("principal", e.Principal), slog.String("action", e.Action),
			slog.String("type", e.Type), slog.String("id", e.ID), slog.String("code", e.Code), slog.Any("error", err))
	}
}

// tellRefused finds in an error what is to be recorded.
func (a *API) tellRefused(r *http.Request, err error) {
	var e *fault.Error
	x := policy.RefusalOf(err)
	switch {
	case !errors.As(err, &e):
	case x != nil:
		if x.ID == "" { // refused before it was looked for
			x.ID, _ = verbOf(chi.URLParam(r, "id"))
		}
		a.tellRefusal(r, storage.AuditEntry{Principal: x.Actor.Principal, Action: x.Action, Type: x.Type, ID: x.ID, Code: string(e.Code), Why: x.Decision.Why})
	case e.Code == fault.Unauthenticated:
		a.tellRefusal(r, storage.AuditEntry{Action: "authenticate", Code: string(e.Code), Why: e.Detail})
	}
}

const typeNDJSON = "application/x-ndjson"

// listAudit lists who did what, as a page, or all of it one JSON document a line.
func listAudit(a *API, c call) error {
	p := c.query()
	o := admin.AuditOptions{Principal: p.text("principal"), Type: p.text("type"), ID: p.text("id"), Action: p.text("action"), Outcome: p.text("outcome"),
		From: p.time("from"), To: p.time("to"), Page: p.page(), Consistency: p.consistency(), MinSeq: p.seq("min_seq")}
	switch p.text("order_by") {
	case "", "at desc":
	case "at":
		o.OldestFirst = true
	default:
		p.refuse("order_by is at or at desc, not %q", p.text("order_by"))
	}
	lines := asksForLines(first(c.header("Accept")))
	if p.err != nil {
		return p.err
	}
	if lines {
		return auditLines(a, c, o)
	}
	list, err := a.m.Admin.Audit(c.r.Context(), o)
	if err != nil {
		return err
	}
	varies(c.w.Header(), "Accept")
	return c.items(list.Items, list.NextPageToken)
}

// asksForLines reports whether NDJSON is what the client wants.
func asksForLines(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		if name, _, err := mime.ParseMediaType(part); err == nil && name == typeNDJSON {
			return true
		}
	}
	return false
}

// auditLines writes everything that is found. An answer that cannot be finished
// is cut off, so that no client takes it for whole.
func auditLines(a *API, c call, o admin.AuditOptions) error {
	r, cancel := long(c.w, c.r)
	defer cancel()
	defer context.AfterFunc(c.r.Context(), cancel)() // the client left, or it took too long
	defer a.whileValid(r, cancel, nil)()             // each page asks for the right again
	o.Page.Size = resource.MaxPageSize
	list, err := a.m.Admin.Audit(r.Context(), o)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", typeNDJSON)
	h.Set("Content-Disposition", `attachment; filename="audit.ndjson"`)
	h.Set("Cache-Control", "no-store")
	varies(h, "Accept")
	if r.Method == http.MethodHead {
		return nil
	}
	out := bufio.NewWriterSize(c.w, 64<<10)
	lines := json.NewEncoder(out)
	for {
		for _, x := range list.Items {
			if err = lines.Encode(x); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if o.Page.Token = list.NextPageToken; o.Page.Token == "" {
			break
		}
		if list, err = a.m.Admin.Audit(r.Context(), o); err != nil {
			a.logger.LogAttrs(r.Context(), slog.LevelError, "an export of the audit is cut off", slog.Any("error", err))
			panic(http.ErrAbortHandler)
		}
	}
	if out.Flush() != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}
