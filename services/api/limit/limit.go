// Package limit lets each of many clients do something so many times a second.
package limit

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// maxLimited is of how many principals or addresses a limiter knows how much they
// asked for, some 200 bytes each; the client that asked longest ago is forgotten first.
const maxLimited = 50_000

// Limiter lets each key have so many requests a second, and a second's worth of
// them at once. It is safe for concurrent use.
type Limiter struct {
	rate  rate.Limit
	burst int

	mu    sync.Mutex
	known map[string]*list.Element // of limited
	order *list.List               // the client that asked last is in front
}

type limited struct {
	key    string
	bucket *rate.Limiter
}

// New is nil, which limits nothing, for a rate of 0.
func New(perSecond float64) *Limiter { return Bursts(perSecond, max(1, int(perSecond))) }

// Bursts is New with another number at once.
func Bursts(perSecond float64, burst int) *Limiter {
	if perSecond <= 0 {
		return nil
	}
	return &Limiter{rate: rate.Limit(perSecond), burst: burst, known: map[string]*list.Element{}, order: list.New()}
}

// Try is Take, and undo takes back what was counted.
func (l *Limiter) Try(key string, now time.Time) (wait time.Duration, undo func()) {
	return l.TryWithin(key, now, 0)
}

// TryWithin is Try for a request that may wait: if wait is at most patience the request is
// counted, and goes on after that.
func (l *Limiter) TryWithin(key string, now time.Time, patience time.Duration) (wait time.Duration, undo func()) {
	if l == nil || key == "" {
		return 0, func() {}
	}
	r := l.bucket(key).ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > patience {
		r.CancelAt(now) // it is refused, not served later
	}
	return wait, func() { r.CancelAt(now) }
}

// Take counts a request at an instant; wait is 0 when it may go on, and else how
// long until one may.
func (l *Limiter) Take(key string, now time.Time) (wait time.Duration) {
	wait, _ = l.Try(key, now)
	return wait
}

// bucket is that of a key.
func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.known[key]
	if e == nil {
		if l.order.Len() >= maxLimited {
			oldest := l.order.Back()
			delete(l.known, oldest.Value.(*limited).key)
			l.order.Remove(oldest)
		}
		e = l.order.PushFront(&limited{key, rate.NewLimiter(l.rate, l.burst)})
		l.known[key] = e
	} else {
		l.order.MoveToFront(e)
	}
	return e.Value.(*limited).bucket
}

// AddressKey is the client that an address counts as: in IPv6 a customer has a
// whole net.
func AddressKey(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() {
		return address
	}
	net, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return net.String()
}

// TooMany is the refusal of one that has to wait.
func TooMany(of string, wait time.Duration) error {
	return &fault.Error{Code: fault.RateLimited, RetryAfter: wait, Detail: "too many requests of this " + of + "; Retry-After tells when the next is answered"}
}
