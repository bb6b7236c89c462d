package commit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Claims keeps unique values unique and references whole.
type Claims struct {
	Guard    *states.Guard
	States   *states.States
	hashKey  *atomic.Pointer[[]byte] // Options.ClaimKey, or that of what was restored
	index    states.Index
	log      storage.Log
	o        *states.Options
	progress *states.Progress
	recent   *states.Recent
	types    *registry.Types
}

// constrain adds to the unit what the step's constraints need: claims of unique
// values, guards of references, the guard of a delete.
func (cl *Claims) constrain(ctx context.Context, t *model.Type, s states.State, e *storage.Event, content []byte, u *unit) error {
	e.Claims, e.ClaimSet = nil, t.ClaimSet()
	k := states.Key{Type: t.Name, ID: e.Meta.ID}
	gone := e.Meta.Deleted || e.Action == storage.Purged
	if len(t.Unique) > 0 || len(t.Refs) > 0 || hasUniqueKey(s.Event) || hasUniqueKey(e) {
		var values map[string]query.Value
		if !gone && len(t.Unique)+len(t.Refs) > 0 {
			var err error
			if doc := u.changes[k].doc; doc.Holds(content) && doc.IsOf(t, e.Revision.SchemaVersion) {
				values = doc.Values()
			} else if values, err = t.ValuesAt(content, e.Revision.SchemaVersion); err != nil {
				return err
			}
		}
		if err := cl.claim(ctx, t, k, s, e, values, u); err != nil {
			return err
		}
		if err := cl.refer(ctx, t, k, s, e, values, u); err != nil {
			return err
		}
	}
	if e.Action == storage.Purged || gone && s.Exists() && !s.Event.Meta.Deleted {
		if err := cl.mayFollow(ctx, e, u); err != nil {
			return err
		}
	}
	if gone && s.Exists() && !s.Event.Meta.Deleted {
		return cl.unreferenced(ctx, k, s.Event.Meta.RevisionCount, u)
	}
	return nil
}

// claim moves the unique values from what the resource held to what it holds
// now. A null or missing value is not claimed.
func (cl *Claims) claim(ctx context.Context, t *model.Type, k states.Key, s states.State, e *storage.Event, values map[string]query.Value, u *unit) error {
	before, err := cl.Holdings(ctx, t, s)
	if err != nil {
		return err
	}
	for _, fields := range t.Unique {
		name := strings.Join(fields, ",")
		if err := u.hold(e, k, name, strings.Join(fields, ", "), before.Of[name], cl.ClaimHash(t.Name, name, fields, values), before.sure); err != nil {
			return err
		}
	}
	now := ""
	if hasUniqueKey(e) && !e.Meta.Deleted && e.Action != storage.Purged && !e.Meta.Job.State.Final() {
		now = cl.ClaimHash(k.Type, UniqueKeyConstraint, []string{UniqueKeyConstraint}, map[string]query.Value{UniqueKeyConstraint: e.Meta.Job.UniqueKey})
	}
	return u.hold(e, k, UniqueKeyConstraint, UniqueKeyConstraint, before.Of[UniqueKeyConstraint], now, true)
}

// UniqueKeyConstraint is the constraint that a job's unique key is claimed under: it is held
// from its creation, or its rerun, until the job is finished or deleted. No field
// has this name.
const UniqueKeyConstraint = "unique_key"

func hasUniqueKey(e *storage.Event) bool {
	return e != nil && e.Meta.Job != nil && e.Meta.Job.UniqueKey != ""
}

// ClaimHash hides the value behind a keyed hash, "" when a part is null.
func (cl *Claims) ClaimHash(typ, name string, fields []string, values map[string]query.Value) string {
	value, ok := model.UniqueKey(fields, values)
	if !ok {
		return ""
	}
	h := hmac.New(sha256.New, *cl.hashKey.Load())
	h.Write([]byte(typ + "\x00" + name + "\x00"))
	h.Write([]byte(value))
	return hex.EncodeToString(h.Sum(nil))
}

