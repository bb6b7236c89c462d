package indexer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// publisher publishes the events that the index holds to the outward stream, in
// the order of the log. Its position is what the stream holds, so it goes on there,
// whichever process ended when. Events of built-in types are not published. A
// message depends on its event alone, never on the models of this process, so two
// publishers would publish the same.
type publisher struct {
	own   map[string]bool // of the types, those of the program itself
	log   storage.Log
	blobs storage.Blobs
	to    storage.Outward

	tracer trace.Tracer // nil: no spans are made

	mu      sync.Mutex
	queue   []*storage.Event // applied and not yet told
	bytes   int              // of content in it
	from    uint64           // what came after it, up to through, is in the queue
	through uint64
	wake    chan struct{} // one token: there is more
	loaded  uint64        // where the last filling ended
	done    atomic.Uint64 // last sequence that is told, or need not be
}

// lookAround is how often a stream that is told nothing is looked at.
const lookAround = 15 * time.Second

const (
	maxQueued      = 32 << 20 // bytes; what is more is read from the log again
	maxTold        = 256      // events in one go
	maxToldBytes   = 1 << 20  //
	maxOutwardBody = 900 << 10
	// maxOutwardEnvelope with its headers is below 1 MiB, which is what a NATS
	// server takes unless it is told otherwise.
	maxOutwardEnvelope = 1000 << 10
	eventOverhead      = 1500 // bytes an event takes besides its content
)

func newPublisher(types []*model.Type, log storage.Log, blobs storage.Blobs, to storage.Outward) *publisher {
	own := map[string]bool{}
	for _, t := range types {
		own[t.Name] = t.Builtin
	}
	return &publisher{own: own, log: log, blobs: blobs, to: to, wake: make(chan struct{}, 1)}
}

// builtin reports whether a type is one of the program itself.
func (p *publisher) builtin(typ string) bool {
	if own, served := p.own[typ]; served {
		return own
	}
	return model.IsBuiltin(typ)
}

// restart is called when the index is at a sequence and goes on from there.
func (p *publisher) restart(at uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue, p.bytes, p.from, p.through = nil, 0, at, at
}

