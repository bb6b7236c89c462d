package people

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/policy"
)

// Sessions lists those of a principal that are alive, newest first.
func (d *Door) Sessions(principal string) []policy.Session { return d.o.Access.SessionsOf(principal) }

// Find is a session that is alive.
func (d *Door) Find(id string) (policy.Session, bool) {
	for _, s := range d.o.Access.SessionsOf("") {
		if s.ID == id {
			return s, true
		}
	}
	return policy.Session{}, false
}

// EndByID ends a session, for every process.
func (d *Door) EndByID(ctx context.Context, id string) error {
	return d.o.Access.End(ctx, d.o.Log, id)
}

// IsOf reports whether a cookie is that of a session.
func (d *Door) IsOf(cookie, id string) bool {
	_, own, _, ok := d.o.Access.Session(cookie)
	return ok && own == id
}

// NameOf is what a user is called, here or by its issuer; empty for what is no user.
func (d *Door) NameOf(who policy.Actor) (name, email string) {
	if u := d.o.Access.User(idOf(who)); u != nil {
		return u.Name, u.Email
	}
	if who.Identity != nil {
		name, _ = who.Identity.Claims["name"].(string)
		email, _ = who.Identity.Claims["email"].(string)
	}
	return name, email
}
