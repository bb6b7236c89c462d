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
	"golang.org/x/time/rate"

	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// telling keeps the audit from being filled by those who are refused: beyond
// these, refusals are only counted, in the next entry.
type telling struct {
	unknown, known *limiter // of those without a good credential, of each principal
	suppressed     atomic.Int64
}

func newTelling() *telling {
	l := func(perSecond float64, burst int) *limiter {
		l := newLimiter(perSecond)
		l.rate, l.burst = rate.Limit(perSecond), burst
		return l
	}
	return &telling{unknown: l(20, 1000), known: l(100, 5000)}
}

// tellRefusal records a refusal. It never keeps one from being answered: what
// cannot be recorded is in the service's log, and said to be missing.
func (a *API) tellRefusal(r *http.Request, e storage.AuditEntry) {
	limit, who := a.telling.known, e.Principal
	if e.Code == string(resource.Unauthenticated) {
		limit, who = a.telling.unknown, "all"
	}
	if limit.take(who, time.Now()) > 0 {
		a.telling.suppressed.Add(1)
		return
	}
	e.Outcome, e.Method, e.Path, e.Suppressed = resource.OutcomeRefused, r.Method, shorten(r.URL.Path, 300), int(a.telling.suppressed.Swap(0))
	if err := a.m.Tell(context.WithoutCancel(r.Context()), e); err != nil {
		a.telling.suppressed.Add(int64(e.Suppressed) + 1)
		a.logger.LogAttrs(r.Context(), slog.LevelError, "the audit misses a refusal", slog.String("principal", e.Principal), slog.String("action", e.Action),
			slog.String("type", e.Type), slog.String("id", e.ID), slog.String("code", e.Code), slog.Any("error", err))
	}
}

// tellRefused finds in an error what is to be recorded.
func (a *API) tellRefused(r *http.Request, err error) {
	var e *resource.Error
	switch {
	case !errors.As(err, &e):
	case e.Refusal != nil:
		x := e.Refusal
		if x.ID == "" { // refused before it was looked for
			x.ID, _ = verbOf(chi.URLParam(r, "id"))
		}
		a.tellRefusal(r, storage.AuditEntry{Principal: x.Actor.Principal, Action: x.Action, Type: x.Type, ID: x.ID, Code: string(e.Code), Why: x.Decision.Why})
	case e.Code == resource.Unauthenticated:
		a.tellRefusal(r, storage.AuditEntry{Action: "authenticate", Code: string(e.Code), Why: e.Detail})
	}
}

const typeNDJSON = "application/x-ndjson"

// audit lists who did what, as a page, or all of it one JSON document a line.
func (a *API) audit(w http.ResponseWriter, r *http.Request) {
	c := call{w: w, r: r}
	p := readQuery(r, "principal", "type", "id", "action", "outcome", "from", "to", "order_by", "page_size", "page_token", "consistency", "min_seq")
	o := resource.AuditOptions{Principal: p.text("principal"), Type: p.text("type"), ID: p.text("id"), Action: p.text("action"), Outcome: p.text("outcome"),
		From: p.time("from"), To: p.time("to"), Page: p.page(), Consistency: p.consistency(), MinSeq: p.seq("min_seq")}
	switch p.text("order_by") {
	case "", "at desc":
	case "at":
		o.OldestFirst = true
	default:
		p.refuse("order_by is at or at desc, not %q", p.text("order_by"))
	}
	err := p.err
	if err == nil && asksForLines(r) {
		if err = a.auditLines(c, o); err == nil {
			return
		}
	} else if err == nil {
		var list *resource.AuditList
		if list, err = a.m.Audit(r.Context(), o); err == nil {
			varies(w.Header(), "Accept")
			err = c.json(http.StatusOK, map[string]any{"items": list.Items, "next_page_token": list.NextPageToken})
		}
	}
	if err != nil {
		a.fail(w, r, err)
	}
}

// asksForLines reports whether NDJSON is what the client wants.
func asksForLines(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if name, _, err := mime.ParseMediaType(part); err == nil && name == typeNDJSON {
			return true
		}
	}
	return false
}

