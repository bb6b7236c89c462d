package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// Watches tells of events as they happen.
type Watches struct {
	Guard    *states.Guard
	Reads    *states.Reads
	States   *states.States
	Upkeep   *upkeep.Upkeep
	catchUps chan struct{} // slots of watches that read the log by themselves
	hub      *hub
	log      storage.Log
	o        *states.Options
	types    *registry.Types
}

// NewWatches is the watches of a Manager.
func NewWatches(p commit.Parts, upkeep *upkeep.Upkeep) *Watches {
	wa := &Watches{Guard: p.Guard, Reads: p.Reads, States: p.States, Upkeep: upkeep, catchUps: make(chan struct{}, maxCatchUps), hub: newHub(p.Core.Log, p.Core.Types.IsBuiltin), log: p.Core.Log, o: p.Core.Options, types: p.Core.Types}
	p.Writer.Ending = wa.keepEnding
	return wa
}

// ErrBehind ends a watch whose reader is too slow. Watching again from its At
// goes on without a gap.
var ErrBehind = errors.New("the watch is too far behind")

// errWatchEnded ends every watch when the process stops.
var errWatchEnded = fmt.Errorf("the process stops: %w", ErrBehind)

// Left is the action under which a watch with a filter is told of a resource
// that matches no longer.
const Left storage.Action = "left"

// WatchOptions say what is watched. The zero value is every type but those
// of the program itself, from now on.
type WatchOptions struct {
	Type    string
	ID      string // needs Type
	Filter  string // as in a list; without a type only over meta fields
	View    storage.View
	Trusted bool // not limited by what an actor may see
	// After is the sequence after which it begins; nil: now, 0: everything that
	// is kept.
	After *uint64
}

// Notice is one event as a watch is told of it.
type Notice struct {
	Seq      uint64
	Action   storage.Action // or Left
	Envelope []byte         // JSON in one line; shared, not to be changed
}

// Watch follows what happens. It is used by one goroutine.
type Watch struct {
	m       *Watches
	typ     *model.Type // nil: all
	subject string
	name    string // of its topic
	filter  query.Expr
	asked   string // the filter as it was written
	version uint64 // of the policy that it was checked against
	models  uint64 // the version of the types that it was checked against
	trusted bool   // not limited by what an actor may see
	view    storage.View
	at      uint64
	topic   *topic // joined, when the hub was at joined
	joined  uint64
	seat    seat // on which it waits for the topic
	feed    storage.Feed
	target  uint64       // where feed ends
	pending *CachedEvent // read from feed and not looked at to the end
}

// maxCatchUps is how many watches read the log by themselves at once.
const maxCatchUps = 16

