package natslog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// MaxBatch is the most records one atomic batch holds (a limit of the server).
const MaxBatch = 1000

// maxFlight bounds how many records are published before one sync.
const maxFlight = 512

// pending is a unit that waits for its outcome.
type pending struct {
	unit  []storage.Record
	early bool         // answered before the sync
	done  chan outcome // buffered
}

type outcome struct {
	seq uint64
	err error
}

// Append implements storage.Log.
func (l *Log) Append(ctx context.Context, unit []storage.Record) (uint64, error) {
	return l.append(ctx, unit, false)
}

// AppendEarly implements storage.Log.
func (l *Log) AppendEarly(ctx context.Context, unit []storage.Record) (uint64, error) {
	return l.append(ctx, unit, true)
}

func (l *Log) append(ctx context.Context, unit []storage.Record, early bool) (uint64, error) {
	recs := make([]storage.Record, len(unit))
	for i, r := range unit {
		if len(r.Data) > MaxMessage {
			return 0, fmt.Errorf("append %s: %d bytes: %w", r.Subject, len(r.Data), storage.ErrTooLarge)
		}
		r.Subject = l.prefix + r.Subject
		if r.Guard != "" {
			r.Guard = l.prefix + r.Guard
		}
		recs[i] = r
	}
	if len(recs) == 0 || len(recs) > MaxBatch {
		return 0, fmt.Errorf("append %d records: %w", len(recs), storage.ErrTooLarge)
	}
	p := &pending{unit: recs, early: early, done: make(chan outcome, 1)}
	if err := l.enqueue(p); err != nil {
		return 0, err
	}
	select {
	case o := <-p.done:
		return o.seq, o.err
	case <-ctx.Done(): // the flight goes on; nobody waits for it any more
		return 0, fmt.Errorf("append %s: %w: %w", unit[0].Subject, storage.ErrUnknown, ctx.Err())
	}
}

func (l *Log) enqueue(p *pending) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, l.broken)
	}
	if l.barrier != nil {
		if err := l.barrier.room(); err != nil {
			return err
		}
	}
	// Without a barrier there is nothing to share: a plain record goes by
	// itself, at once. Batches always share, they cost milliseconds each.
	if l.barrier == nil && len(p.unit) == 1 {
		go l.fly([]*pending{p})
		return nil
	}
	l.queue = append(l.queue, p)
	if !l.flying {
		l.flying = true
		go l.flights()
	}
	return nil
}