// refer checks that the references that are new exist and are not deleted. A
// restrict reference also announces itself, guarded by the target's head, so
// that a delete of the target and the reference cannot both be committed.
func (cl *Claims) refer(ctx context.Context, t *model.Type, k states.Key, s states.State, e *storage.Event, values map[string]query.Value, u *unit) error {
	if len(t.Refs) == 0 || values == nil {
		return nil
	}
	known := map[string]bool{} // path and target of the live state before
	if s.Exists() && (!s.Event.Meta.Deleted || e.Action == storage.Restored) {
		old, err := cl.States.ValuesNow(ctx, t, s.Event)
		if err != nil {
			return err
		}
		for path, ref := range t.Refs {
			if s.Event.Meta.Deleted && ref.OnDelete != model.Dangling { // the others would have followed their target
				continue
			}
			for _, v := range model.Targets(old[path]) {
				known[path+"\x00"+v] = true
			}
		}
	}
	var missing []fault.FieldError
	guarded := map[states.Key]bool{}
	for _, f := range t.Definition().Fields { // in a stable order
		ref, ok := t.Refs[f.Name]
		if !ok {
			continue
		}
		for _, v := range model.Targets(values[f.Name]) {
			if known[f.Name+"\x00"+v] {
				continue
			}
			target, head, err := cl.referred(ctx, ref, v, k, u)
			var absent *fault.Error
			if errors.As(err, &absent) && absent.Code == fault.NotFound {
				missing = append(missing, fault.FieldError{Pointer: "/" + strings.ReplaceAll(f.Name, ".", "/"), Detail: absent.Detail})
				continue
			}
			if err != nil {
				return err
			}
			if ref.OnDelete == model.Restrict && target != k && !guarded[target] {
				guarded[target] = true
				u.guards = append(u.guards, announce(k, target, head))
			}
		}
	}
	if len(missing) > 0 {
		return &fault.Error{Code: fault.DanglingReference, Detail: "a reference leads to nothing", Fields: missing}
	}
	return nil
}

// announce is the message of a restrict reference.
func announce(source, target states.Key, head states.State) storage.Record {
	sum := sha256.Sum256([]byte(source.Type + "\x00" + source.ID))
	return storage.Record{
		Subject: storage.ReferenceSubject(target.Type, target.ID, hex.EncodeToString(sum[:16])), ID: states.NewUUID(),
		Guard: storage.RevisionSubject(target.Type, target.ID), Expected: head.Seq(), AsOf: head.AsOf, Data: []byte(source.Type + "/" + source.ID),
	}
}

// referred finds the target of a reference and its state; the
// code not_found says what is missing. The unit's own resources count as they
// will be.
func (cl *Claims) referred(ctx context.Context, ref model.Ref, v string, source states.Key, u *unit) (target states.Key, s states.State, err error) {
	id, number, ok := ref.Target(v)
	if !ok {
		return target, s, fault.Errorf(fault.NotFound, "%q is no id of %s", v, ref.Type)
	}
	target = states.Key{Type: ref.Type, ID: id}
	if s, err = cl.States.Head(ctx, target, false); err != nil {
		return target, s, err
	}
	if !cl.o.Sole && (!s.Exists() || s.Event.Meta.Deleted) && !s.Fresh {
		if s, err = cl.States.Head(ctx, target, true); err != nil {
			return target, s, err
		}
	}
	if t := cl.types.Named(ref.Type); t != nil && s.Exists() {
		if _, own := u.changes[target]; !own {
			ok, err := cl.Guard.MayRefer(ctx, t, s.Event, number)
			if err != nil {
				return target, s, err
			}
			if !ok {
				return target, s, fault.Errorf(fault.NotFound, "there is no %s %q", ref.Type, id)
			}
		}
	}
	e := s.Event
	if own, ok := u.changes[target]; ok {
		e = own.event
	}
	switch {
	case e == nil || e.Action == storage.Purged:
		return target, s, fault.Errorf(fault.NotFound, "there is no %s %q", ref.Type, id)
	case e.Meta.Deleted:
		return target, s, fault.Errorf(fault.NotFound, "%s %q is deleted", ref.Type, id)
	case number > e.Meta.RevisionCount:
		return target, s, fault.Errorf(fault.NotFound, "%s %q has no revision %d", ref.Type, id, number)
	case number > 0 && number != e.Revision.Number:
		return target, s, cl.States.UnprunedNumber(ctx, target, number)
	}
	return target, s, nil
}

