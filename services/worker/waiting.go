package worker

import (
	"container/heap"
	"context"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// phase is where the Dispatcher has a job.
type phase uint8

const (
	blocked phase = iota // by another of its key, or by jobs it waits for
	later                // not due
	ready                // in its lane
	granted              // handed out, not claimed as far as is known
	running
)

// known is what the Dispatcher knows of an unfinished job.
type known struct {
	Named
	seq      uint64 // of the event this is from
	lane     *lane
	serial   *serial // nil: it has no concurrency key
	priority int
	at       int64 // when it is due, microseconds
	queued   int64 // its place in its serial, microseconds
	phase    phase
	place    int            // in the heap of its phase
	rank     int            // in the heap of its serial
	waits    map[Named]bool // jobs that must succeed first
	event    *storage.Event // the newest, while few jobs wait
	token    string         // of the attempt that runs
	takeover string         // that token, once the worker counts as dead
	// confirmed is when a worker last told of it, or when it was handed out.
	confirmed time.Time
}

// ended is a job that is over, and the sequence of its last event.
type ended struct {
	Named
	seq uint64
}

// lane holds the jobs of a type in a queue that may start now.
type lane struct {
	typ   string
	queue *queue
	ready byUrgency
	n     [running + 1]int // jobs in each phase
	left  bool             // there are more that are not known here
}

func (l *lane) size() (n int) {
	for _, x := range l.n {
		n += x
	}
	return n
}

// turn puts a job into a phase.
func (j *known) turn(p phase) {
	j.lane.n[j.phase]--
	j.phase = p
	j.lane.n[p]++
}

type laneKey struct{ queue, typ string }

// serial holds the unfinished jobs of one concurrency key, of which the first
// may run.
type serial struct {
	key  serialKey
	jobs byPlace
	busy *known // the one that is handed out or running
}

type serialKey struct{ typ, key string }

func (s *serial) first() *known {
	if len(s.jobs) == 0 {
		return nil
	}
	return s.jobs[0]
}

// keptEvents bounds how many waiting jobs keep their event; those of others are
// read when they are handed out.
const keptEvents = 2000

// update takes in what a job is now; what is older than what is known changes
// nothing. The token is that of a running attempt.
func (d *Dispatcher) update(meta *storage.Meta, token string, e *storage.Event) {
	name := Named{meta.Type, meta.ID}
	j := d.jobs[name]
	if j != nil && j.seq >= meta.Seq || d.over[name] >= meta.Seq {
		return
	}
	s := meta.Job
	if s == nil || meta.Deleted || s.State.Final() {
		if meta.Seq > d.applied || d.loading {
			d.over[name] = meta.Seq
			d.ends = append(d.ends, ended{name, meta.Seq})
		}
		if j != nil {
			d.drop(j)
		}
		d.tellChildren(name, s, meta.Deleted)
		return
	}
	if j == nil {
		if l := d.laneOf(s.Queue, meta.Type); d.tooMany(l, s) {
			l.left = true
			return
		}
		j = &known{Named: name, phase: blocked}
		d.jobs[name] = j
	} else {
		d.detach(j)
		j.lane.n[blocked]--
	}
	j.seq, j.priority, j.at, j.queued = meta.Seq, s.Priority, s.RunAt.UnixMicro(), s.QueuedAt.UnixMicro()
	j.token, j.takeover, j.event, j.lane = token, "", nil, d.laneOf(s.Queue, meta.Type)
	j.lane.n[blocked]++
	if e != nil && (len(d.jobs) <= keptEvents || s.State == storage.JobRunning) {
		j.event = e
	}
	d.join(j, s.ConcurrencyKey)
	if s.State == storage.JobRunning {
		d.occupy(j, running)
		return
	}
	if len(s.After) > 0 && s.StartedAt == nil {
		d.await(j, s.After)
	}
	d.settle(j)
	if j.serial != nil { // it may have given way to another
		d.advance(j.serial)
	}
}

// tooMany reports whether a job is left out for now. Jobs with a key are not,
// for their order has to be known.
func (d *Dispatcher) tooMany(l *lane, s *storage.Job) bool {
	return l.size() >= d.o.Known && s.State != storage.JobRunning && s.ConcurrencyKey == "" && len(s.After) == 0
}

func (d *Dispatcher) laneOf(queueName, typ string) *lane {
	k := laneKey{queueName, typ}
	l := d.lanes[k]
	if l == nil {
		l = &lane{typ: typ, queue: d.queueOf(queueName)}
		d.lanes[k] = l
	}
	return l
}

// join puts a job into the serial of its key.
func (d *Dispatcher) join(j *known, key string) {
	k := serialKey{j.Type, key}
	if j.serial != nil {
		if j.serial.key == k {
			heap.Fix(&j.serial.jobs, j.rank)
			return
		}
		d.leave(j)
	}
	if key == "" {
		return
	}
	s := d.serials[k]
	if s == nil {
		s = &serial{key: k}
		d.serials[k] = s
	}
	before := s.first()
	j.serial = s
	heap.Push(&s.jobs, j)
	if before != nil && s.first() == j && before.phase == ready {
		d.detach(before)
		d.settle(before)
	}
}

// leave takes a job out of its serial and lets the next one begin.
func (d *Dispatcher) leave(j *known) {
	s := j.serial
	heap.Remove(&s.jobs, j.rank)
	j.serial = nil
	if s.busy == j {
		s.busy = nil
	}
	if len(s.jobs) == 0 {
		delete(d.serials, s.key)
		return
	}
	d.advance(s)
}

// advance lets the first of a serial begin when nothing holds it.
func (d *Dispatcher) advance(s *serial) {
	if f := s.first(); f != nil && f.phase == blocked {
		d.settle(f)
	}
}

// settle puts a job that is nowhere to where it belongs.
func (d *Dispatcher) settle(j *known) {
	s := j.serial
	switch {
	case len(j.waits) > 0, s != nil && j.takeover == "" && (s.busy != nil || s.first() != j):
		j.turn(blocked)
	case j.at > time.Now().UnixMicro() && j.takeover == "":
		j.turn(later)
		heap.Push(&d.later, j)
		if d.later[0] == j {
			d.wakeUp()
		}
	default:
		j.turn(ready)
		heap.Push(&j.lane.ready, j)
		d.ready++
	}
}

// detach takes a job out of wherever it is.
func (d *Dispatcher) detach(j *known) {
	switch j.phase {
	case later:
		heap.Remove(&d.later, j.place)
	case ready:
		heap.Remove(&j.lane.ready, j.place)
		d.ready--
	case granted, running:
		delete(d.busy, j)
		j.lane.queue.busy--
		if j.serial != nil && j.serial.busy == j {
			j.serial.busy = nil
		}
	}
	j.turn(blocked)
}

// occupy counts a job as handed out or running.
func (d *Dispatcher) occupy(j *known, p phase) {
	j.turn(p)
	j.confirmed = time.Now()
	d.busy[j] = true
	j.lane.queue.busy++
	if j.serial != nil {
		j.serial.busy = j
	}
}

// takeOver lets another worker claim a running job.
func (d *Dispatcher) takeOver(j *known) {
	d.detach(j)
	j.takeover = j.token
	if j.serial != nil {
		j.serial.busy = j // until then no other job of the key starts
	}
	d.settle(j)
}

// drop forgets a job that is over.
func (d *Dispatcher) drop(j *known) {
	d.detach(j)
	j.lane.n[blocked]--
	delete(d.jobs, j.Named)
	for parent := range j.waits {
		d.forgetChild(parent, j.Named)
	}
	if j.serial != nil {
		d.leave(j)
	}
}

// await blocks a job until others have succeeded. Where they stand is read from
// the log; what happens from now on is told by the index.
func (d *Dispatcher) await(j *known, after []string) {
	j.waits = map[Named]bool{}
	var parents []Named
	for _, name := range after {
		typ, id, _ := strings.Cut(name, "/")
		p := Named{typ, id}
		j.waits[p] = true
		parents = append(parents, p)
		if d.children[p] == nil {
			d.children[p] = map[Named]bool{}
		}
		d.children[p][j.Named] = true
	}
	go d.lookAt(parents)
}

// lookAt reads where jobs stand that others wait for.
func (d *Dispatcher) lookAt(parents []Named) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, p := range parents {
		state, err := d.m.Jobs.JobState(ctx, p.Type, p.ID)
		if err != nil {
			d.o.Logger.Warn("a job that others wait for could not be looked at", "type", p.Type, "id", p.ID, "error", err)
			continue // its end is told, or the next look at the index asks again
		}
		if state.Final() {
			d.mu.Lock()
			d.resolve(p, state)
			d.feed()
			d.mu.Unlock()
		}
	}
}

