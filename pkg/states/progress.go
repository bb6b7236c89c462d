package states

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// Progress is how far the index is, as this process knows it. The indexer (or
// what listens to one elsewhere) advances it; readers wait for it.
type Progress struct {
	mu      sync.Mutex
	applied uint64
	wanted  uint64
	moved   chan struct{} // closed and replaced by Advance
	hurry   chan struct{} // one token: a reader waits
}

// NewProgress starts at nothing applied.
func NewProgress() *Progress {
	return &Progress{moved: make(chan struct{}), hurry: make(chan struct{}, 1)}
}

// Advance tells that everything up to seq is in the index.
func (p *Progress) Advance(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq <= p.applied {
		return
	}
	p.applied = seq
	close(p.moved)
	p.moved = make(chan struct{})
}

// Restart tells that the index was emptied and begins again.
func (p *Progress) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = 0
}

// Applied is the last sequence in the index.
func (p *Progress) Applied() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applied
}

// Wanted reports whether a reader waits for more than is applied.
func (p *Progress) Wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted > p.applied
}

// Hurry yields when a reader begins to wait, so that a batch is not gathered
// any longer.
func (p *Progress) Hurry() <-chan struct{} { return p.hurry }

// maxIndexWait is how long a read waits for the index.
const maxIndexWait = 5 * time.Second

// Wait returns once seq is applied; index_lag when that takes over 5 s.
func (p *Progress) Wait(ctx context.Context, seq uint64) error {
	if p.Applied() >= seq {
		return nil
	}
	timer := time.NewTimer(maxIndexWait)
	defer timer.Stop()
	for {
		p.mu.Lock()
		applied, moved := p.applied, p.moved
		p.wanted = max(p.wanted, seq)
		p.mu.Unlock()
		if applied >= seq {
			return nil
		}
		select {
		case p.hurry <- struct{}{}:
		default:
		}
		select {
		case <-moved:
		case <-timer.C:
			return &fault.Error{Code: fault.IndexLag, RetryAfter: time.Second,
				Detail: fmt.Sprintf("the index is at sequence %d, %d was asked for; try again, or read with consistency=eventual", applied, seq)}
		case <-ctx.Done():
			return &fault.Error{Code: fault.IndexLag, RetryAfter: time.Second, Detail: "the request ended before the index had caught up", Cause: ctx.Err()}
		}
	}
}
