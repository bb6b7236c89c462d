package admin

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/audit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// AuditOptions choose what Audit lists. The zero value is everything, newest first.
type AuditOptions struct {
	Principal, Type, ID, Action string
	Outcome                     string    // OutcomeOK or OutcomeRefused
	From, To                    time.Time // inclusive
	OldestFirst                 bool
	Page                        states.PageOptions
	Consistency                 states.Consistency
	MinSeq                      uint64
}

// AuditItem is a write, a refusal, or a read of a type whose reads are audited.
type AuditItem struct {
	storage.AuditEntry
	Seq      uint64 `json:"seq,omitempty"` // of a write, in the log
	Event    string `json:"event_id,omitempty"`
	Revision string `json:"revision,omitempty"` // HEAD after a write
	Cause    string `json:"cause,omitempty"`
	// Digest and Previous are those of the resource's event and of the one
	// before it.
	Digest   string `json:"digest,omitempty"`
	Previous string `json:"previous,omitempty"`
}

// AuditList is a page of the audit. It may have fewer items than asked for while
// there are more: looking for few among many ends after a while.
type AuditList struct {
	Items         []AuditItem
	NextPageToken string
}

const (
	// auditSpan is how many events one statement looks at.
	auditSpan = 20_000
	// auditPatience is how long one page is looked for.
	auditPatience = time.Second
	// perPiece is more than a piece has entries, for places within pieces.
	perPiece = 1 << 10
)

// Auditor refuses a caller that may not read the audit: that needs admin on everything, or
// the right audit on "*".
func (ad *Admin) Auditor(ctx context.Context) error {
	err := ad.Guard.Admin(ctx)
	if err == nil {
		return nil
	}
	actor := ad.o.Access.AsNow(policy.ActorOf(ctx))
	if actor.Identity.Scopes == nil && actor.Identity.Limit == "" {
		allowed := false
		for _, role := range ad.o.Access.RolesOf(actor) {
			for _, r := range role.Rules {
				if !slices.Contains(r.Types, "*") || !slices.Contains(r.Actions, "audit") {
					continue
				}
				if r.Effect == "deny" {
					return policy.Denied(ctx, nil, "", "audit", policy.Decision{Why: "a rule denies reading the audit"})
				}
				allowed = true
			}
		}
		if allowed {
			return nil
		}
	}
	return policy.Denied(ctx, nil, "", "audit", policy.Decision{Why: "this needs a role with admin, or audit, on all types"})
}

