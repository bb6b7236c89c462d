package people

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/limit"
)

// How long the links of people work.
const (
	invitationFor = 7 * 24 * time.Hour
	resetFor      = time.Hour
)

// LinkPath is the page that a one-time link leads to. What makes it work is behind the
// "#", which no browser sends to a server and no proxy logs.
const LinkPath = "/auth/link"

// setupToken begins the link of the first admin.
const setupToken = "setup"

// mac signs a text for a link. It is over what the link changes, so that a link which
// was used, or overtaken, works no more.
func (d *Door) mac(parts ...string) string {
	m := hmac.New(sha256.New, d.links)
	m.Write([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(m.Sum(nil))
}

// SetupURL is the link with which the first user becomes an admin; empty once there is a
// user.
func (d *Door) SetupURL() string {
	if d.o.Access.HadUsers() {
		return ""
	}
	return d.o.URL + LinkPath + "#" + setupToken + "." + d.mac(setupToken)
}

// Link is a one-time link for a user.
type Link struct {
	URL   string    `json:"url"`
	Until time.Time `json:"expires_at"`
}

// linkFor makes one, which ends with the password that the user has now, and with the
// rights, if they are told.
func (d *Door) linkFor(u *policy.User, long time.Duration, rights string) Link {
	until := time.Now().Add(long).UTC().Truncate(time.Second)
	at := strconv.FormatInt(until.Unix(), 10)
	return Link{d.o.URL + LinkPath + "#" + u.ID + "." + at + "." + d.macOf(u, at, rights), until}
}

func (d *Door) macOf(u *policy.User, at, rights string) string {
	return d.mac(u.ID, at, u.Password(), u.Email, rights)
}

// rightsOf are the groups and roles that a user has now.
func (d *Door) rightsOf(u *policy.User) string {
	roles := []string{}
	for _, r := range d.o.Access.RolesOf(policy.Actor{Principal: policy.UserSubject + u.ID, Identity: u.Identity()}) {
		roles = append(roles, r.Name)
	}
	slices.Sort(roles)
	b, _ := json.Marshal([][]string{u.Groups, roles}) // texts always marshal
	return string(b)
}

// Invite makes a link for a user with which it chooses a password: an invitation for one
// without, a reset for another. It is sent to the user too, where something sends mail.
// One that is not made by an admin ends when the user gets other rights: its maker has it
// too, and may not have those.
func (d *Door) Invite(ctx context.Context, id string, byAdmin bool) (Link, error) {
	u := d.o.Access.User(id)
	if u == nil {
		return Link{}, fault.Errorf(fault.NotFound, "there is no users %q", id)
	}
	if u.Disabled {
		return Link{}, fault.Errorf(fault.InvalidState, "the user is disabled")
	}
	m := Mail{Kind: "invitation", Email: u.Email, Name: u.Name}
	long := invitationFor
	if u.Password() != "" {
		m.Kind, long = "reset", resetFor
	}
	rights := ""
	if !byAdmin {
		rights = d.rightsOf(u)
	}
	link := d.linkFor(u, long, rights)
	m.URL, m.Until = link.URL, link.Until
	d.send(ctx, m)
	return link, nil
}

// MayInvite decides whether an actor may make a link for a user: who has it can be that
// user.
func (d *Door) MayInvite(actor policy.Actor, id string) policy.Decision {
	u := d.o.Access.User(id)
	if u == nil {
		return policy.Decision{Allowed: true} // there is nothing to give
	}
	return d.o.Access.MayGive(actor, policy.Actor{Principal: policy.UserSubject + id, Identity: u.Identity()})
}

// Reset sends a link to the owner of an email, if that is a user. The answer is the same
// when it is not, and so is the time it takes: mail is sent later.
func (d *Door) Reset(ctx context.Context, email string) error {
	if _, err := d.attempts.ofAddress(ctx); err != nil {
		return err
	}
	if wait := d.resets.Take(keyOf(email), time.Now()); wait > 0 {
		return limit.TooMany("email", wait)
	}
	if u := d.o.Access.UserByEmail(email); u != nil && !u.Disabled {
		link := d.linkFor(u, resetFor, "")
		d.send(ctx, Mail{Kind: "reset", Email: u.Email, Name: u.Name, URL: link.URL, Until: link.Until})
	}
	return nil
}

// mailTimeout bounds the sending of one mail.
const mailTimeout = time.Minute

// send sends a mail beside the request.
func (d *Door) send(ctx context.Context, m Mail) {
	if d.o.Mail == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout)
		defer cancel()
		if err := d.o.Mail(ctx, m); err != nil {
			d.o.Logger.ErrorContext(ctx, "a mail was not sent", "kind", m.Kind, "error", err)
		}
	}()
}

