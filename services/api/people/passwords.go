package people

import (
	"context"
	"errors"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// maxChanges is how often a password is tried to be set while other writes change the user.
const maxChanges = 5

// errChanged tells that a user is no longer as it was when its password was to change.
var errChanged = errors.New("the user was changed meanwhile")

// setPassword changes the password of a user for which a condition holds, and returns the
// user as it is then, without a session. The condition and the change are one step, so of
// two requests with one link, or with one former password, one changes it.
func (d *Door) setPassword(ctx context.Context, id, text string, holds func(u *policy.User) bool) (*policy.User, error) {
	ctx = policy.AsProgram(ctx)
	for range maxChanges {
		u := d.o.Access.User(id)
		if u == nil || !holds(u) {
			return nil, errChanged
		}
		r, err := d.o.Domain.Patch(ctx, policy.Users, id, resource.Patch{Kind: resource.MergePatch, Body: map[string]any{"password": text}},
			resource.UpdateOptions{IfMatch: resource.Match{Events: []string{u.Event}}})
		stale := fault.CodeOf(err) == fault.PreconditionFailed
		if stale { // another process may have changed it
			r, err = d.o.Domain.Get(ctx, policy.Users, id, resource.GetOptions{})
		}
		if err == nil {
			err = d.o.Access.Learn(ctx, d.o.Log, r.Seq)
		}
		switch code := fault.CodeOf(err); {
		case code == fault.Deleted || code == fault.NotFound:
			return nil, errChanged
		case err != nil:
			return nil, err
		case stale:
			continue
		}
		if u = d.o.Access.User(id); u == nil || u.Event != r.EventID {
			return nil, errChanged
		}
		return u, nil
	}
	return nil, &fault.Error{Code: fault.Unavailable, RetryAfter: time.Second, Detail: "the user is changed by others all the time; try again"}
}

// samePassword is the condition that the password is still the one that was checked.
func samePassword(checked *policy.User) func(u *policy.User) bool {
	return func(u *policy.User) bool { return u.Password() == checked.Password() }
}

// orElse is err, or another error in the place of errChanged.
func orElse(err, other error) error {
	if errors.Is(err, errChanged) {
		return other
	}
	return err
}