// offer hands over what was applied. It never waits: while the stream does not
// take events they are dropped here and read from the log later.
func (p *publisher) offer(events []*storage.Event, through uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if through <= p.through {
		return
	}
	for _, e := range events {
		if e.Seq > p.through && e.Seq > p.loaded && !p.builtin(e.Meta.Type) {
			p.queue = append(p.queue, e)
			p.bytes += eventOverhead + len(e.Content)
		}
	}
	p.through = through
	if p.bytes > maxQueued {
		p.queue, p.bytes, p.from = nil, 0, through
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// load tells where the filling of a log from a backup or an archive ended. What
// it was filled with happened before and was told then, or elsewhere.
func (p *publisher) load(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq > p.loaded {
		p.loaded = seq
		p.queue, p.bytes, p.from = nil, 0, max(p.from, p.through)
	}
}

// untold is up to where nothing is told.
func (p *publisher) untold() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loaded
}

// run publishes until ctx ends. Whatever fails is begun again from what the
// stream holds.
func (p *publisher) run(ctx context.Context, report func(error)) error {
	restart.Loop{
		First:  20 * time.Millisecond,
		Failed: func(err error, _ time.Duration) { report(err) },
	}.Run(ctx, p.follow)
	return ctx.Err()
}

func (p *publisher) follow(ctx context.Context) error {
	_, loaded, err := archive.Loading(ctx, p.log)
	if err != nil {
		return err
	}
	p.load(loaded)
	pos, err := p.to.Position(ctx)
	if err != nil {
		return err
	}
	told := pos.Seq
	if told == 0 {
		if told, err = p.begin(ctx, pos.Since); err != nil {
			return err
		}
	}
	for {
		told = max(told, p.untold())
		events, through, missing := p.next(told)
		switch {
		case missing:
			if err := p.catchUp(ctx, told, through, pos.Since); err != nil {
				return err
			}
		case len(events) > 0:
			if err := p.publish(ctx, events, pos.Since); err != nil {
				return err
			}
		default:
			p.done.Store(max(through, told))
			select {
			case <-p.wake:
			case <-time.After(lookAround):
				if _, err := p.to.Position(ctx); err != nil { // it removes what does not belong there
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		told = max(told, through)
	}
}

// next is what follows a sequence: events up to through from the queue, or
// missing when what leads to through has to be read from the log.
func (p *publisher) next(told uint64) (events []*storage.Event, through uint64, missing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if told < p.from {
		return nil, p.from, true
	}
	n := 0
	for n < len(p.queue) && p.queue[n].Seq <= told {
		p.bytes -= eventOverhead + len(p.queue[n].Content)
		p.queue[n] = nil
		n++
	}
	p.queue = p.queue[n:]
	p.from = min(told, p.through)
	size := 0
	for _, e := range p.queue {
		if size += eventOverhead + len(e.Content); len(events) == maxTold || size > maxToldBytes && len(events) > 0 {
			break
		}
		events = append(events, e)
	}
	if len(events) == len(p.queue) {
		return events, p.through, false
	}
	return events, events[len(events)-1].Seq, false
}

// begin is where a stream that holds nothing begins: what happened before since
// would have expired by now.
func (p *publisher) begin(ctx context.Context, since time.Time) (told uint64, err error) {
	state, err := p.log.State(ctx)
	if err != nil || since.IsZero() || state.Last == 0 {
		return max(state.First, 1) - 1, err
	}
	return upkeep.SequenceBefore(ctx, p.log, since.Add(-time.Minute)) // the clocks of several writers
}

// silence is how long nothing may come before it is asked whether there is more.
const silence = 2 * time.Second

// catchUp reads from the log what the queue does not hold, up to a sequence
// that the index holds.
func (p *publisher) catchUp(ctx context.Context, told, through uint64, since time.Time) error {
	feed, err := p.log.Follow(ctx, told+1)
	if err != nil {
		return err
	}
	defer feed.Close()
	var events []*storage.Event
	size := 0
	flush := func() error {
		err := p.publish(ctx, events, since)
		events, size = events[:0], 0
		return err
	}
	for told < through {
		entry, more, err := p.read(ctx, feed, told)
		if err != nil {
			return err
		}
		if !more || entry.Seq > through {
			break
		}
		told = entry.Seq
		if typ, _, ok := storage.SplitRevisionSubject(entry.Subject); !ok || p.builtin(typ) {
			continue
		}
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err != nil {
			continue // the projection counts and logs it
		}
		events = append(events, e)
		if size += eventOverhead + len(e.Content); len(events) == maxTold || size > maxToldBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// read is the next entry of the feed; more is false when the log has none after
// a sequence, because the last ones were erased.
func (p *publisher) read(ctx context.Context, feed storage.Feed, after uint64) (entry storage.Entry, more bool, err error) {
	for {
		short, cancel := context.WithTimeout(ctx, silence)
		entry, err = feed.Next(short)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return entry, true, err
		}
		if _, err := p.log.Next(ctx, ">", after+1); errors.Is(err, storage.ErrNotFound) {
			return entry, false, nil
		} else if err != nil {
			return entry, false, err
		}
	}
}

func (p *publisher) publish(ctx context.Context, events []*storage.Event, since time.Time) error {
	begun := time.Now()
	out := make([]storage.Outgoing, 0, len(events))
	size := 0
	for _, e := range events {
		if e.At.Before(since) { // since is zero when the stream held anything
			continue
		}
		o, err := p.outgoing(ctx, e)
		if err != nil {
			return err
		}
		if size += len(o.Body); size > 2*maxToldBytes && len(out) > 0 { // large contents, from their objects
			if err := p.to.Publish(ctx, out); err != nil {
				return err
			}
			out, size = out[:0], len(o.Body)
		}
		out = append(out, o)
	}
	if len(out) > 0 {
		if err := p.to.Publish(ctx, out); err != nil {
			return err
		}
	}
	if len(events) > 0 {
		together(ctx, p.tracer, "publish", events, begun)
		p.done.Store(events[len(events)-1].Seq)
	}
	return nil
}

// outgoing makes what is told of an event. Content that is too large for a
// message, that will be pruned, or whose object is gone by now, is referred to.
func (p *publisher) outgoing(ctx context.Context, e *storage.Event) (o storage.Outgoing, err error) {
	o.Event = e
	content := e.Content
	if e.Apart {
		content = nil
	} else if content == nil && e.Action != storage.Purged && e.Revision.Size <= maxOutwardBody {
		content, err = p.blobs.Get(ctx, e.Ref)
		if err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrCorrupt) {
			return o, fmt.Errorf("content of event %d: %w", e.Seq, err)
		}
	}
	if content == nil && e.Action != storage.Purged {
		o.DataRef = dataRef(e)
	}
	told := e
	if len(e.Concealed) > 0 {
		content = model.Uncovered(content, e.Concealed)
		own := *e // the hash of what is not told would let it be guessed
		own.Revision.Hash, own.Revision.Size = model.HashOf(content), len(content)
		told = &own
	}
	o.Body = model.AppendEnvelope(nil, told, content)
	if len(o.Body) > maxOutwardEnvelope { // the result of a job is in its meta
		o.DataRef = dataRef(e)
		o.Body = model.AppendEnvelope(nil, told, nil)
	}
	return o, nil
}

// dataRef is where the data of an event can be read.
func dataRef(e *storage.Event) string {
	return fmt.Sprintf("/v1/%s/%s/revisions/%d", e.Meta.Type, e.Meta.ID, e.Revision.Number)
}
