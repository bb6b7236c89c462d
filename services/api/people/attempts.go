package people

import (
	"context"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/services/api/limit"
)

// The wrong attempts to sign in that there may be on a process: so many at once, and one
// again after so many seconds. A right one is not counted.
const (
	perAddress, addressPause = 20, 3
	perPerson, personPause   = 10, 6
	// An address that tried no more often than this is a newcomer. Attempts that are
	// refused are counted too.
	perNewcomer, newcomerPause = 3, 60
	// All newcomers together, and all other addresses together: hashing takes 30 ms of a
	// processor, which is kept for other requests.
	ofNewcomers, newcomersPause = 8, 0.25
	ofOthers, othersPause       = 17, 4
	// Newcomers to one person, however often others tried to be that person.
	newcomersPerPerson, newcomerPersonPause = 1, 5
)

// patience is how long a newcomer waits for its turn before it is refused.
const patience = time.Second

// attempts limits how often a password is tried, before anything costly is done, and
// whether there is such a user or not. In a flood the addresses that go on trying are
// refused, while an address that is new signs in, also as the person whom the flood is
// about. It is safe for concurrent use.
type attempts struct {
	byAddress, byPerson  *limit.Limiter
	newcomers            *limit.Limiter // by address
	ofNewcomers, ofOther *limit.Limiter // of all addresses
	newcomersByPerson    *limit.Limiter
}

func newAttempts() attempts {
	return attempts{byAddress: limit.Bursts(1.0/addressPause, perAddress), byPerson: limit.Bursts(1.0/personPause, perPerson),
		newcomers:   limit.Bursts(1.0/newcomerPause, perNewcomer),
		ofNewcomers: limit.Bursts(1.0/newcomersPause, ofNewcomers), ofOther: limit.Bursts(1.0/othersPause, ofOthers),
		newcomersByPerson: limit.Bursts(1.0/newcomerPersonPause, newcomersPerPerson)}
}

// shared is the key of a limit that all addresses have together.
const shared = "*"

// ofAddress counts an attempt that costs little; undo is for one that was right.
func (a *attempts) ofAddress(ctx context.Context) (undo func(), err error) {
	wait, undo := a.byAddress.Try(limit.AddressKey(policy.ActorOf(ctx).Address), time.Now())
	if wait > 0 {
		return nil, limit.TooMany("address", wait)
	}
	return undo, nil
}

// ofPassword counts an attempt to sign in as a person by password, and waits for its
// turn; undo is for one that was right.
func (a *attempts) ofPassword(ctx context.Context, email string) (undo func(), err error) {
	now := time.Now()
	known, ofTries := a.newcomers.Try(limit.AddressKey(policy.ActorOf(ctx).Address), now)
	ofAddress, err := a.ofAddress(ctx)
	if err != nil {
		return nil, err
	}
	all, most := a.ofNewcomers, patience
	if known > 0 {
		all, most = a.ofOther, 0
	}
	wait, ofAll := all.TryWithin(shared, now, most)
	if wait > most {
		return nil, limit.TooMany("kind: many passwords are tried", wait)
	}
	ofPerson, err := a.ofPerson(email, known == 0, now)
	if err != nil {
		ofAll() // nothing is hashed
		return nil, err
	}
	undo = func() { ofTries(); ofAddress(); ofAll(); ofPerson() }
	select {
	case <-time.After(wait):
		return undo, nil
	case <-ctx.Done():
		undo()
		return nil, ctx.Err()
	}
}

// ofPerson counts an attempt to be a person.
func (a *attempts) ofPerson(email string, newcomer bool, now time.Time) (undo func(), err error) {
	wait, undo := a.byPerson.Try(keyOf(email), now)
	if wait > 0 && newcomer {
		wait, undo = a.newcomersByPerson.Try(keyOf(email), now)
	}
	if wait > 0 {
		return nil, limit.TooMany("email", wait)
	}
	return undo, nil
}

// keyOf is a person as limits know it; an address that is none is one of them all.
func keyOf(email string) string {
	if len(email) > 254 {
		email = email[:254]
	}
	return strings.ToLower(email)
}
