package wiring

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// ballastSize is how much the collector counts as used besides what is used, so
// that a small heap under load is not collected hundreds of times a second. It
// is never touched and takes no memory; the garbage that it allows does, under
// load, up to about twice as much.
const ballastSize = 64 << 20

// loadBallast returns what keeps the ballast alive until it is called.
func loadBallast() (drop func()) {
	b := make([]byte, ballastSize)
	return func() { runtime.KeepAlive(b) }
}

// How an idle process is told from a busy one: by what it allocates.
const (
	idleCheck = 5 * time.Second
	idleBytes = 4 << 20 // in that time
)

// releaseWhenIdle gives memory back to the system once nothing is going on: the
// ballast keeps the collector from doing so for minutes.
func releaseWhenIdle(ctx context.Context) {
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	t := time.NewTicker(idleCheck)
	defer t.Stop()
	var before uint64
	released := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		metrics.Read(allocated)
		now := allocated[0].Value.Uint64()
		switch idle := now-before < idleBytes; {
		case !idle:
			released = false
		case !released:
			debug.FreeOSMemory()
			released = true
		}
		before = now
	}
}