// unreferenced refuses the delete of a resource that restrict references lead
// to, and guards it against those that are being announced.
func (cl *Claims) unreferenced(ctx context.Context, target states.Key, revisions int, u *unit) error {
	restricted := false
	for _, r := range states.ReferrersTo(cl.types, target.Type) {
		restricted = restricted || r.Ref.OnDelete == model.Restrict
	}
	if !restricted {
		return nil
	}
	all := storage.ReferenceSubject(target.Type, target.ID, ">")
	entry, err := cl.log.Last(ctx, all)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	// The announcement comes before the event of its unit, so the index must be
	// past the unit, which was stored as one: past where the log ends now.
	state, err := cl.log.State(ctx)
	if err != nil {
		return err
	}
	if err := cl.progress.Wait(ctx, max(state.Last, cl.recent.Last())); err != nil {
		return err
	}
	for _, r := range states.ReferrersTo(cl.types, target.Type) {
		if r.Ref.OnDelete != model.Restrict {
			continue
		}
		rows, err := cl.sources(ctx, r, target, revisions, len(u.changes)+1)
		if err != nil {
			return err
		}
		for _, row := range rows {
			source := states.Key{Type: r.Type.Name, ID: row.ID}
			if own, ok := u.changes[source]; source == target || ok && !refersIn(r, own, target.ID) {
				continue
			}
			if ok, err := cl.Guard.MayRead(ctx, source); err != nil {
				return err
			} else if !ok || cl.Guard.Hides(ctx, r.Type, r.Path) {
				return &fault.Error{Code: fault.Referenced, Detail: "something refers to it"}
			}
			return &fault.Error{Code: fault.Referenced, Field: r.Path, ConflictingID: row.ID,
				Detail: fmt.Sprintf("%s refers to it by %s; change or delete that first", r.Type.Name, r.Path)}
		}
	}
	u.guards = append(u.guards, storage.Record{Subject: storage.ReferenceSubject(target.Type, target.ID, "delete"), ID: states.NewUUID(),
		Guard: all, Expected: entry.Seq})
	return nil
}

// refersIn reports whether a resource, as a unit leaves it, refers to the id.
func refersIn(r states.Referrer, c change, id string) bool {
	if c.event.Meta.Deleted {
		return false
	}
	tree, err := model.DecodeJSON(c.content)
	if err != nil {
		return true
	}
	_, found := r.Clear(tree, id)
	return found
}

// sources finds live resources whose field refers to the target.
func (cl *Claims) sources(ctx context.Context, r states.Referrer, target states.Key, revisions, limit int) ([]storage.Row, error) {
	page, err := cl.index.Search(ctx, storage.Search{Type: r.Type.Name, Filter: r.Filter(target.ID, revisions), Limit: limit,
		Order: cl.States.ByID(r.Type)})
	if err != nil {
		return nil, states.StoreError(err)
	}
	return page.Rows, nil
}

// Claimed is the id of the resource that holds unique values of a type, or held them
// last: the claim stays in the log, without the values, when its holder gives it up
// or is purged.
func (cl *Claims) Claimed(ctx context.Context, typ string, fields []string, values map[string]query.Value) (id string, known bool, err error) {
	hash := cl.ClaimHash(typ, strings.Join(fields, ","), fields, values)
	entry, err := cl.log.Last(ctx, storage.ClaimSubject(hash))
	if errors.Is(err, storage.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, states.StoreError(err)
	}
	var c UniqueClaim
	if err := json.Unmarshal(entry.Data, &c); err != nil {
		return "", false, states.StoreError(errors.Join(storage.ErrCorrupt, err))
	}
	return c.ID, true, nil
}