func errLink() error {
	return fault.Errorf(fault.Unauthenticated, "the link was used, has expired or is not valid")
}

// Person is what the first admin says of itself.
type Person struct{ Name, Email string }

// ByLink chooses a password by the token of a one-time link, and signs in.
func (d *Door) ByLink(ctx context.Context, token, text string, p Person) (Signed, error) {
	if _, err := d.attempts.ofAddress(ctx); err != nil {
		return Signed{}, err
	}
	parts := strings.Split(token, ".")
	if len(parts) == 2 && parts[0] == setupToken && same(parts[1], d.mac(setupToken)) && !d.o.Access.HadUsers() {
		return d.setUp(ctx, text, p)
	}
	if len(parts) != 3 {
		return Signed{}, errLink()
	}
	at, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Signed{}, errLink()
	}
	u, err := d.setPassword(ctx, parts[0], text, func(u *policy.User) bool {
		ofUser := same(parts[2], d.macOf(u, parts[1], "")) || same(parts[2], d.macOf(u, parts[1], d.rightsOf(u)))
		return ofUser && !u.Disabled && time.Now().Unix() <= at
	})
	if err != nil {
		return Signed{}, orElse(err, errLink())
	}
	return d.beginOf(ctx, u, false)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// firstAdmin is the role, and the id of the binding, that the first user gets.
const firstAdmin = "autocrud-first-admin"

// setUp makes the first user, an admin. Of two that use the link at the same time one is
// left: its binding has an id that there is once.
func (d *Door) setUp(ctx context.Context, text string, p Person) (Signed, error) {
	ctx = policy.AsProgram(ctx)
	m := d.o.Domain
	role := map[string]any{"name": firstAdmin, "rules": []any{map[string]any{"types": []any{"*"}, "actions": []any{"admin"}}}}
	if _, err := m.Create(ctx, policy.Roles, role, resource.CreateOptions{ID: firstAdmin}); err != nil && fault.CodeOf(err) != fault.AlreadyExists {
		return Signed{}, err
	}
	if text == "" {
		return Signed{}, &fault.Error{Code: fault.ValidationFailed, Detail: "a password is needed", Fields: []fault.FieldError{{Pointer: "/password", Detail: "is required"}}}
	}
	u, err := m.Create(ctx, policy.Users, map[string]any{"name": p.Name, "email": strings.ToLower(p.Email), "password": text}, resource.CreateOptions{})
	if err != nil {
		return Signed{}, err
	}
	binding := map[string]any{"role": firstAdmin, "subjects": []any{policy.UserSubject + u.ID}}
	b, err := m.Create(ctx, policy.Bindings, binding, resource.CreateOptions{ID: firstAdmin})
	if err != nil {
		if _, gone := m.Purge(ctx, policy.Users, u.ID, resource.Match{}); gone != nil {
			d.o.Logger.ErrorContext(ctx, "a user that is not the first admin is left", "id", u.ID, "error", gone)
		}
		if fault.CodeOf(err) == fault.AlreadyExists {
			return Signed{}, errLink()
		}
		return Signed{}, fmt.Errorf("the first admin: %w", err)
	}
	for _, seq := range []uint64{u.Seq, b.Seq} {
		if err := d.o.Access.Learn(ctx, d.o.Log, seq); err != nil {
			return Signed{}, err
		}
	}
	first := d.o.Access.User(u.ID)
	if first == nil {
		return Signed{}, errLink()
	}
	return d.beginOf(ctx, first, false)
}

// idOf is the id of a user that an actor is, or nothing.
func idOf(who policy.Actor) string {
	id, _ := strings.CutPrefix(who.Principal, policy.UserSubject)
	return id
}