// Watch begins one. RunWatches must be running. A point that the log does not
// keep is gone.
func (wa *Watches) Watch(ctx context.Context, o WatchOptions) (*Watch, error) {
	w := &Watch{m: wa, name: "*", subject: "rev.>", trusted: o.Trusted, view: o.View, version: wa.Guard.PolicyVersion(), models: wa.types.Version(), seat: newSeat()}
	if o.Type != "" {
		t, err := wa.States.Type(o.Type)
		if err != nil {
			return nil, err
		}
		if err := wa.Guard.MayAsShown(ctx, t, "watch", o.View); err != nil {
			return nil, err
		}
		w.typ, w.name, w.subject = t, t.Name, storage.RevisionSubject(t.Name, ">")
	}
	if o.ID != "" {
		s, err := wa.States.Head(ctx, states.Key{Type: o.Type, ID: o.ID}, false)
		if err != nil {
			return nil, err
		}
		limited := wa.Guard.AccessTo(ctx, w.typ) != nil
		if w.viewOn(ctx, w.typ) == storage.PublishedView {
			if _, err := wa.Reads.Get(ctx, o.Type, o.ID, states.GetOptions{View: storage.PublishedView}); err != nil {
				return nil, err
			}
		} else if limited {
			if err := wa.Guard.Visible(ctx, w.typ, o.ID, s); err != nil {
				return nil, err
			}
		}
		if s.Last == nil || limited && !s.Exists() {
			return nil, states.RequireLive(w.typ, o.ID, s)
		}
		w.name, w.subject = o.Type+"/"+o.ID, storage.RevisionSubject(o.Type, o.ID)
	}
	if strings.TrimSpace(o.Filter) != "" {
		var err error
		w.asked = o.Filter
		if w.filter, err = wa.watchFilter(ctx, w.typ, o.View, o.Filter); err != nil {
			return nil, fault.Errorf(fault.InvalidFilter, "filter: %v", err)
		}
	}
	state, err := wa.log.State(ctx)
	if err != nil {
		return nil, states.StoreError(err)
	}
	kept := max(state.First, 1) - 1
	switch {
	case o.After == nil:
		w.at = state.Last
	case *o.After == 0:
		w.at = kept
	default:
		if first, err := wa.Upkeep.WatchableFrom(ctx, kept); err != nil {
			return nil, err
		} else if *o.After < first || *o.After > state.Last {
			return nil, fault.Errorf(fault.Gone, "the log holds sequences from %d to %d, so a watch cannot go on after %d; list again and watch from the Autocrud-Index-Seq of the answer", first+1, state.Last, *o.After)
		}
		w.at = *o.After
	}
	for _, t := range wa.types.All() {
		if w.typ == t || w.typ == nil && !t.Builtin {
			if err := wa.Guard.TellRead(ctx, t, "watch"); err != nil {
				return nil, err
			}
		}
	}
	wa.hub.enter()
	return w, nil
}

// RunWatches serves watches until ctx ends; then every watch ends.
func (wa *Watches) RunWatches(ctx context.Context) error {
	wa.hub.run(ctx, func(err error) {
		wa.o.Logger.WarnContext(ctx, "following the log for watches begins again", "error", err)
	})
	return nil
}

// Watches is how many there are.
func (wa *Watches) Watches() int {
	wa.hub.mu.Lock()
	defer wa.hub.mu.Unlock()
	return wa.hub.watches
}

// At is the sequence up to which everything that concerns the watch was told.
func (w *Watch) At() uint64 { return w.at }

// Close ends the watch.
func (w *Watch) Close() {
	w.endFeed()
	if w.topic != nil {
		w.m.hub.detach(w.name, w.topic, w.seat)
	}
	w.m.hub.leave()
}

// Next waits for the next event that concerns the watch. When only ctx ended it
// may be called again; ErrBehind and other errors end the watch.
func (w *Watch) Next(ctx context.Context) (Notice, error) {
	for {
		n, told, wake, err := w.step(ctx)
		if told || err != nil {
			return n, err
		}
		if wake != nil { // thousands wait here: see that little is on their stacks
			select {
			case <-wake:
			case <-ctx.Done():
				return Notice{}, ctx.Err()
			}
		}
	}
}

// AtHand is Next without waiting: ok tells whether there was an event.
func (w *Watch) AtHand(ctx context.Context) (n Notice, ok bool, err error) {
	for w.topic != nil {
		n, told, wake, err := w.step(ctx)
		if told || wake != nil || err != nil {
			return n, told, err
		}
	}
	return Notice{}, false, nil
}

// step looks at the next event. When there is none it has to be asked again, once
// it was woken if there is a wake.
func (w *Watch) step(ctx context.Context) (n Notice, told bool, wake <-chan struct{}, err error) {
	m, wake, err := w.advance(ctx)
	if m == nil || err != nil {
		return Notice{}, false, wake, err
	}
	w.pending = m
	if n, told, err = w.look(ctx, m); err != nil {
		return Notice{}, false, nil, err
	}
	w.at, w.pending = m.entry.Seq, nil
	if w.feed != nil && w.at >= w.target {
		w.endFeed()
	}
	return n, told, nil, nil
}

