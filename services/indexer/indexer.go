// Package indexer turns the log into the index.
//
// It reads the log from where the index stands, in order, and applies it in
// batches, each in one transaction together with the new position. So every
// event has its effect exactly once, whatever is delivered again. The index is
// disposable: one that belongs to another log or is ahead of it is emptied and
// built anew. A type whose definition changed gets a new table beside the old
// one, which is filled from the log while the old one answers.
package indexer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/retention"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// Options of an Indexer. The zero value is right.
type Options struct {
	// Gather is how long a batch is gathered while more keeps coming and
	// no request waits. Default 25 ms.
	Gather time.Duration
	// MaxBatch is the most entries of one transaction. Default 1,000.
	MaxBatch int
	Logger   *slog.Logger
	// Known returns the event at a sequence when this process committed it, and its
	// content as it was read for the write, so that neither need be decoded again; nil
	// when it does not know.
	Known func(seq uint64) (*storage.Event, *model.Document)
	// Heads is told of what the index holds; nil: nothing is kept.
	Heads *states.Heads
	// Applied is called after each transaction with the batch.
	Applied func(storage.Batch)
	// Tracer is told what was done with events; nil: no spans are made.
	Tracer trace.Tracer
	// Outward gets every event that the index holds; nil: events are not published.
	Outward storage.Outward
}

// Indexer projects one log into one index.
type Indexer struct {
	log      storage.Log
	blobs    storage.Blobs
	index    storage.IndexWriter
	types    map[string]*model.Type
	defs     []storage.Definition
	progress *states.Progress
	o        Options
	damaged  atomic.Int64
	outward  *publisher // nil: events are not published
	told     *retention.Told

	prepared bool // once: from then on the log only grows

	mu     sync.Mutex
	next   []*model.Type          // that are to be used; nil: those it has
	asked  chan struct{}          // closed when there are such
	used   chan struct{}          // closed when the index is defined by those that were given last
	unfit  map[string]int         // events with a field that cannot be indexed, by type
	fresh  []storage.PendingBuild // types whose tables are to be filled
	filled chan struct{}          // closed when there are none
}

