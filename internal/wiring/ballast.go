package wiring

import "runtime"

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
