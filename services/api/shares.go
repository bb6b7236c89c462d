package api

import (
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// Limits are how much of the API one client may take at the same time. The zero
// value is right; a negative number is no limit.
type Limits struct {
	// RequestsPerAddress and RequestsPerPrincipal are of the 2,048 requests that
	// are answered at the same time. Default 512: a quarter.
	RequestsPerAddress, RequestsPerPrincipal int
	// WatchesPerAddress and WatchesPerPrincipal are of the 10,000 watches and
	// followed logs. Default 5,000: half.
	WatchesPerAddress, WatchesPerPrincipal int
	// Stall is how long a client may send nothing of a body, or take nothing of an
	// answer, before its connection is closed. Default 10 s.
	Stall time.Duration
	// Body is how long a whole request may take to arrive. Default 2 min.
	Body time.Duration
}

func (l Limits) withDefaults() Limits {
	for _, x := range []struct {
		to  *int
		def int
	}{{&l.RequestsPerAddress, maxConcurrent / 4}, {&l.RequestsPerPrincipal, maxConcurrent / 4}, {&l.WatchesPerAddress, maxStreams / 2}, {&l.WatchesPerPrincipal, maxStreams / 2}} {
		if *x.to == 0 {
			*x.to = x.def
		}
	}
	if l.Stall == 0 {
		l.Stall = 10 * time.Second
	}
	if l.Body == 0 {
		l.Body = 2 * time.Minute
	}
	return l
}

// room is where requests of a kind are answered: so many in all, and so many of
// each address and principal, so that one client never takes the room of all.
type room struct {
	slots                  chan struct{}
	ofAddress, ofPrincipal share
}

func newRoom(slots, perAddress, perPrincipal int) *room {
	return &room{slots: make(chan struct{}, slots), ofAddress: share{most: perAddress, of: map[string]int{}}, ofPrincipal: share{most: perPrincipal, of: map[string]int{}}}
}

// enter takes a place for an address. The error says that there is none.
func (x *room) enter(address string) error {
	if !x.ofAddress.take(address) {
		return busy("this address has too many requests under way at the same time; wait for some to end")
	}
	select {
	case x.slots <- struct{}{}:
		return nil
	default:
		x.ofAddress.give(address)
		return &fault.Error{Code: fault.Unavailable, RetryAfter: time.Second, Detail: "too many requests at the same time; try again"}
	}
}

// leave gives the place back.
func (x *room) leave(address, principal string) {
	<-x.slots
	x.ofAddress.give(address)
	x.ofPrincipal.give(principal)
}

// known counts the place as a principal's too.
func (x *room) known(principal string) error {
	if !x.ofPrincipal.take(principal) {
		return busy("this principal has too many requests under way at the same time; wait for some to end")
	}
	return nil
}

func busy(detail string) error {
	return &fault.Error{Code: fault.RateLimited, RetryAfter: time.Second, Detail: detail}
}

// share counts how many places each key has. It is safe for concurrent use. The
// empty key has no limit.
type share struct {
	most int // negative: any number
	mu   sync.Mutex
	of   map[string]int
}

func (s *share) take(key string) bool {
	if key == "" || s.most < 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.of[key]
	if n >= s.most {
		return false
	}
	s.of[key] = n + 1
	return true
}

func (s *share) give(key string) {
	if key == "" || s.most < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[key]--; s.of[key] <= 0 {
		delete(s.of, key)
	}
}
