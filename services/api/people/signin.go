package people

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/password"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// Lifetimes of sessions: with remember, and without.
const (
	shortSession = 24 * time.Hour
	longSession  = policy.AbsoluteLimit
)

// errSignIn says no more: whether there is such a user helps only a thief.
func errSignIn() error {
	return fault.Errorf(fault.Unauthenticated, "the email or the password is wrong, or this user may not sign in")
}

// Signed is a session that began.
type Signed struct {
	Cookie string
	Who    policy.Actor
	Until  time.Time
}

// ByPassword signs a person in. What is wrong, and whether there is such a person, is
// told neither by the answer nor by how long it takes.
func (d *Door) ByPassword(ctx context.Context, email, text string, remember bool) (Signed, error) {
	undo, err := d.attempts.ofPassword(ctx, email)
	if err != nil {
		return Signed{}, err
	}
	u := d.o.Access.UserByEmail(email)
	good, outdated, err := password.Check(ctx, u.Password(), text)
	switch {
	case errors.Is(err, password.ErrBusy):
		return Signed{}, &fault.Error{Code: fault.RateLimited, RetryAfter: time.Second, Detail: "too many sign in at the same time; try again"}
	case err != nil:
		return Signed{}, err
	case !good || u == nil || u.Disabled:
		return Signed{}, errSignIn()
	}
	undo()
	if outdated {
		u = d.rehash(ctx, u, text)
	}
	return d.beginOf(ctx, u, remember)
}

// rehash keeps a password under the parameters of new hashes.
func (d *Door) rehash(ctx context.Context, u *policy.User, text string) *policy.User {
	now, err := d.setPassword(ctx, u.ID, text, samePassword(u))
	if err != nil {
		d.o.Logger.WarnContext(ctx, "a password is not hashed anew", "error", err)
		return u
	}
	return now
}

// ByKey makes a session of an API key.
func (d *Door) ByKey(ctx context.Context, key string, remember bool) (Signed, error) {
	undo, err := d.attempts.ofAddress(ctx)
	if err != nil {
		return Signed{}, err
	}
	s, err := d.o.Access.OfKey(key)
	if err != nil {
		return Signed{}, err
	}
	undo()
	return d.begin(ctx, s, remember)
}

// beginOf begins a session of a user as it was when it was found good: one that has
// another password or other groups since has none.
func (d *Door) beginOf(ctx context.Context, u *policy.User, remember bool) (Signed, error) {
	return d.begin(ctx, policy.Session{Principal: policy.UserSubject + u.ID, User: u.ID, Stamp: u.Stamp()}, remember)
}

// begin begins a session.
func (d *Door) begin(ctx context.Context, s policy.Session, remember bool) (Signed, error) {
	from := policy.ActorOf(ctx)
	s.Address, s.Agent = from.Address, from.UserAgent
	long := shortSession
	if remember {
		long = longSession
	}
	if until := time.Now().Add(long); s.Until.IsZero() || s.Until.After(until) {
		s.Until = until.UTC().Truncate(time.Second)
	}
	s.Remember = remember
	text, err := d.o.Access.Begin(ctx, d.o.Log, s)
	if err != nil {
		return Signed{}, &fault.Error{Code: fault.Unavailable, RetryAfter: time.Second, Detail: "the session cannot be written down; try again", Cause: err}
	}
	who, _, _, ok := d.o.Access.Session(text)
	if !ok {
		return Signed{}, errSignIn()
	}
	return Signed{Cookie: text, Who: who, Until: s.Until}, nil
}

// End ends the session of a cookie.
func (d *Door) End(ctx context.Context, cookie string) error {
	_, id, _, ok := d.o.Access.Session(cookie)
	if !ok {
		return nil
	}
	return d.o.Access.End(ctx, d.o.Log, id)
}

// SignOut ends the session of a request. Next is where the browser goes to end it at its
// issuer too; empty when there is nothing to end.
func (d *Door) SignOut(r *http.Request) (next string, err error) {
	if _, id, _, ok := d.o.Access.Session(d.Cookie(r)); ok {
		if s, found := d.Find(id); found && s.Issuer != "" {
			next = d.endAt(r, s)
		}
	}
	return next, d.End(r.Context(), d.Cookie(r))
}

// ChangePassword changes the password of the user who is signed in; every session of it
// ends, and a new one begins.
func (d *Door) ChangePassword(ctx context.Context, cookie, current, next string) (Signed, error) {
	who, _, _, ok := d.o.Access.Session(cookie)
	u := d.o.Access.User(idOf(who))
	if !ok || u == nil {
		return Signed{}, fault.Errorf(fault.Unauthenticated, "only a user who is signed in changes the password")
	}
	undo, err := d.attempts.ofPassword(ctx, u.Email)
	if err != nil {
		return Signed{}, err
	}
	good, _, err := password.Check(ctx, u.Password(), current)
	if err != nil || !good {
		return Signed{}, errors.Join(errSignIn(), err)
	}
	undo()
	if u, err = d.setPassword(ctx, u.ID, next, samePassword(u)); err != nil {
		return Signed{}, orElse(err, errSignIn())
	}
	return d.beginOf(ctx, u, false)
}
