package commit

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sort"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// unit is what is appended to the log together: the events of one or several
// resources, with the claims and guards that make their constraints hold.
type unit struct {
	claims  map[string]*claimMove // by hash
	guards  []storage.Record
	events  []storage.Record
	staged  []*storage.Event      // those of events, in their order
	docs    []*model.Document     // of each, when it was read
	changes map[states.Key]change // the resources as the unit leaves them
	sync    bool                  // objects were put that the append does not sync
	early   bool                  // need not be durable before it is answered
}

type change struct {
	typ     *model.Type
	event   *storage.Event
	content []byte
	doc     *model.Document // of the content, when it was read
}

func newUnit() *unit {
	return &unit{claims: map[string]*claimMove{}, changes: map[states.Key]change{}}
}

// plan tells the unit of a step before any step is staged, so that they see
// each other.
func (u *unit) plan(t *model.Type, next Step) {
	u.changes[states.Key{Type: t.Name, ID: next.Event.Meta.ID}] = change{t, next.Event, next.Content, next.read()}
}

// claimMove is what becomes of one unique value: the holder before gives it up,
// another takes it, or both.
type claimMove struct {
	field   string // for the error
	take    *UniqueClaim
	release *states.Key
}

// UniqueClaim is the message that says which resource holds a unique value.
type UniqueClaim struct {
	Version    int    `json:"v"`
	Type       string `json:"type"`
	ID         string `json:"id"`
	Constraint string `json:"constraint"`
	Event      string `json:"event"`
	Live       bool   `json:"live"`
}

// add appends the event that follows a state.
func (u *unit) add(s states.State, e *storage.Event, doc *model.Document) error {
	data, err := e.Encode()
	if err != nil {
		return err
	}
	u.staged, u.docs = append(u.staged, e), append(u.docs, doc)
	u.events = append(u.events, storage.Record{Subject: storage.RevisionSubject(e.Meta.Type, e.Meta.ID), ID: e.ID, Expected: s.Seq(), AsOf: s.AsOf, Data: data})
	return nil
}

func (u *unit) move(hash string) *claimMove {
	m := u.claims[hash]
	if m == nil {
		m = &claimMove{}
		u.claims[hash] = m
	}
	return m
}

// records are the unit's messages in the order the log needs: what is checked
// against a subject comes before what writes it.
func (cl *Claims) records(ctx context.Context, u *unit) ([]storage.Record, error) {
	if len(u.claims) == 0 && len(u.guards) == 0 {
		return u.events, nil
	}
	out := u.guards
	hashes := make([]string, 0, len(u.claims))
	for h := range u.claims {
		hashes = append(hashes, h)
	}
	sort.Strings(hashes)
	for _, h := range hashes {
		r, err := cl.claimRecord(ctx, h, u.claims[h])
		if err != nil {
			return nil, err
		}
		if r != nil {
			out = append(out, *r)
		}
	}
	return append(out, u.events...), nil
}

// claimRecord compares a move with the current holder of the value. The record
// expects that no other write moves it meanwhile.
func (cl *Claims) claimRecord(ctx context.Context, hash string, move *claimMove) (*storage.Record, error) {
	subject := storage.ClaimSubject(hash)
	var now UniqueClaim
	asOf := cl.recent.Last()
	entry, err := cl.log.Last(ctx, subject)
	switch {
	case errors.Is(err, storage.ErrNotFound):
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(entry.Data, &now); err != nil {
			return nil, errors.Join(storage.ErrCorrupt, err)
		}
	}
	holder := states.Key{Type: now.Type, ID: now.ID}
	next := move.take
	switch {
	case next == nil:
		if !now.Live || holder != *move.release {
			return nil, nil // another resource has it by now
		}
		next = &now
		next.Live = false
	case now.Live && holder == (states.Key{Type: next.Type, ID: next.ID}):
		return nil, nil
	case now.Live && (move.release == nil || holder != *move.release) && cl.holds(ctx, holder, now.Constraint, hash):
		id := now.ID
		if ok, err := cl.Guard.MayRead(ctx, holder); err != nil {
			return nil, err
		} else if !ok {
			id = ""
		}
		return nil, Censored(ctx, cl.Guard, cl.types.Named(next.Type), &fault.Error{Code: fault.UniqueConflict, Field: move.field, ConflictingID: id,
			Detail: "another " + next.Type + " has this " + move.field})
	}
	data, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	return &storage.Record{Subject: subject, ID: states.NewUUID(), Expected: entry.Seq, AsOf: asOf, Data: data}, nil
}

// hold moves a unique value from what a resource may have held to what it holds
// from its event on; "" is none. Two operations of one unit that take one value are
// refused: no two live resources have the same, however many are written at once.
func (u *unit) hold(e *storage.Event, k states.Key, constraint, field string, before []string, now string, sure bool) error {
	if now != "" {
		if e.Claims == nil {
			e.Claims = map[string]string{}
		}
		e.Claims[constraint] = now
	}
	for _, old := range before {
		if old != now {
			u.move(old).release = &k
		}
	}
	if now == "" || sure && len(before) == 1 && before[0] == now {
		return nil
	}
	move := u.move(now)
	if move.take != nil && (states.Key{Type: move.take.Type, ID: move.take.ID}) != k {
		return &fault.Error{Code: fault.UniqueConflict, Field: field, Detail: "another operation of the batch takes this " + field}
	}
	move.field = field
	move.take = &UniqueClaim{Version: 1, Type: k.Type, ID: k.ID, Constraint: constraint, Event: e.ID, Live: true}
	return nil
}

// holds reports whether a resource really has the value that a claim says it
// has. It may not when the type was without the constraint for a while.
func (cl *Claims) holds(ctx context.Context, k states.Key, constraint, hash string) bool {
	s, err := cl.States.Head(ctx, k, true)
	if err != nil {
		return true // in doubt the claim stands
	}
	if !s.Exists() || s.Event.Meta.Deleted {
		return false
	}
	t := cl.types.Named(k.Type)
	if t == nil {
		return true
	}
	held, err := cl.Holdings(ctx, t, s)
	return err != nil || slices.Contains(held.now(constraint), hash)
}