// flights runs until the queue is empty. One flight at a time: while it syncs,
// the next one gathers.
func (l *Log) flights() {
	for {
		l.mu.Lock()
		group := l.take()
		if group == nil {
			l.flying = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		l.fly(group)
	}
}

// take removes the next group from the queue: up to maxFlight records, no
// subject written twice (the second would only lose).
func (l *Log) take() []*pending {
	if len(l.queue) == 0 {
		return nil
	}
	var group, rest []*pending
	used := make(map[string]bool, len(l.queue))
	n := 0
	for i, p := range l.queue {
		if n > 0 && n+len(p.unit) > maxFlight {
			rest = append(rest, l.queue[i:]...)
			break
		}
		if clashes(p, used) {
			rest = append(rest, p)
			continue
		}
		for _, r := range p.unit {
			used[r.Subject] = true
		}
		n += len(p.unit)
		group = append(group, p)
	}
	l.queue = rest
	return group
}

// clashes reports whether p writes or guards a subject that the group writes.
func clashes(p *pending, used map[string]bool) bool {
	for _, r := range p.unit {
		if used[r.Subject] || used[r.Guard] {
			return true
		}
		if prefix, ok := strings.CutSuffix(r.Guard, ">"); ok {
			for s := range used {
				if strings.HasPrefix(s, prefix) {
					return true
				}
			}
		}
	}
	return false
}

// fly publishes a group, syncs once, and answers those with a clean
// acknowledgement. The others are decided by the log, and synced for again.
func (l *Log) fly(group []*pending) {
	ctx, cancel := context.WithTimeout(context.Background(), l.o.Timeout)
	defer cancel()
	begun := time.Now()
	replies := l.publish(ctx, group)
	var clean, open []int
	var high uint64
	for i, r := range replies {
		switch {
		case !r.Clean():
			open = append(open, i)
		case group[i].early: // the next sync covers it, or whoever wants to see it
			group[i].done <- outcome{r.Seq, nil}
		default:
			clean = append(clean, i)
			high = max(high, r.Seq)
		}
	}
	err := l.sync(ctx, high)
	l.count(func(s *Stats) { s.Flights++; s.Units += uint64(len(group)); s.Decided += uint64(len(open)) })
	if l.o.Flight != nil {
		l.o.Flight(len(group), time.Since(begun))
	}
	for _, i := range clean {
		group[i].done <- outcome{replies[i].Seq, err}
	}
	var wg sync.WaitGroup
	for _, i := range open {
		wg.Go(func() {
			seq, err := l.decide(ctx, group[i].unit, replies[i])
			if err == nil && !group[i].early {
				err = l.sync(ctx, seq)
			}
			l.count(func(s *Stats) {
				switch {
				case errors.Is(err, storage.ErrConflict):
					s.Conflicts++
				case errors.Is(err, storage.ErrUnknown):
					s.Unknown++
				}
			})
			group[i].done <- outcome{seq, err}
		})
	}
	wg.Wait()
}

// publish sends single records side by side and all larger units as one batch.
func (l *Log) publish(ctx context.Context, group []*pending) []Reply {
	replies := make([]Reply, len(group))
	var singles []storage.Record
	var at, batched []int
	for i, p := range group {
		if len(p.unit) == 1 {
			singles, at = append(singles, p.unit[0]), append(at, i)
		} else {
			batched = append(batched, i)
		}
	}
	if len(singles) > 0 {
		for j, r := range l.wire.Publish(ctx, singles) {
			replies[at[j]] = r
		}
	}
	l.publishBatch(ctx, group, batched, replies)
	return replies
}

// publishBatch sends the units as one atomic batch. When it is refused, those
// that lost are looked up and the rest go again together, as whole units.
func (l *Log) publishBatch(ctx context.Context, group []*pending, units []int, replies []Reply) {
	for len(units) > 0 {
		var recs []storage.Record
		for _, i := range units {
			recs = append(recs, group[i].unit...)
		}
		r := l.wire.Batch(ctx, recs)
		if r.Clean() {
			end := r.Seq - uint64(len(recs))
			for _, i := range units {
				end += uint64(len(group[i].unit))
				replies[i] = Reply{Seq: end}
			}
			return
		}
		var rest []int
		for _, i := range units {
			if replies[i] = r; len(units) == 1 || r.Err != nil {
				continue // decided one by one
			}
			if _, err := l.found(ctx, group[i].unit); errors.Is(err, storage.ErrNotFound) {
				rest = append(rest, i)
			}
		}
		if len(rest) == len(units) {
			return // nobody lost: not a matter of conflicts
		}
		units = rest
	}
}

// found asks the log what became of a unit: its last sequence when it is
// committed, ErrConflict when another write came first (both final, for ever),
// ErrNotFound when neither is in the log yet.
func (l *Log) found(ctx context.Context, unit []storage.Record) (uint64, error) {
	seq, err := l.foundOwn(ctx, unit)
	if !errors.Is(err, storage.ErrNotFound) {
		return seq, err
	}
	for _, r := range unit {
		if r.Guard == "" {
			continue
		}
		_, err := l.wire.Get(ctx, r.Guard, r.Expected+1)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		// The guarded subject moved on. If that was before the unit, it can
		// never be committed now; if after, it is there by now.
		if seq, err := l.foundOwn(ctx, unit); !errors.Is(err, storage.ErrNotFound) {
			return seq, err
		}
		return 0, fmt.Errorf("%s guarded at %d: %w", r.Guard, r.Expected, storage.ErrConflict)
	}
	return 0, storage.ErrNotFound
}

// foundOwn looks at the records that are checked against their own subject.
// The first successor of Expected there is the unit's own or a winner's.
func (l *Log) foundOwn(ctx context.Context, unit []storage.Record) (uint64, error) {
	for i, r := range unit {
		if r.Guard != "" {
			continue
		}
		e, err := l.wire.Get(ctx, r.Subject, r.Expected+1)
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return 0, err
		case e.ID == r.ID:
			return e.Seq + uint64(len(unit)-1-i), nil
		default:
			return 0, fmt.Errorf("%s after %d: %w", r.Subject, r.Expected, storage.ErrConflict)
		}
	}
	return 0, storage.ErrNotFound
}

