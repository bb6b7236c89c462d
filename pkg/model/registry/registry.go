// Package registry holds the types that are served. They are replaced as a whole, at one
// moment, while requests go on.
package registry

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Types are the types that are served. Its methods are safe for concurrent use.
type Types struct {
	now     atomic.Pointer[snapshot]
	commits sync.RWMutex
}

// snapshot is never changed.
type snapshot struct {
	named map[string]*model.Type
	all   []*model.Type // by name
	names []string
	// version grows with every replacement.
	version uint64
	over    chan struct{} // closed when others are in its place
}

// New begins with these types.
func New(types []*model.Type) *Types {
	r := &Types{}
	r.now.Store(of(types))
	return r
}

func of(types []*model.Type) *snapshot {
	s := &snapshot{named: make(map[string]*model.Type, len(types)), all: slices.Clone(types), over: make(chan struct{})}
	slices.SortFunc(s.all, func(a, b *model.Type) int { return strings.Compare(a.Name, b.Name) })
	for _, t := range s.all {
		s.named[t.Name] = t
		s.names = append(s.names, t.Name)
	}
	return s
}

// Named is the type of a name; nil when there is none.
func (r *Types) Named(name string) *model.Type { return r.now.Load().named[name] }

// IsBuiltin reports whether a name is that of a type of the program itself.
func (r *Types) IsBuiltin(name string) bool {
	if t := r.Named(name); t != nil {
		return t.Builtin
	}
	return model.IsBuiltin(name)
}

// All lists the types by name. The list is not to be changed.
func (r *Types) All() []*model.Type { return r.now.Load().all }

// Names lists the names of the types in order. The list is not to be changed.
func (r *Types) Names() []string { return r.now.Load().names }

// Version tells the types of one moment from those of another.
func (r *Types) Version() uint64 { return r.now.Load().version }

// Changed is closed when the types of now are replaced.
func (r *Types) Changed() <-chan struct{} { return r.now.Load().over }

// Current is the newest form of a type; the given one where its model is gone.
func (r *Types) Current(t *model.Type) *model.Type {
	if now := r.Named(t.Name); now != nil {
		return now
	}
	return t
}

// Commit holds the types as they are until release is called. It is for the moment of a
// commit and no longer: a replacement waits for it.
func (r *Types) Commit() (release func()) {
	r.commits.RLock()
	return r.commits.RUnlock
}

// Replace puts other types in their place while nothing is committed. last, if not nil,
// runs with the new ones in place and may refuse them: then the old ones stay.
func (r *Types) Replace(types []*model.Type, last func() error) error {
	r.commits.Lock()
	defer r.commits.Unlock()
	before, next := r.now.Load(), of(types)
	next.version = before.version + 1
	r.now.Store(next)
	if last != nil {
		if err := last(); err != nil {
			r.now.Store(before)
			close(next.over)
			return err
		}
	}
	close(before.over)
	return nil
}
