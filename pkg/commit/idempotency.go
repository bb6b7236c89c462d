package commit

import (
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// keepKeys is how long an idempotency key is remembered.
const keepKeys = 30 * 24 * time.Hour

type idempotencyKey struct{}

// WithIdempotency makes the writes of a context one write: with the same key,
// by the same principal, a second one with an equal fingerprint has no second
// effect and is answered like the first; any other is refused.
func WithIdempotency(ctx context.Context, key, fingerprint string) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, &storage.Idempotency{Key: key, Fingerprint: fingerprint})
}

func idempotencyOf(ctx context.Context) *storage.Idempotency {
	i, _ := ctx.Value(idempotencyKey{}).(*storage.Idempotency)
	return i
}

func keyed(ctx context.Context) bool { return idempotencyOf(ctx) != nil }

// WithoutKey is the context for what runs beside a write, such as a hook: its
// own writes are no repetition of that write.
func WithoutKey(ctx context.Context) context.Context {
	if !keyed(ctx) && ctx.Value(severalKey{}) == nil {
		return ctx
	}
	ctx = context.WithValue(ctx, severalKey{}, (*several)(nil))
	return context.WithValue(ctx, idempotencyKey{}, (*storage.Idempotency)(nil))
}

type severalKey struct{}

// several gives each write of an action a key of its own, in their order.
type several struct {
	mu sync.Mutex
	n  int
}

// Severally makes the context's key one of an action, whose writes are counted.
func Severally(ctx context.Context) context.Context {
	if !keyed(ctx) {
		return ctx
	}
	return context.WithValue(ctx, severalKey{}, &several{})
}

// enter takes the key for one write. It is called where a write begins; what
// that write calls finds the key taken.
func enter(ctx context.Context) context.Context {
	s, _ := ctx.Value(severalKey{}).(*several)
	if s == nil {
		return ctx
	}
	s.mu.Lock()
	n := s.n
	s.n++
	s.mu.Unlock()
	return context.WithValue(operationKey(ctx, n), severalKey{}, (*several)(nil))
}

// operationKey is the key of one operation of several under one key.
func operationKey(ctx context.Context, n int) context.Context {
	i := idempotencyOf(ctx)
	if i == nil {
		return ctx
	}
	return WithIdempotency(ctx, i.Key+"#"+strconv.Itoa(n), i.Fingerprint)
}

// newID makes an id for a create without one. With a key it is derived, so that
// two processes that get the same request meet at the same resource.
func (wr *Writer) newID(ctx context.Context) string {
	i := idempotencyOf(ctx)
	if i == nil {
		return wr.o.NewID()
	}
	sum := sha256.Sum256([]byte(policy.ActorOf(ctx).Principal + "\x00" + i.Key))
	var id uuid.UUID
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x80 // version 8
	id[8] = id[8]&0x3f | 0x80 // RFC 9562 variant
	return id.String()
}

// underway are the keyed writes of this process that are not finished.
type underway struct {
	mu      sync.Mutex
	flights map[string]*flight
}

type flight struct {
	fingerprint string
	done        chan struct{}
}

// begin takes the key of the context for one write. It waits for another one
// under the same key and returns the event of the first, if there is one.
func (wr *Writer) begin(ctx context.Context) (first *storage.Event, release func(), err error) {
	i := idempotencyOf(ctx)
	if i == nil {
		return nil, func() {}, nil
	}
	name := policy.ActorOf(ctx).Principal + "\x00" + i.Key
	for {
		wr.underway.mu.Lock()
		other := wr.underway.flights[name]
		if other == nil {
			break
		}
		wr.underway.mu.Unlock()
		if other.fingerprint != i.Fingerprint {
			return nil, nil, mismatch()
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, nil, states.StoreError(ctx.Err())
		}
	}
	own := &flight{i.Fingerprint, make(chan struct{})}
	wr.underway.flights[name] = own
	wr.underway.mu.Unlock()
	release = func() {
		wr.underway.mu.Lock()
		delete(wr.underway.flights, name)
		wr.underway.mu.Unlock()
		close(own.done)
	}
	if first, err = wr.lookupKey(ctx, 0); err != nil {
		release()
		return nil, nil, err
	}
	return first, release, nil
}

func mismatch() error {
	return fault.Errorf(fault.IdempotencyMismatch, "this Idempotency-Key was used for another request; use a new one")
}

// lookupKey finds the event that was committed under the context's key, looking
// at the index once it holds what this process wrote, and at least seq.
func (wr *Writer) lookupKey(ctx context.Context, seq uint64) (*storage.Event, error) {
	i := idempotencyOf(ctx)
	if err := wr.States.Freshen(ctx, states.Default, seq); err != nil {
		return nil, err
	}
	past, err := wr.index.Keyed(ctx, policy.ActorOf(ctx).Principal, i.Key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, states.StoreError(err)
	}
	e := past.Event
	if wr.o.Now().Sub(e.At) > keepKeys {
		return nil, nil
	}
	if e.Idempotency == nil || e.Idempotency.Fingerprint != i.Fingerprint {
		return nil, mismatch()
	}
	return e, nil
}

// committedBy looks for the key once more when another process may have written
// the state: what it committed under the key on this resource is in the index
// when the index holds the state.
func (wr *Writer) committedBy(ctx context.Context, s states.State) (*storage.Event, error) {
	if !keyed(ctx) || wr.o.Sole || s.Last == nil {
		return nil, nil
	}
	return wr.lookupKey(ctx, s.Seq())
}

// again answers a write that was committed before.
func (wr *Writer) again(ctx context.Context, first *storage.Event) (*storage.Event, []byte, error) {
	if first.Action == storage.Purged {
		return first, nil, nil
	}
	if ok, err := wr.Guard.MayRead(ctx, states.Key{Type: first.Meta.Type, ID: first.Meta.ID}); err != nil {
		return nil, nil, err
	} else if !ok { // the write was theirs, what it left is not to be read any more
		blank := *first
		blank.Revision.Hash, blank.Revision.Size = model.HashOf([]byte("{}")), len("{}")
		return &blank, []byte("{}"), nil
	}
	if err := wr.States.Unpruned(ctx, first); err != nil {
		return nil, nil, err
	}
	content, err := wr.States.Content(ctx, first)
	return first, content, err
}