// New makes an indexer for the types.
func New(types []*model.Type, log storage.Log, blobs storage.Blobs, index storage.IndexWriter, p *states.Progress, o Options) *Indexer {
	if o.Gather == 0 {
		o.Gather = 25 * time.Millisecond
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = 1000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	x := &Indexer{log: log, blobs: blobs, index: index, types: map[string]*model.Type{}, progress: p, o: o, filled: make(chan struct{}), unfit: map[string]int{}, told: retention.NewTold(log),
		asked: make(chan struct{}), used: make(chan struct{})}
	close(x.used)
	if o.Outward != nil {
		x.outward = newPublisher(types, log, blobs, o.Outward)
		x.outward.tracer = o.Tracer
	}
	x.take(types)
	return x
}

func (x *Indexer) take(types []*model.Type) {
	x.types, x.defs = map[string]*model.Type{}, nil
	for _, t := range types {
		x.types[t.Name] = t
		x.defs = append(x.defs, t.Definition())
	}
}

// Damaged counts the events that could not be projected as they are.
func (x *Indexer) Damaged() int64 { return x.damaged.Load() }

// Published is the last sequence that the outward stream was told of, as far as
// this process knows.
func (x *Indexer) Published() uint64 {
	if x.outward == nil {
		return 0
	}
	return x.outward.done.Load()
}

// Prepare makes the index fit the log and the types. It must return before
// anything reads the index.
func (x *Indexer) Prepare(ctx context.Context) (storage.Position, error) {
	x.takeNext()
	state, err := x.log.State(ctx)
	if err != nil {
		return storage.Position{}, err
	}
	fresh, err := x.index.Define(ctx, x.defs)
	if errors.Is(err, storage.ErrNotReady) { // it is damaged, and known to be now
		x.o.Logger.WarnContext(ctx, "the index is damaged and is made anew", "error", err)
		fresh, err = x.index.Define(ctx, x.defs)
	}
	if err != nil {
		return storage.Position{}, fmt.Errorf("define the index: %w", err)
	}
	pos, err := x.index.Position(ctx)
	if err != nil {
		return storage.Position{}, fmt.Errorf("read the index's position: %w", err)
	}
	reason := ""
	switch {
	case pos.Identity == "":
		reason = "it is new"
	case pos.Identity != state.Identity:
		reason = "it belongs to another log"
	case pos.Applied > state.Last:
		reason = "it is ahead of the log"
	}
	if pos.Applied < x.progress.Applied() {
		x.restart() // the index is another one, or one of earlier
	}
	if reason != "" && pos.Identity == state.Identity && x.prepared {
		// Whether a log may be shorter than its index is found out before anything
		// runs; that it became so meanwhile is no reason to forget what is known.
		return storage.Position{}, fmt.Errorf("the log ends at %d and the index has read up to %d: the log lost its end: %w", state.Last, pos.Applied, storage.ErrUnavailable)
	}
	x.prepared = true
	if reason == "" {
		if fresh, err = x.fillEmpty(ctx, fresh); err == nil {
			x.toFill(fresh)
			x.defined()
		}
		return pos, err
	}
	x.toFill(nil)
	if pos.Applied > 0 || state.Kept > 10 { // a new folder is not worth a line
		x.o.Logger.WarnContext(ctx, "the index is built from the log", "because", reason, "entries", state.Kept)
	}
	x.restart()
	if err := x.index.Reset(ctx, state.Identity, state.Last); err != nil {
		return storage.Position{}, fmt.Errorf("reset the index: %w", err)
	}
	x.defined()
	return storage.Position{Identity: state.Identity}, nil
}

// restart tells that what was read of the index may not be true any more.
func (x *Indexer) restart() {
	x.progress.Restart()
	x.o.Heads.Clear()
}

// Run follows the log until ctx ends. Whatever fails is begun again from the
// index's position, after a pause that grows up to 2 s.
func (x *Indexer) Run(ctx context.Context) error {
	restart.Loop{Failed: func(err error, pause time.Duration) {
		x.o.Logger.WarnContext(ctx, "the indexer begins again", "error", err, "in", pause)
	}}.Run(ctx, func(ctx context.Context) error {
		for {
			if err := x.follow(ctx); !errors.Is(err, errOtherTypes) {
				return err
			}
		}
	})
	return nil
}

// follow applies what is new and, beside it, fills the tables of types whose
// definition changed.
func (x *Indexer) follow(ctx context.Context) error {
	pos, err := x.Prepare(ctx)
	if err != nil {
		return err
	}
	x.progress.Advance(pos.Applied)
	g, ctx := errgroup.WithContext(ctx)
	if x.outward != nil {
		x.outward.restart(pos.Applied)
		g.Go(func() error {
			return x.outward.run(ctx, func(err error) {
				x.o.Logger.WarnContext(ctx, "publishing events begins again", "error", err)
			})
		})
	}
	g.Go(func() error { return x.replay(ctx) })
	g.Go(func() error { return x.followFrom(ctx, pos.Applied+1) })
	g.Go(func() error { return x.guard(ctx) })
	g.Go(func() error { return x.otherTypes(ctx) })
	return g.Wait()
}

// guarding is how often an idle index is looked at.
const guarding = time.Second

// guard notices that the index was removed while nothing is written.
func (x *Indexer) guard(ctx context.Context) error {
	t := time.NewTicker(guarding)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if err := x.index.Apply(ctx, storage.Batch{}); err != nil {
			return fmt.Errorf("look at the index: %w", err)
		}
	}
}