// tellChildren tells those that wait for a job that it is over.
func (d *Dispatcher) tellChildren(name Named, s *storage.Job, deleted bool) {
	state := storage.JobStateCancel
	if s != nil && !deleted {
		state = s.State
	}
	d.resolve(name, state)
}

func (d *Dispatcher) resolve(parent Named, state storage.JobState) {
	for name := range d.children[parent] {
		child := d.jobs[name]
		if child == nil || !child.waits[parent] {
			continue
		}
		if state != storage.JobStateDone {
			go d.cancel(name, parent, state)
			continue
		}
		delete(child.waits, parent)
		if len(child.waits) == 0 && child.phase == blocked {
			d.settle(child)
		}
	}
	delete(d.children, parent)
}

func (d *Dispatcher) forgetChild(parent, child Named) {
	delete(d.children[parent], child)
	if len(d.children[parent]) == 0 {
		delete(d.children, parent)
	}
}

// cancel ends a job that can never start.
func (d *Dispatcher) cancel(name, parent Named, state storage.JobState) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		err := d.o.Cancel(ctx, name, "it waited for "+parent.Type+"/"+parent.ID+", which is "+string(state))
		switch fault.CodeOf(err) {
		case fault.Unavailable, fault.OutcomeUnknown, fault.Conflict:
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		return // done, or it was ended otherwise
	}
}