// decide finds out what became of a unit whose reply is no clean
// acknowledgement. Because the log is append-only and compare-and-set admits
// one successor of Expected, the first successor tells, whoever was answered
// what.
func (l *Log) decide(ctx context.Context, unit []storage.Record, first Reply) (uint64, error) {
	reply := first
	sent := !notSent(first)
	for try := 0; ; try++ {
		seq, err := l.found(ctx, unit)
		if err == nil || errors.Is(err, storage.ErrConflict) {
			return seq, err
		}
		absent := errors.Is(err, storage.ErrNotFound)
		if absent && try == 0 {
			// Refusals that sending again cannot change.
			switch {
			case reply.Code == codeStoreFailed:
				return 0, fmt.Errorf("append: %w: %s", storage.ErrFull, reply.Text)
			case reply.Code == codeTooLarge || reply.Code == codeBatchTooLarge:
				return 0, fmt.Errorf("append: %w: %s", storage.ErrTooLarge, reply.Text)
			}
		}
		if absent {
			if reply = l.send(ctx, unit); reply.Clean() {
				return reply.Seq, nil
			}
			sent = sent || !notSent(reply)
			if reply.Code != 0 && l.dropped(ctx, unit) {
				if seq, err := l.found(ctx, unit); !errors.Is(err, storage.ErrNotFound) {
					return seq, err
				}
				return 0, fmt.Errorf("append %s: what it follows was dropped: %w", unit[0].Subject, storage.ErrConflict)
			}
		}
		if ctx.Err() != nil {
			break
		}
		if !sent && try >= 3 {
			return 0, fmt.Errorf("append: %w: no server took it: %w", storage.ErrUnavailable, reply.Err)
		}
		pause(ctx, try)
	}
	if !sent {
		return 0, fmt.Errorf("append: %w", storage.ErrUnavailable)
	}
	return 0, fmt.Errorf("append %s: %w: code %d %s %v", unit[0].Subject, storage.ErrUnknown, reply.Code, reply.Text, reply.Err)
}

// dropped reports whether an entry that a unit expects to follow was dropped.
// Then the unit can never be committed, and no successor says so. That the entry
// is not found proves nothing, the server may be behind; that one after it is
// found in its place does.
func (l *Log) dropped(ctx context.Context, unit []storage.Record) bool {
	for _, r := range unit {
		if r.Guard != "" || r.Expected == 0 {
			continue
		}
		if e, err := l.wire.Get(ctx, l.prefix+">", r.Expected); err == nil && e.Seq > r.Expected {
			return true
		}
	}
	return false
}

func (l *Log) send(ctx context.Context, unit []storage.Record) Reply {
	if len(unit) == 1 {
		return l.wire.Publish(ctx, unit)[0]
	}
	return l.wire.Batch(ctx, unit)
}

// pause waits a little longer after each try, with jitter.
func pause(ctx context.Context, try int) {
	d := min(time.Duration(try+1)*5*time.Millisecond, 200*time.Millisecond)
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (l *Log) count(f func(*Stats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.stats)
}