// advance is the next event after at, from the hub or, while it is behind that,
// from the log; nil when it has to be asked again, once it was woken if there is
// a wake.
func (w *Watch) advance(ctx context.Context) (m *CachedEvent, wake <-chan struct{}, err error) {
	if w.pending != nil {
		return w.pending, nil, nil
	}
	if w.feed != nil {
		entry, err := w.feed.Next(ctx)
		if err != nil {
			return nil, nil, err
		}
		typ, id, _ := storage.SplitRevisionSubject(entry.Subject)
		return &CachedEvent{entry: entry, topics: w.m.hub.topicsOf(typ, id)}, nil, nil
	}
	if w.topic == nil {
		return nil, nil, w.join(ctx)
	}
	m, at, err := w.m.hub.next(w.topic, w.at, w.joined, w.seat)
	if m != nil || err != nil {
		return m, nil, err
	}
	w.at = max(w.at, at)
	return nil, w.seat, nil
}

// join takes part in the hub, or begins to read what the hub does not hold any
// more. Nothing lies between the two: when the log has nothing for the watch up
// to where the hub is, it is as far as the hub.
func (w *Watch) join(ctx context.Context) error {
	t, at, err := w.m.hub.join(ctx, w.name, w.at)
	if t != nil || err != nil {
		w.topic, w.joined = t, at
		return err
	}
	last, err := w.m.log.Last(ctx, w.subject)
	if errors.Is(err, storage.ErrNotFound) || err == nil && last.Seq <= w.at {
		w.at = max(w.at, at)
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case w.m.catchUps <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.feed, err = w.m.log.Follow(ctx, w.at+1, w.subject); err != nil {
		<-w.m.catchUps
		w.feed = nil
		return err
	}
	w.target = last.Seq
	return nil
}

func (w *Watch) endFeed() {
	if w.feed != nil {
		w.feed.Close()
		w.feed = nil
		<-w.m.catchUps
	}
}

// look decides what the watch is told of an event: that it happened, when the
// state after it is one of those that are watched; that the resource left, when
// only the state before was; else nothing. Both are read from the events, so it
// does not matter since when the watch is there.
func (w *Watch) look(ctx context.Context, m *CachedEvent) (Notice, bool, error) {
	e, err := m.decoded()
	if err != nil {
		return Notice{}, false, nil //nolint:nilerr // the indexer counts and logs it
	}
	t := w.m.types.Named(e.Meta.Type)
	if t == nil || w.typ == nil && t.Builtin {
		return Notice{}, false, nil
	}
	if err := w.Allowed(ctx); err != nil {
		return Notice{}, false, err
	}
	if w.viewOn(ctx, t) == storage.PublishedView {
		return w.lookPublished(ctx, m, t)
	}
	after, err := m.after(ctx, w.m.States, t)
	if err != nil {
		return Notice{}, false, err
	}
	if after.Pruned && (w.filter != nil || w.visible(storage.HeadView) != nil) {
		return Notice{}, false, nil // it cannot be judged; what came after it will be
	}
	content, ok, err := w.sees(ctx, storage.HeadView, after)
	if err == nil && ok && !w.trusted {
		ok, err = w.m.Guard.Watchable(ctx, t, after)
	}
	if err != nil {
		return Notice{}, false, err
	}
	n := Notice{Seq: e.Seq, Action: e.Action}
	if ok {
		n.Envelope = after.Envelope(content)
		return n, true, nil
	}
	if w.filter == nil && w.visible(storage.HeadView) == nil {
		return n, false, nil
	}
	before, known, err := m.before(ctx, w.m.States, t)
	if err != nil || known && before == nil {
		return n, false, err
	}
	if visible := w.visible(storage.HeadView); visible != nil && e.Action == storage.Purged && !known {
		if _, ok := visible(ctx, e, nil); !ok { // what was erased cannot be judged any more
			return n, false, nil
		}
	}
	if !known && before != nil && e.Action != storage.Purged { // its content is pruned, perhaps it was one of those
		if visible := w.visible(storage.HeadView); visible != nil {
			if _, ok := visible(ctx, before.Event, nil); !ok {
				return n, false, nil
			}
		}
		n.Action = Left
		n.Envelope, err = w.farewell(ctx, after)
		return n, err == nil, err
	}
	if known {
		if _, ok, err = w.sees(ctx, storage.HeadView, before); err != nil || !ok {
			return n, false, err
		}
		n.Action = Left
	}
	if e.Action == storage.Purged { // it is not known any more whether it matched
		n.Action = e.Action
	} else if !known {
		return n, false, nil
	}
	n.Envelope, err = w.farewell(ctx, after)
	return n, err == nil, err
}

// Allowed refuses to go on when the policy or the models have changed so that the watch
// would not be begun any more: the right is gone, or a field of its filter is gone or
// hidden now.
func (w *Watch) Allowed(ctx context.Context) error {
	version, models := w.m.Guard.PolicyVersion(), w.m.types.Version()
	if w.models == models && (w.trusted || w.version == version) {
		return nil
	}
	if w.typ != nil {
		w.typ = w.m.types.Current(w.typ)
		if err := w.m.Guard.MayAsShown(ctx, w.typ, "watch", w.view); err != nil && !w.trusted {
			return err
		}
	}
	if w.filter != nil {
		filter, err := w.m.watchFilter(ctx, w.typ, w.view, w.asked)
		if err != nil {
			return fault.Errorf(fault.InvalidFilter, "filter: %v", err)
		}
		w.filter = filter
	}
	w.version, w.models = version, models
	return nil
}

// farewell is the envelope of a resource that left: as it is now where that may
// be seen, else only which one it is.
func (w *Watch) farewell(ctx context.Context, s *states.View) ([]byte, error) {
	content, ok := s.Content, true
	if visible := w.visible(storage.HeadView); visible != nil {
		content, ok = visible(ctx, s.Told(), s.Content)
	}
	if ok && !w.trusted {
		var err error
		if ok, err = w.m.Guard.Watchable(ctx, s.Type, s); err != nil {
			return nil, err
		}
	}
	if ok {
		return s.Envelope(content), nil
	}
	return json.Marshal(map[string]any{"meta": map[string]any{"type": s.Event.Meta.Type, "id": s.Event.Meta.ID, "seq": s.Event.Seq}})
}

// visible limits what is seen of a view; nil: nothing does.
func (w *Watch) visible(view storage.View) states.Visible {
	if w.trusted {
		return nil
	}
	if w.m.o.Visible != nil {
		return w.m.o.Visible
	}
	return w.m.Guard.Watched(view)
}

// sees reports whether a state is one that is watched in a view, and what may be seen of
// it.
func (w *Watch) sees(ctx context.Context, view storage.View, s *states.View) (content json.RawMessage, ok bool, err error) {
	content = s.Content
	if visible := w.visible(view); visible != nil {
		if content, ok = visible(ctx, s.Told(), s.Content); !ok {
			return nil, false, nil
		}
	}
	if w.filter == nil {
		return content, true, nil
	}
	if s.Content == nil {
		return nil, false, nil
	}
	if err := s.Read(); err != nil {
		return nil, false, nil //nolint:nilerr // content that no filter can be asked about
	}
	return content, query.Eval(w.filter, s) == query.True, nil
}

// keepEnding keeps, for watches, the state that a purge ends: they are told whether it was
// theirs, and the purge erases it.
func (wa *Watches) keepEnding(ctx context.Context, t *model.Type, last *storage.Event, purge string) {
	if wa.o.Visible == nil && wa.Guard.Watched(storage.HeadView) == nil {
		return
	}
	if raw, err := wa.States.RawContent(ctx, last); err == nil && raw != nil { // a purge does not depend on it
		state := &states.View{Type: t, Event: last}
		state.Set(raw)
		wa.hub.ends(purge, state)
	}
}

// watchFilter reads a filter over a type's fields as a view shows them, or over meta
// fields.
func (wa *Watches) watchFilter(ctx context.Context, t *model.Type, asked storage.View, text string) (query.Expr, error) {
	fields := query.NewFields(storage.MetaFields(false)...)
	if t != nil {
		fields = wa.Reads.Searchable(ctx, t, wa.Guard.ViewOn(ctx, t, "watch", asked), "watch")
	}
	return query.Parse(fields, text, query.Options{Now: wa.o.Now()})
}
