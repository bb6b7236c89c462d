package api

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

// limiter lets each key have so many requests a second, and a second's worth of
// them at once. It is safe for concurrent use.
type limiter struct {
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

// newLimiter is nil, which limits nothing, for a rate of 0.
func newLimiter(perSecond float64) *limiter {
	if perSecond <= 0 {
		return nil
	}
	return &limiter{rate: rate.Limit(perSecond), burst: max(1, int(perSecond)), known: map[string]*list.Element{}, order: list.New()}
}

// take counts a request at an instant; wait is 0 when it may go on, and else how
// long until one may.
func (l *limiter) take(key string, now time.Time) (wait time.Duration) {
	if l == nil || key == "" {
		return 0
	}
	l.mu.Lock()
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
	bucket := e.Value.(*limited).bucket
	l.mu.Unlock()
	r := bucket.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now) // it is refused, not served later
	}
	return wait
}

// addressKey is the client that an address counts as: in IPv6 a customer has a
// whole net.
func addressKey(address string) string {
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

func tooMany(of string, wait time.Duration) error {
	return &fault.Error{Code: fault.RateLimited, RetryAfter: wait, Detail: "too many requests of this " + of + "; Retry-After tells when the next is answered"}
}
