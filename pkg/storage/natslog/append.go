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
	early bool // answered before the sync
	// followed tells that another unit follows it in the batch that it was sent in.
	followed bool
	done     chan outcome // buffered
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
	case <-ctx.Done(): // the flight goes on; no caller waits for it any more
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
// subject written twice (the second would only lose), none written that another
// unit of the group compares.
func (l *Log) take() []*pending {
	if len(l.queue) == 0 {
		return nil
	}
	var group, rest []*pending
	g := newSubjects(len(l.queue))
	n := 0
	for i, p := range l.queue {
		if n > 0 && n+len(p.unit) > maxFlight {
			rest = append(rest, l.queue[i:]...)
			break
		}
		if g.clash(p) {
			rest = append(rest, p)
			continue
		}
		g.add(p)
		n += len(p.unit)
		group = append(group, p)
	}
	l.queue = rest
	return group
}

// subjects are those that the units of a group write, and those that they guard.
type subjects struct {
	written, guarded map[string]bool
	wide             []string // guards that are wildcards
}

func newSubjects(n int) *subjects {
	return &subjects{written: make(map[string]bool, n), guarded: map[string]bool{}}
}

func (g *subjects) add(p *pending) {
	for _, r := range p.unit {
		g.written[r.Subject] = true
		switch {
		case strings.HasSuffix(r.Guard, ">"):
			g.wide = append(g.wide, r.Guard)
		case r.Guard != "":
			g.guarded[r.Guard] = true
		}
	}
}

// clash reports whether p writes or guards a subject that the group writes, or
// writes one that the group guards.
func (g *subjects) clash(p *pending) bool {
	for _, r := range p.unit {
		if g.written[r.Subject] || g.written[r.Guard] || g.guarded[r.Subject] {
			return true
		}
		for _, guard := range g.wide {
			if under(guard, r.Subject) {
				return true
			}
		}
		if strings.HasSuffix(r.Guard, ">") {
			for s := range g.written {
				if under(r.Guard, s) {
					return true
				}
			}
		}
	}
	return false
}

// under reports whether a wildcard is about a subject.
func under(guard, subject string) bool {
	return strings.HasPrefix(subject, strings.TrimSuffix(guard, ">"))
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
	ends := make([]outcome, len(group)) // what the log holds of each
	for i, r := range replies {
		if !r.Clean() {
			open = append(open, i)
			continue
		}
		ends[i].seq = r.Seq
		if group[i].early { // the next sync covers it, or a reader that wants to see it
			group[i].done <- outcome{r.Seq, nil}
			continue
		}
		clean = append(clean, i)
		high = max(high, r.Seq)
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
			ends[i] = outcome{seq, err}
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
	l.settle(group, ends)
}

// settle tells the tail what a flight left in the log.
func (l *Log) settle(group []*pending, ends []outcome) {
	if l.tail == nil {
		return
	}
	seqs := make([]uint64, len(ends))
	for i, e := range ends {
		switch {
		case e.err == nil:
			seqs[i] = e.seq
		case errors.Is(e.err, storage.ErrConflict), errors.Is(e.err, storage.ErrFull), errors.Is(e.err, storage.ErrTooLarge):
		default: // it may be in the log, or come there yet
			l.tail.lose()
			l.echo.lose()
			return
		}
	}
	l.echo.settle(group, seqs)
	if l.tail.settle(group, seqs) {
		l.count(func(s *Stats) { s.Foreign++ })
		if l.o.Foreign != nil {
			l.o.Foreign()
		}
	}
}

// publish sends single records side by side and all larger units as one batch.
// First go those whose preconditions the tail proves, one after another in the
// stream; where all that is before the batch is of that kind, so is the batch.
func (l *Log) publish(ctx context.Context, group []*pending) []Reply {
	replies := make([]Reply, len(group))
	sure, last, known := make([]bool, len(group)), uint64(0), false
	if l.tail != nil {
		sure, last, known = l.tail.plan(group)
	}
	var singles, unsure []Message
	var at, unsureAt, batched []int
	all := known
	for i, p := range group {
		switch {
		case len(p.unit) > 1:
			batched = append(batched, i)
			all = all && sure[i]
		case sure[i]:
			singles, at = append(singles, Message{Record: p.unit[0], Check: CheckStream, Last: last}), append(at, i)
			last++
		default:
			unsure, unsureAt = append(unsure, Message{Record: p.unit[0]}), append(unsureAt, i)
			all = false
		}
	}
	if singles, at = append(singles, unsure...), append(at, unsureAt...); len(singles) > 0 {
		for j, r := range l.wire.Publish(ctx, singles) {
			replies[at[j]] = r
		}
	}
	if !all {
		l.publishBatch(ctx, group, batched, replies, nil)
	} else {
		l.publishBatch(ctx, group, batched, replies, &last)
	}
	return replies
}

// publishBatch sends the units as one atomic batch, after an entry of the stream
// where that says enough. When it is refused, those that lost are looked up and the
// rest go again together, as whole units.
func (l *Log) publishBatch(ctx context.Context, group []*pending, units []int, replies []Reply, after *uint64) {
	for len(units) > 0 {
		var msgs []Message
		for _, i := range units {
			msgs = append(msgs, messages(group[i].unit)...)
		}
		if after != nil {
			for i := range msgs {
				msgs[i].Check = CheckNothing
			}
			msgs[0].Check, msgs[0].Last = CheckStream, *after
			after = nil // again only by subject
		}
		r := l.wire.Batch(ctx, msgs)
		if r.Clean() {
			end := r.Seq - uint64(len(msgs))
			for n, i := range units {
				end += uint64(len(group[i].unit))
				replies[i] = Reply{Seq: end}
				group[i].followed = n < len(units)-1
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
			return // no append lost: not a matter of conflicts
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
// one successor of Expected, the first successor tells, whatever each writer was
// answered.
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
				return 0, fmt.Errorf("append %s: the entry before it was dropped: %w", unit[0].Subject, storage.ErrConflict)
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
		return l.wire.Publish(ctx, messages(unit))[0]
	}
	return l.wire.Batch(ctx, messages(unit))
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