// auditLines writes everything that is found. An answer that cannot be finished
// is cut off, so that nobody takes it for whole.
func (a *API) auditLines(c call, o resource.AuditOptions) error {
	r, cancel := long(c.w, c.r)
	defer cancel()
	defer context.AfterFunc(c.r.Context(), cancel)() // the client left, or it took too long
	o.Page.Size = resource.MaxPageSize
	list, err := a.m.Audit(r.Context(), o)
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
		if list, err = a.m.Audit(r.Context(), o); err != nil {
			a.logger.LogAttrs(r.Context(), slog.LevelError, "an export of the audit is cut off", slog.Any("error", err))
			panic(http.ErrAbortHandler)
		}
	}
	if out.Flush() != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

var auditOperation = operation{Operation: Operation{Method: "GET", Path: "/v1/audit", Name: "audit"}, summary: "List who did what, when and from where",
	description: "Every write, every refusal, and the reads of types with auditReads. Needs admin, or the right audit, on all types. A page may have fewer items than asked for, or none, while next_page_token is not empty. " +
		"Asked for as application/x-ndjson, the answer is everything that is found, one JSON document a line.",
	parameters: []string{"audit_principal", "audit_type", "audit_id", "audit_action", "audit_outcome", "audit_from", "audit_to", "audit_order", "page_size", "page_token", "consistency", "min_seq"},
	responses: []answer{{"200", "One page, or everything", nil, func(*document, *resource.Type) object {
		return append(jsonContent(pageOf(componentRef("schemas", "AuditItem")), samplePage(sampleAudit)),
			mediaContent(typeNDJSON, object{{"type", "string"}, {"description", "AuditItem documents, one a line"}}, nil)...)
	}}},
	problems: []string{"400", "405", "503"}}

var sampleAudit = object{{"at", sampleInstant}, {"outcome", "refused"}, {"action", "update"}, {"type", "movies"}, {"id", sampleID}, {"principal", "key:importer"},
	{"code", "permission_denied"}, {"why", "no rule allows update on movies"}, {"method", "PATCH"}, {"path", "/v1/movies/" + sampleID}, {"request_id", "01JH2V4K7E"}, {"address", "192.0.2.7"}}

func auditSchema() object {
	text := func(description string) object { return object{{"type", "string"}, {"description", description}} }
	return recordSchema(object{
		{"at", object{{"type", "string"}, {"format", "date-time"}}},
		{"outcome", object{{"type", "string"}, {"enum", []any{resource.OutcomeOK, resource.OutcomeRefused}}}},
		{"action", text("created, updated and so on for writes; the right that was missing for refusals, or authenticate; read, list or watch for reads")},
		{"type", stringSchema}, {"id", stringSchema},
		{"ids", object{{"type", "array"}, {"items", stringSchema}, {"description", "What a list showed"}}},
		{"principal", stringSchema}, {"code", text("Of a refusal")}, {"why", text("Of a refusal")}, {"method", stringSchema}, {"path", stringSchema},
		{"request_id", stringSchema}, {"address", stringSchema}, {"user_agent", stringSchema},
		{"suppressed", object{{"type", "integer"}, {"description", "Refusals before this one that were only counted, because there were too many"}}},
		{"seq", object{{"type", "integer"}, {"description", "Of a write, in the log"}}}, {"event_id", stringSchema}, {"revision", text("Current after a write")},
		{"cause", text("The event that a write followed from")},
		{"digest", text("Of a write's event")}, {"previous", text("Digest of the event of the same resource before it")},
	}, "at", "outcome", "action", "principal")
}

func auditParameters(add func(key, in, name, description string, schema object, example any)) {
	instant := object{{"type", "string"}, {"format", "date-time"}}
	add("audit_principal", "query", "principal", "Only of this principal", stringSchema, nil)
	add("audit_type", "query", "type", "Only of this type", stringSchema, nil)
	add("audit_id", "query", "id", "Only of this resource", stringSchema, nil)
	add("audit_action", "query", "action", "Only this action", stringSchema, nil)
	add("audit_outcome", "query", "outcome", "Only what was done, or what was refused", object{{"type", "string"}, {"enum", []any{resource.OutcomeOK, resource.OutcomeRefused}}}, nil)
	add("audit_from", "query", "from", "Not before this instant", instant, nil)
	add("audit_to", "query", "to", "Not after this instant", instant, nil)
	add("audit_order", "query", "order_by", "at: oldest first. Default: at desc", object{{"type", "string"}, {"enum", []any{"at", "at desc"}}}, nil)
}