func (x *Indexer) followFrom(ctx context.Context, seq uint64) error {
	if err := archive.AwaitLoaded(ctx, x.log); err != nil {
		return err
	}
	feed, err := x.log.Follow(ctx, seq)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		entries, err := x.gather(ctx, feed)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Subject == archive.LoadSubject {
				if err := x.awaitLoaded(ctx); err != nil {
					return err
				}
			}
		}
		if err := x.apply(ctx, entries); err != nil {
			return err
		}
	}
}

// awaitLoaded waits for a load that is under way to end. Loaded entries are not
// published, from the first one on.
func (x *Indexer) awaitLoaded(ctx context.Context) error {
	if err := archive.AwaitLoaded(ctx, x.log); err != nil {
		return err
	}
	_, seq, err := archive.Loading(ctx, x.log)
	if err == nil && x.outward != nil {
		x.outward.load(seq)
	}
	return err
}

// gather waits for an entry and takes those that follow closely. When a request
// waits for the index, or no entry follows, it does not wait for more.
func (x *Indexer) gather(ctx context.Context, feed storage.Feed) ([]storage.Entry, error) {
	e, err := feed.Next(ctx)
	if err != nil {
		return nil, err
	}
	entries := append(make([]storage.Entry, 0, 64), e)
	deadline := time.Now().Add(x.o.Gather)
	for len(entries) < x.o.MaxBatch {
		if e, ok := feed.Ready(); ok {
			entries = append(entries, e)
			continue
		}
		if len(entries) == 1 || x.progress.Wanted() {
			break // idle, or a request waits
		}
		left := min(time.Until(deadline), 2*time.Millisecond)
		if left <= 0 {
			break
		}
		select {
		case <-x.progress.Hurry():
		case <-time.After(left):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return entries, nil
}

func (x *Indexer) apply(ctx context.Context, entries []storage.Entry) error {
	begun := time.Now()
	b := storage.Batch{Through: entries[len(entries)-1].Seq, Changes: make([]storage.IndexChange, 0, len(entries))}
	events := make([]*storage.Event, 0, len(entries))
	for _, entry := range entries {
		if _, _, ok := storage.SplitRevisionSubject(entry.Subject); !ok {
			x.noteLoad(entry)
			x.prune(ctx, entry, &b)
			b.Dropped = append(b.Dropped, dropped(entry)...)
			continue
		}
		e, doc, err := x.decode(entry)
		if err != nil {
			x.setAside(ctx, entry, err)
			continue
		}
		events = append(events, e)
		c, err := x.change(ctx, entry, e, doc)
		if err != nil {
			return err
		}
		if c != nil {
			b.Changes = append(b.Changes, *c)
		}
	}
	if err := x.index.Apply(ctx, b); err != nil {
		return fmt.Errorf("apply %d events up to %d: %w", len(b.Changes), b.Through, err)
	}
	x.o.Heads.Applied(newest(entries), b.Through)
	x.progress.Advance(b.Through)
	together(ctx, x.o.Tracer, "index", events, begun)
	if x.outward != nil {
		x.outward.offer(events, b.Through)
	}
	if x.o.Applied != nil {
		x.o.Applied(b)
	}
	return nil
}

// newest are the resources that entries say something new of.
func newest(entries []storage.Entry) []states.Told {
	out := make([]states.Told, 0, len(entries))
	for _, e := range entries {
		if typ, id, ok := storage.SplitRevisionSubject(e.Subject); ok {
			out = append(out, states.Told{Key: states.Key{Type: typ, ID: id}, Seq: e.Seq})
		}
	}
	return out
}

// dropped are the tombstones that an entry says are not in the log any more.
func dropped(entry storage.Entry) []uint64 {
	var said upkeep.Expiry
	if entry.Subject != archive.ExpirySubject || json.Unmarshal(entry.Data, &said) != nil {
		return nil
	}
	return said.Dropped
}

// noteLoad tells the publisher when the log is filled rather than written.
func (x *Indexer) noteLoad(entry storage.Entry) {
	var mark archive.LoadMark
	if x.outward != nil && entry.Subject == archive.LoadSubject && json.Unmarshal(entry.Data, &mark) == nil && mark.Complete {
		x.outward.load(entry.Seq)
	}
}

// project makes the index's form of the state that an event left. Content it cannot read is set
// aside, counted and logged; it never stops the projection. Only a store that
// does not answer is an error.
func (x *Indexer) project(ctx context.Context, entry storage.Entry, e *storage.Event, doc *model.Document) (_ *storage.IndexChange, err error) {
	t := x.types[e.Meta.Type]
	if t == nil {
		return nil, nil // a type without a model: its events stay in the log
	}
	c := &storage.IndexChange{Event: e}
	if e.Action == storage.Purged { // a tombstone has no content
		c.Values, c.Text = blank(t)
		return c, nil
	}
	content := e.Content
	if doc.IsOf(t, e.Revision.SchemaVersion) { // this process read it for the write
		p := doc.Projection()
		c.Content = content
		c.Values, c.Text, c.Event = p.Values, p.Text, t.Holding(e, doc.Content)
		if len(p.Unfit) > 0 {
			c.Damaged = p.Unfit[0].Pointer + " " + p.Unfit[0].Detail
			x.leftOut(ctx, t, e, p.Unfit[0])
		}
		return c, nil
	}
	if content == nil && e.Emptied() {
		c.Values, c.Text = blank(t)
		return c, nil
	}
	if content == nil {
		content, err = x.blobs.Get(ctx, e.Ref)
		if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrCorrupt) {
			c.Values, c.Text = blank(t)
			if pruned, err := x.wasPruned(ctx, e); pruned || err != nil {
				return c, err
			}
			c.Damaged = err.Error()
			x.setAside(ctx, entry, err)
			return c, nil
		}
		if err != nil {
			return nil, fmt.Errorf("content of event %d: %w", entry.Seq, err)
		}
		if e.Apart && len(content) <= storage.InlineLimit {
			c.Content = content
		}
	} else {
		c.Content = content
	}
	tree, err := model.DecodeJSON(content)
	if err != nil {
		c.Damaged = err.Error()
		c.Values, c.Text = blank(t)
		x.setAside(ctx, entry, err)
		return c, nil
	}
	var unfit []fault.FieldError
	now, err := t.Migrate(tree, e.Revision.SchemaVersion)
	if err != nil {
		now, unfit = tree, []fault.FieldError{{Detail: err.Error()}} // what can be found in it as it is
	}
	values, text, left := t.Project(now)
	c.Values, c.Text = values, text
	if unfit = append(unfit, left...); len(unfit) > 0 {
		c.Damaged = unfit[0].Pointer + " " + unfit[0].Detail
		x.leftOut(ctx, t, e, unfit[0])
	}
	c.Unfit = model.Marks(t) && model.Misfit(t, content, e.Revision.SchemaVersion)
	c.Event = t.Holding(e, content)
	return c, nil
}

// decode reads an entry, unless this process wrote it and still knows it.
func (x *Indexer) decode(entry storage.Entry) (*storage.Event, *model.Document, error) {
	if x.o.Known != nil {
		if e, doc := x.o.Known(entry.Seq); e != nil && e.ID == entry.ID {
			return e, doc, nil
		}
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	return e, nil, err
}

// blank is the indexed form of content that cannot be read.
func blank(t *model.Type) ([]query.Value, []string) {
	d := t.Definition()
	return make([]query.Value, len(d.Fields)), make([]string, len(d.FullText))
}

func (x *Indexer) setAside(ctx context.Context, entry storage.Entry, err error) {
	x.damaged.Add(1)
	x.o.Logger.ErrorContext(ctx, "an event could not be projected as it is", "seq", entry.Seq, "subject", entry.Subject, "error", err)
}
