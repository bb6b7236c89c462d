package policy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Access holds the policy that is in force: that of the file and what the
// resources of the types roles and bindings add to it, and the API keys. Follow
// keeps it up to date. Its methods are safe for concurrent use.
type Access struct {
	types   []*model.Type
	verbs   []Verb        // of the application, which rules may name
	Version atomic.Uint64 // moves when a caller's rights can have changed

	Mu       sync.RWMutex
	roles    map[string]Role     // of the file, by name
	bindings []Binding           // of the file
	added    map[string]Role     // of the resources, by id
	bound    map[string]Binding  // of the resources, by id
	Keys     map[string]*Key     // by id
	holders  map[string]*Key     // by name
	former   map[string]string   // name -> id of the key that had it last
	subjects map[string][]string // subject -> roles
	named    map[string]Role     // every role, by name
	peopled  bool                // Users is the built-in type
	stale    bool                // subjects and named are to be made again
	followed uint64              // sequence up to which the log was read
	seen     map[string]uint64   // "type/id" -> its newest event
	changed  chan struct{}       // closed and replaced when the version moves
	admin    [][]byte            // hashes of keys with every right
	users    map[string]*User    // by id
	emails   map[string]string   // email -> id
	userIDs  map[string]bool     // of all users that there ever were
	sessions map[string]*Session // by id
	issuers  []string            // through which people sign in, by URL
	onces    map[string]once     // what was used once, by the hash of it
	revoked  map[string]uint64   // sequence of the newest revocation of links
	public   *Identity           // of all requests without a credential
	Now      func() time.Time    // nil: time.Now
}

// NewAccess begins with the policy of the file; nil: it has none.
func NewAccess(types []*model.Type, verbs []Verb, file *Policy) *Access {
	a := &Access{types: types, verbs: verbs, roles: map[string]Role{}, added: map[string]Role{}, bound: map[string]Binding{}, Keys: map[string]*Key{},
		holders: map[string]*Key{}, former: map[string]string{}, seen: map[string]uint64{}, changed: make(chan struct{}), stale: true,
		public: &Identity{Public: true}, users: map[string]*User{}, emails: map[string]string{}, userIDs: map[string]bool{}, sessions: map[string]*Session{}, onces: map[string]once{}, revoked: map[string]uint64{}}
	for _, t := range types {
		a.peopled = a.peopled || t.Name == Users && t.Builtin
	}
	if file != nil {
		a.bindings = file.Bindings
		for _, r := range file.Roles {
			a.roles[r.Name] = r
		}
	}
	return a
}

// Changed is closed when a caller's rights, or a credential, have changed.
func (a *Access) Changed() <-chan struct{} {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	return a.changed
}

// moved tells every reader that keeps a part of the policy to ask again. The
// caller holds the lock.
func (a *Access) moved() {
	a.Version.Add(1)
	close(a.changed)
	a.changed = make(chan struct{})
}

// compile makes the tables that requests look at, when what they are made of has
// changed. The caller holds the lock.
func (a *Access) compile() {
	if !a.stale {
		return
	}
	a.stale = false
	a.named = map[string]Role{}
	for _, id := range sortedKeys(a.added) {
		a.named[a.added[id].Name] = a.added[id]
	}
	for name, r := range a.roles { // the file is the operator's: it wins
		a.named[name] = r
	}
	a.subjects = map[string][]string{}
	bind := func(b Binding) {
		for _, s := range b.Subjects {
			if !slices.Contains(a.subjects[s], b.Role) {
				a.subjects[s] = append(a.subjects[s], b.Role)
			}
		}
	}
	for _, b := range a.bindings {
		bind(b)
	}
	for _, id := range sortedKeys(a.bound) {
		bind(a.bound[id])
	}
}

// tables takes the lock for reading tables that are as new as they can be.
func (a *Access) tables() (release func()) {
	a.Mu.RLock()
	for a.stale {
		a.Mu.RUnlock()
		a.Mu.Lock()
		a.compile()
		a.Mu.Unlock()
		a.Mu.RLock()
	}
	return a.Mu.RUnlock
}

// RolesOf lists the roles of an actor and those that they include.
func (a *Access) RolesOf(actor Actor) []Role {
	defer a.tables()()
	var names []string
	for _, s := range actor.subjects() {
		names = append(names, a.subjects[s]...)
	}
	return a.including(names)
}

// RolesNamed lists roles and those that they include; what is no role is left out.
func (a *Access) RolesNamed(names ...string) []Role {
	defer a.tables()()
	return a.including(names)
}

// including lists roles and those that they include, each once. The caller holds
// the lock.
func (a *Access) including(names []string) (out []Role) {
	seen := map[string]bool{}
	var add func(names []string)
	add = func(names []string) {
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			if r, ok := a.named[name]; ok {
				out = append(out, r)
				add(r.Includes)
			}
		}
	}
	add(names)
	return out
}

func (a *Access) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// Given reports whether a binding, or a role other than that of the id, names a role.
func (a *Access) Given(name, id string) bool {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	for _, b := range a.bound {
		if b.Role == name {
			return true
		}
	}
	for of, r := range a.added {
		if of != id && slices.Contains(r.Includes, name) {
			return true
		}
	}
	return false
}
