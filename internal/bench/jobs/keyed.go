package main

import (
	"fmt"
	"os"
	"sync"
)

// order checks that jobs of one key run one at a time, in the order in which
// they were queued.
type order struct {
	queuing [1000]struct {
		sync.Mutex
		n int64
	}
	mu          sync.Mutex
	busy        map[string]bool
	last        map[string]int64
	overlapping int
	disordered  int
	ran         int
}

// queue queues the next job of a key, one after the other.
func (o *order) queue(key int64, create func(key string, n int64) error) error {
	q := &o.queuing[key]
	q.Lock()
	defer q.Unlock()
	q.n++
	return create(fmt.Sprint("key-", key), q.n)
}

func (o *order) begin(p payload) (end func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy == nil {
		o.busy, o.last = map[string]bool{}, map[string]int64{}
	}
	if o.busy[p.Pad] {
		o.overlapping++
	}
	if p.Sent != o.last[p.Pad]+1 {
		o.disordered++
	}
	o.busy[p.Pad], o.last[p.Pad] = true, p.Sent
	o.ran++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.busy[p.Pad] = false
	}
}

func (o *order) report() {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(os.Stderr, "keys: %d jobs, %d overlapped, %d out of order\n", o.ran, o.overlapping, o.disordered)
}
