// Package restart keeps a task going that must not end: when it fails, it is
// called again after a pause that grows.
package restart

import (
	"context"
	"time"
)

// settled is how long a call must have lasted for the next pause to be a short
// one again: what failed then is not the failure of before.
const settled = 10 * time.Second

// Loop says how a task is called again. The zero value is right for a task that
// follows the log.
type Loop struct {
	First   time.Duration // the first pause, which doubles; 0: 50 ms
	Longest time.Duration // the longest pause; 0: 2 s

	// Failed, when set, is told of each error and of the pause that follows. It is
	// not told of what ended because ctx did.
	Failed func(err error, pause time.Duration)

	// While, when set, is asked before each call; the loop ends when it says false.
	While func() bool
}

// Run calls task until ctx ends. A task that returns nil is called again as well,
// after the same pause.
func (l Loop) Run(ctx context.Context, task func(context.Context) error) {
	if l.First == 0 {
		l.First = 50 * time.Millisecond
	}
	if l.Longest == 0 {
		l.Longest = 2 * time.Second
	}
	pause := l.First
	for ctx.Err() == nil && (l.While == nil || l.While()) {
		begun := time.Now()
		err := task(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > settled {
			pause = l.First
		}
		if err != nil && l.Failed != nil {
			l.Failed(err, pause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, l.Longest)
	}
}
