package worker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// queue is what the Dispatcher knows of a queue.
type queue struct {
	name   string
	seq    uint64 // of the settings
	paused bool
	most   int // jobs at once; 0: any number
	busy   int // handed out or running

	interval time.Duration // between two starts on average; 0: none
	burst    int           // starts that may come at once
	tokens   float64
	filled   time.Time
}

func (d *Dispatcher) queueOf(name string) *queue {
	q := d.queues[name]
	if q == nil {
		q = &queue{name: name}
		d.queues[name] = q
	}
	return q
}

// open reports whether another job may start, and if only the rate is in the
// way, when one may.
func (q *queue) open(now time.Time) (bool, time.Duration) {
	switch {
	case q.paused || q.most > 0 && q.busy >= q.most:
		return false, time.Second
	case q.interval == 0:
		return true, 0
	}
	q.tokens = min(q.tokens+float64(now.Sub(q.filled))/float64(q.interval), float64(q.burst))
	q.filled = now
	if q.tokens >= 1 {
		return true, 0
	}
	return false, max(time.Duration((1-q.tokens)*float64(q.interval)), time.Millisecond)
}

// started counts a start against the rate.
func (q *queue) started(time.Time) {
	if q.interval > 0 {
		q.tokens--
	}
}

// loadQueues reads the settings of all queues.
func (d *Dispatcher) loadQueues(ctx context.Context) error {
	settings, err := d.m.Jobs.AllQueueSettings(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, s := range settings {
		d.limit(name, s.Seq, s)
	}
	return nil
}

// setQueue follows a change of the settings of a queue.
func (d *Dispatcher) setQueue(name string, e *storage.Event) {
	var s jobs.QueueLimits
	if e.Action != storage.Purged && !e.Meta.Deleted && e.Content != nil {
		if json.Unmarshal(e.Content, &s) != nil {
			return // the indexer tells of it
		}
	}
	d.limit(name, e.Seq, s)
}

func (d *Dispatcher) limit(name string, seq uint64, s jobs.QueueLimits) {
	q := d.queueOf(name)
	if q.seq >= seq {
		return
	}
	q.seq, q.paused, q.most, q.interval = seq, s.Paused, s.Concurrency, 0
	if s.Rate != nil {
		per := s.Rate.Every()
		q.interval = per / time.Duration(s.Rate.Limit)
		// A tenth of a second's worth, so that the timer's grain does not matter.
		q.burst = max(1, int(int64(s.Rate.Limit)*int64(100*time.Millisecond)/int64(per)))
		q.tokens, q.filled = min(q.tokens, float64(q.burst)), time.Now()
	}
	d.feed()
}