// Audit lists who did what, when, from where: every write, every refusal, and the
// reads of types that say so.
func (ad *Admin) Audit(ctx context.Context, o AuditOptions) (*AuditList, error) {
	if err := ad.Auditor(ctx); err != nil {
		return nil, err
	}
	if o.Outcome != "" && o.Outcome != audit.OutcomeOK && o.Outcome != audit.OutcomeRefused {
		return nil, fault.Errorf(fault.InvalidRequest, "outcome is ok or refused, not %q", o.Outcome)
	}
	if err := ad.States.Freshen(ctx, o.Consistency, o.MinSeq); err != nil {
		return nil, err
	}
	l := &auditListing{m: ad, o: o}
	binding := strings.Join([]string{"audit", o.Principal, o.Type, o.ID, o.Action, o.Outcome, stamp(o.From), stamp(o.To), strconv.FormatBool(o.OldestFirst)}, "\x00")
	if err := l.begin(ctx, binding); err != nil {
		return nil, err
	}
	out := &AuditList{Items: []AuditItem{}}
	until := time.Now().Add(auditPatience)
	for len(out.Items) < o.Page.Limit() {
		item, ok, err := l.next(ctx, until)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		out.Items = append(out.Items, item)
	}
	if !l.done() {
		out.NextPageToken = ad.cursors.Encode(query.Cursor{ID: l.writes.String() + " " + l.others.String()}, binding)
	}
	return out, nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// placed is an item and where it was found.
type placed struct {
	item  AuditItem
	place uint64
}

// auditSource gives items of one kind in order, from a place on.
type auditSource struct {
	read  func(ctx context.Context, place uint64) (found []placed, end uint64, done bool, err error)
	place uint64 // up to which everything was taken
	found []placed
	end   uint64 // up to which found was looked for
	last  bool   // there is nothing beyond end
}

func (s *auditSource) done() bool { return s.last && len(s.found) == 0 }

// String is the place for a page token.
func (s *auditSource) String() string {
	if s.done() {
		return "-"
	}
	return strconv.FormatUint(s.place, 10)
}

// fill reads on until there is an item, nothing more, or no more time.
func (s *auditSource) fill(ctx context.Context, until time.Time) (err error) {
	for len(s.found) == 0 && !s.last {
		s.found, s.end, s.last, err = s.read(ctx, s.place)
		if err != nil {
			return err
		}
		if len(s.found) == 0 {
			s.place = s.end
		}
		if time.Now().After(until) {
			return nil
		}
	}
	return nil
}

func (s *auditSource) take() AuditItem {
	x := s.found[0]
	if s.found, s.place = s.found[1:], x.place; len(s.found) == 0 {
		s.place = s.end
	}
	return x.item
}

// auditListing merges the writes, which the index knows, and the rest, by time.
type auditListing struct {
	m              *Admin
	o              AuditOptions
	writes, others auditSource
}

func (l *auditListing) begin(ctx context.Context, binding string) error {
	l.writes.read, l.others.read = l.readWrites, l.readOthers
	l.writes.last = l.o.Outcome == audit.OutcomeRefused || l.o.Action != "" && !slices.Contains(storage.Actions, storage.Action(l.o.Action))
	l.others.last = l.m.o.Recorder == nil || slices.Contains(storage.Actions, storage.Action(l.o.Action))
	if l.o.Page.Token != "" {
		c, err := l.m.cursors.Decode(l.o.Page.Token, binding, nil)
		if err != nil {
			return fault.Errorf(fault.InvalidPageToken, "%v", err)
		}
		for i, text := range strings.Fields(c.ID) {
			s := [...]*auditSource{&l.writes, &l.others}[i]
			if text == "-" {
				s.last = true
			} else if s.place, err = strconv.ParseUint(text, 10, 64); err != nil {
				return fault.Errorf(fault.InvalidPageToken, "the page token is not one of this list")
			}
		}
		return nil
	}
	if l.o.OldestFirst {
		return nil
	}
	at, err := l.m.index.Position(ctx)
	if err != nil {
		return states.StoreError(err)
	}
	l.writes.place = at.Applied + 1
	if !l.others.last {
		_, last, err := l.m.o.Recorder.Store.Bounds(ctx)
		if err != nil {
			return states.StoreError(err)
		}
		l.others.place = (last + 1) * perPiece
	}
	return nil
}

func (l *auditListing) done() bool { return l.writes.done() && l.others.done() }

// next is the one of both that comes first; false when there is none, or no more
// time to look.
func (l *auditListing) next(ctx context.Context, until time.Time) (item AuditItem, ok bool, err error) {
	for _, s := range []*auditSource{&l.writes, &l.others} {
		if err := s.fill(ctx, until); err != nil {
			return item, false, err
		}
		if len(s.found) == 0 && !s.last { // what would come first is unknown
			return item, false, nil
		}
	}
	w, x := l.writes.found, l.others.found
	switch {
	case len(w) == 0 && len(x) == 0:
		return item, false, nil
	case len(x) == 0:
		return l.writes.take(), true, nil
	case len(w) == 0:
		return l.others.take(), true, nil
	}
	writeFirst := !w[0].item.At.After(x[0].item.At)
	if !l.o.OldestFirst {
		writeFirst = !w[0].item.At.Before(x[0].item.At)
	}
	if writeFirst {
		return l.writes.take(), true, nil
	}
	return l.others.take(), true, nil
}

// readWrites looks at a span of the events that the index knows.
func (l *auditListing) readWrites(ctx context.Context, place uint64) (found []placed, end uint64, done bool, err error) {
	if !l.o.OldestFirst && place <= 1 {
		return nil, place, true, nil
	}
	q := storage.EventQuery{Type: l.o.Type, ID: l.o.ID, After: place, Span: auditSpan, Principal: l.o.Principal, Action: storage.Action(l.o.Action),
		Since: l.o.From, Until: l.o.To, Descending: !l.o.OldestFirst, Limit: l.o.Page.Limit() + 1}
	events, err := l.m.index.Events(ctx, q)
	if err != nil {
		return nil, 0, false, states.StoreError(err)
	}
	for _, p := range events {
		e := p.Event
		found = append(found, placed{place: p.Seq, item: AuditItem{Seq: p.Seq, Event: e.ID, Revision: e.Revision.ID, Cause: e.Cause, Digest: e.Digest(), Previous: e.Previous,
			AuditEntry: storage.AuditEntry{At: e.At, Outcome: audit.OutcomeOK, Action: string(e.Action), Type: e.Meta.Type, ID: e.Meta.ID,
				Principal: e.Principal, RequestID: e.RequestID, Address: e.Address, UserAgent: e.UserAgent}}})
	}
	switch {
	case len(events) == q.Limit:
		end = events[len(events)-1].Seq
	case !l.o.OldestFirst:
		end = place - min(auditSpan, place-1)
		done = end <= 1
	default:
		at, err := l.m.index.Position(ctx)
		if err != nil {
			return nil, 0, false, states.StoreError(err)
		}
		end = min(place+auditSpan, max(at.Applied, place))
		done = end >= at.Applied
	}
	return found, end, done, nil
}

// readOthers reads some pieces of the recorder. Places are those of entries: the
// sequence of a piece and the entry's number within it.
func (l *auditListing) readOthers(ctx context.Context, place uint64) (found []placed, end uint64, done bool, err error) {
	r := l.m.o.Recorder
	first, last, err := r.Store.Bounds(ctx)
	if err != nil {
		return nil, 0, false, states.StoreError(err)
	}
	from, before := max(first, place/perPiece), last+1
	if !l.o.OldestFirst { // before the entry at place
		before = min((place+perPiece-1)/perPiece, last+1)
		from = max(first, before-min(before, auditPieces))
	}
	if from >= before {
		return nil, place, true, nil
	}
	pieces, next, err := r.Store.Read(ctx, from, before)
	if err != nil {
		return nil, 0, false, states.StoreError(err)
	}
	for _, p := range pieces {
		_, entries, _, err := r.ReadPiece(p.Data)
		if err != nil {
			l.m.o.Logger.ErrorContext(ctx, "a piece of the audit cannot be read; verify tells more", "seq", p.Seq, "error", err)
			continue
		}
		for i, e := range entries {
			at := p.Seq*perPiece + uint64(i) + 1
			if (l.o.OldestFirst && at > place || !l.o.OldestFirst && at < place) && l.wants(&e) {
				found = append(found, placed{AuditItem{AuditEntry: e}, at})
			}
		}
	}
	if l.o.OldestFirst {
		return found, next * perPiece, next > last, nil
	}
	slices.Reverse(found)
	return found, from * perPiece, from <= first, nil
}

// auditPieces is how many pieces are read backwards at once; a store gives as many.
const auditPieces = 100

func (l *auditListing) wants(e *storage.AuditEntry) bool {
	o := &l.o
	return (o.Principal == "" || e.Principal == o.Principal) && (o.Type == "" || e.Type == o.Type) && (o.Action == "" || e.Action == o.Action) &&
		(o.ID == "" || e.ID == o.ID || slices.Contains(e.IDs, o.ID)) && (o.Outcome == "" || e.Outcome == o.Outcome) &&
		(o.From.IsZero() || !e.At.Before(o.From)) && (o.To.IsZero() || !e.At.After(o.To))
}
