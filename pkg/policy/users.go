package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/password"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Users is the built-in type of the people who sign in here. A user is the subject
// user:<id>; an application's own type of this name takes its place.
const Users = "users"

// UserSubject begins the principal of a user.
const UserSubject = "user:"

const userSchema = `{"type":"object","required":["email"],"additionalProperties":false,"properties":{
	"name":{"type":"string","maxLength":200,"default":""},
	"email":{"type":"string","maxLength":254,"pattern":"^[^\\sA-Z@]+@[^\\sA-Z@]+$","description":"in small letters; the user signs in with it"},
	"groups":{"type":"array","maxItems":100,"uniqueItems":true,"items":{"type":"string","minLength":1,"maxLength":200},"default":[]},
	"disabled":{"type":"boolean","default":false,"description":"may not sign in, and is signed out"},
	"password":{"type":["string","null"],"maxLength":256,"writeOnly":true,"examples":["eleven blue whales"],"description":"at least 12 characters, and no common one; only a hash of it is kept; a write that leaves it out keeps it, null removes it"}}}`

// UserType is the type of Users.
func UserType() (*model.Type, error) {
	return model.NewType(model.Type{Name: Users, Title: "User", Builtin: true, Schema: json.RawMessage(userSchema), Index: []string{"name", "email", "groups", "disabled"},
		Unique: [][]string{{"email"}}, Secret: "password", Hash: hashPassword, Check: checkPassword, ServerIDs: true})
}

// hashTimeout is how long a write waits for its turn to hash a password.
const hashTimeout = 10 * time.Second

func hashPassword(text string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hashTimeout)
	defer cancel()
	hash, err := password.Hash(ctx, text)
	if errors.Is(err, password.ErrBusy) || errors.Is(err, context.DeadlineExceeded) {
		return "", &fault.Error{Code: fault.Unavailable, RetryAfter: time.Second, Detail: "too many passwords are checked at the same time; try again"}
	}
	return hash, err
}

// checkPassword refuses a password that would be guessed.
func checkPassword(data any) error {
	doc, _ := data.(map[string]any)
	text, given := doc["password"].(string)
	if !given {
		return nil
	}
	name, _ := doc["name"].(string)
	email, _ := doc["email"].(string)
	if why := password.Weak(text, name, email); why != "" {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "the password cannot be taken", Fields: []fault.FieldError{{Pointer: "/password", Detail: why}}}
	}
	return nil
}

// User is one as requests are checked against it.
type User struct {
	ID       string      `json:"-"`
	Event    string      `json:"-"` // id of the event that made it what it is
	Name     string      `json:"name"`
	Email    string      `json:"email"`
	Groups   []string    `json:"groups"`
	Disabled bool        `json:"disabled"`
	Boxes    []model.Box `json:"password"`

	identity *Identity // one for all requests
}

// ReadUser reads a user as it is stored.
func ReadUser(content []byte) (*User, error) {
	u := &User{}
	if err := json.Unmarshal(content, u); err != nil {
		return nil, err
	}
	u.identity = &Identity{Groups: u.Groups}
	return u, nil
}

// Identity is what the policy knows of the user.
func (u *User) Identity() *Identity { return u.identity }

// Password is the hash of the user's password, empty when there is none.
func (u *User) Password() string {
	if u == nil || len(u.Boxes) == 0 {
		return ""
	}
	return u.Boxes[0].Key
}

// Stamp changes when what a session of the user stands for does: the password, the
// groups, and whether it may sign in.
func (u *User) Stamp() string {
	b, _ := json.Marshal([]any{u.Password(), u.Groups, u.Disabled}) // texts always marshal
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// UserByEmail finds a user; nil when there is none.
func (a *Access) UserByEmail(email string) *User {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	return a.users[a.emails[strings.ToLower(email)]]
}

// User finds a user; nil when there is none.
func (a *Access) User(id string) *User {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	return a.users[id]
}

// HadUsers reports whether there is or was a user.
func (a *Access) HadUsers() bool {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	return len(a.userIDs) > 0
}

// IsUserID reports whether an id is, or was, that of a user, so that no issuer's subject
// may be it.
func (a *Access) IsUserID(id string) bool {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	return a.userIDs[id]
}

// applyUser takes over a user. The caller holds the lock.
func (a *Access) applyUser(id string, e *storage.Event, gone bool) {
	old := a.users[id]
	if old != nil {
		delete(a.users, id)
		if a.emails[old.Email] == id {
			delete(a.emails, old.Email)
		}
	}
	a.userIDs[id] = true
	stamp := ""
	if u, err := ReadUser(e.Content); !gone && err == nil {
		u.ID, u.Event = id, e.ID
		a.users[id], a.emails[u.Email], stamp = u, id, u.Stamp()
	}
	for _, s := range a.sessions {
		if s.User == id && s.Stamp != stamp {
			s.over.Store(true)
		}
	}
	a.moved()
}

// MayGive decides whether an actor may make or change what acts with the groups, and
// the roles, of a principal: it needs each of them itself, and what a rule denies it must
// be denied to that principal too.
func (a *Access) MayGive(actor Actor, to Actor) Decision {
	actor = a.AsNow(actor)
	if actor.Identity.Scopes != nil {
		return Decision{Why: "a key that is limited by scopes makes and changes no keys and no users"}
	}
	for _, g := range to.Identity.Groups {
		if !slices.Contains(actor.Identity.Groups, g) {
			return Decision{Why: "only an admin makes or changes a principal with groups that it is not in itself"}
		}
	}
	own, its := a.RolesOf(actor), a.RolesOf(to)
	has := func(list []Role, name string) bool {
		return slices.ContainsFunc(list, func(r Role) bool { return r.Name == name })
	}
	for _, r := range its {
		if !has(own, r.Name) {
			return Decision{Why: "only an admin makes or changes a principal with roles that it has not itself"}
		}
	}
	for _, r := range own {
		if slices.ContainsFunc(r.Rules, Rule.Denies) && !has(its, r.Name) {
			return Decision{Why: "a rule that denies its writer something must deny it to the principal too: role " + r.Name}
		}
	}
	return Decision{Allowed: true}
}

// MayBecome decides whether an actor may take a user from one state to another. Before
// is nil for a new one.
func (a *Access) MayBecome(actor Actor, id string, states ...[]byte) Decision {
	for _, content := range states {
		if content == nil {
			continue
		}
		u, err := ReadUser(content)
		if err != nil {
			return Decision{Why: "the user cannot be read"}
		}
		if d := a.MayGive(actor, Actor{Principal: UserSubject + id, Identity: u.identity}); !d.Allowed {
			return d
		}
	}
	return Decision{Allowed: true}
}
