package resource

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
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Claims keeps unique values unique and references whole.
type Claims struct {
	Guard     *Guard
	States    *States
	hashKey   *atomic.Pointer[[]byte] // Options.ClaimKey, or that of what was restored
	index     Index
	log       storage.Log
	o         *Options
	progress  *Progress
	recent    *recent
	referrers map[string][]referrer // by the type they refer to
	types     map[string]*model.Type
}

// A referrer is a field of a type that refers to another type.
type referrer struct {
	typ  *model.Type
	path string
	ref  model.Ref
}

// findReferrers lists, for each type, the fields that refer to it.
func findReferrers(types []*model.Type) map[string][]referrer {
	out := map[string][]referrer{}
	for _, t := range types {
		for path, ref := range t.Refs {
			out[ref.Type] = append(out[ref.Type], referrer{t, path, ref})
		}
	}
	return out
}

// constrain adds to the unit what the step's constraints need: claims of unique
// values, guards of references, the guard of a delete.
func (cl *Claims) constrain(ctx context.Context, t *model.Type, s state, e *storage.Event, content []byte, u *unit) error {
	e.Claims, e.ClaimSet = nil, t.ClaimSet()
	k := key{t.Name, e.Meta.ID}
	gone := e.Meta.Deleted || e.Action == storage.Purged
	if len(t.Unique) > 0 || len(t.Refs) > 0 || hasUniqueKey(s.event) || hasUniqueKey(e) {
		var values map[string]query.Value
		if !gone && len(t.Unique)+len(t.Refs) > 0 {
			var err error
			if values, err = t.ValuesAt(content, e.Revision.SchemaVersion); err != nil {
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
	if e.Action == storage.Purged || gone && s.exists() && !s.event.Meta.Deleted {
		if err := cl.mayFollow(ctx, e, u); err != nil {
			return err
		}
	}
	if gone && s.exists() && !s.event.Meta.Deleted {
		return cl.unreferenced(ctx, k, s.event.Meta.RevisionCount, u)
	}
	return nil
}

// claim moves the unique values from what the resource held to what it holds
// now. A null or missing value is not claimed.
func (cl *Claims) claim(ctx context.Context, t *model.Type, k key, s state, e *storage.Event, values map[string]query.Value, u *unit) error {
	before, err := cl.holdings(ctx, t, s)
	if err != nil {
		return err
	}
	for _, fields := range t.Unique {
		name := strings.Join(fields, ",")
		if err := u.hold(e, k, name, strings.Join(fields, ", "), before.of[name], cl.claimHash(t.Name, name, fields, values), before.sure); err != nil {
			return err
		}
	}
	now := ""
	if hasUniqueKey(e) && !e.Meta.Deleted && e.Action != storage.Purged && !e.Meta.Job.State.Final() {
		now = cl.claimHash(k.typ, uniqueKey, []string{uniqueKey}, map[string]query.Value{uniqueKey: e.Meta.Job.UniqueKey})
	}
	return u.hold(e, k, uniqueKey, uniqueKey, before.of[uniqueKey], now, true)
}

// uniqueKey is the constraint that a job's unique key is claimed under: it is held
// from its creation, or its rerun, until the job is finished or deleted. No field
// has this name.
const uniqueKey = "unique_key"

func hasUniqueKey(e *storage.Event) bool {
	return e != nil && e.Meta.Job != nil && e.Meta.Job.UniqueKey != ""
}

// claimHash hides the value behind a keyed hash, "" when a part is null.
func (cl *Claims) claimHash(typ, name string, fields []string, values map[string]query.Value) string {
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
func (cl *Claims) refer(ctx context.Context, t *model.Type, k key, s state, e *storage.Event, values map[string]query.Value, u *unit) error {
	if len(t.Refs) == 0 || values == nil {
		return nil
	}
	known := map[string]bool{} // path and target of the live state before
	if s.exists() && (!s.event.Meta.Deleted || e.Action == storage.Restored) {
		old, err := cl.States.valuesNow(ctx, t, s.event)
		if err != nil {
			return err
		}
		for path, ref := range t.Refs {
			if s.event.Meta.Deleted && ref.OnDelete != model.Dangling { // the others would have followed their target
				continue
			}
			for _, v := range model.Targets(old[path]) {
				known[path+"\x00"+v] = true
			}
		}
	}
	var missing []fault.FieldError
	guarded := map[key]bool{}
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
func announce(source, target key, head state) storage.Record {
	sum := sha256.Sum256([]byte(source.typ + "\x00" + source.id))
	return storage.Record{
		Subject: storage.ReferenceSubject(target.typ, target.id, hex.EncodeToString(sum[:16])), ID: newUUID(),
		Guard: storage.RevisionSubject(target.typ, target.id), Expected: head.seq(), AsOf: head.asOf, Data: []byte(source.typ + "/" + source.id),
	}
}

// referred finds the target of a reference and its state; the
// code not_found says what is missing. The unit's own resources count as they
// will be.
func (cl *Claims) referred(ctx context.Context, ref model.Ref, v string, source key, u *unit) (target key, s state, err error) {
	id, number, ok := ref.Target(v)
	if !ok {
		return target, s, fault.Errorf(fault.NotFound, "%q is no id of %s", v, ref.Type)
	}
	target = key{ref.Type, id}
	if s, err = cl.States.head(ctx, target, false); err != nil {
		return target, s, err
	}
	if !cl.o.Sole && (!s.exists() || s.event.Meta.Deleted) && !s.fresh {
		if s, err = cl.States.head(ctx, target, true); err != nil {
			return target, s, err
		}
	}
	if t := cl.types[ref.Type]; t != nil && s.exists() {
		if _, own := u.changes[target]; !own {
			ok, err := cl.Guard.readable(ctx, t, s.event)
			if err != nil {
				return target, s, err
			}
			if !ok {
				return target, s, fault.Errorf(fault.NotFound, "there is no %s %q", ref.Type, id)
			}
		}
	}
	e := s.event
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
	}
	return target, s, nil
}

// unreferenced refuses the delete of a resource that restrict references lead
// to, and guards it against those that are being announced.
func (cl *Claims) unreferenced(ctx context.Context, target key, revisions int, u *unit) error {
	restricted := false
	for _, r := range cl.referrers[target.typ] {
		restricted = restricted || r.ref.OnDelete == model.Restrict
	}
	if !restricted {
		return nil
	}
	all := storage.ReferenceSubject(target.typ, target.id, ">")
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
	if err := cl.progress.Wait(ctx, max(state.Last, cl.recent.last())); err != nil {
		return err
	}
	for _, r := range cl.referrers[target.typ] {
		if r.ref.OnDelete != model.Restrict {
			continue
		}
		rows, err := cl.sources(ctx, r, target, revisions, len(u.changes)+1)
		if err != nil {
			return err
		}
		for _, row := range rows {
			source := key{r.typ.Name, row.ID}
			if own, ok := u.changes[source]; source == target || ok && !r.refersIn(own, target.id) {
				continue
			}
			if ok, err := cl.Guard.mayRead(ctx, source); err != nil {
				return err
			} else if !ok || cl.Guard.hides(ctx, r.typ, r.path) {
				return &fault.Error{Code: fault.Referenced, Detail: "something refers to it"}
			}
			return &fault.Error{Code: fault.Referenced, Field: r.path, ConflictingID: row.ID,
				Detail: fmt.Sprintf("%s refers to it by %s; change or delete that first", r.typ.Name, r.path)}
		}
	}
	u.guards = append(u.guards, storage.Record{Subject: storage.ReferenceSubject(target.typ, target.id, "delete"), ID: newUUID(),
		Guard: all, Expected: entry.Seq})
	return nil
}

// refersIn reports whether a resource, as a unit leaves it, refers to the id.
func (r referrer) refersIn(c change, id string) bool {
	if c.event.Meta.Deleted {
		return false
	}
	tree, err := model.DecodeJSON(c.content)
	if err != nil {
		return true
	}
	_, found := r.clear(tree, id)
	return found
}

// sources finds live resources whose field refers to the target.
func (cl *Claims) sources(ctx context.Context, r referrer, target key, revisions, limit int) ([]storage.Row, error) {
	page, err := cl.index.Search(ctx, storage.Search{Type: r.typ.Name, Filter: r.filter(target.id, revisions), Limit: limit,
		Order: cl.States.byID(r.typ)})
	if err != nil {
		return nil, stored(err)
	}
	return page.Rows, nil
}

func (st *States) byID(t *model.Type) query.Order {
	f, _ := t.Definition().QueryFields().Lookup("meta.id")
	return query.Order{{Field: f}}
}

// maxRevisionRefs bounds how many revisions of a target a list of revision
// references is searched for.
const maxRevisionRefs = 900

// filter matches the sources of a target that has had so many revisions.
func (r referrer) filter(id string, revisions int) query.Expr {
	f, _ := r.typ.Definition().QueryFields().Lookup(r.path)
	switch {
	case !f.List && !r.ref.Revision:
		return query.Compare{Field: f, Op: query.Equal, Value: id}
	case !f.List:
		return query.Or{Terms: []query.Expr{query.Compare{Field: f, Op: query.Equal, Value: id},
			query.TextMatch{Field: f, Match: query.StartsWith, Pattern: id + ":"}}}
	case !r.ref.Revision || revisions == 0:
		return query.Has{Field: f, Value: id}
	}
	any := query.Or{Terms: []query.Expr{query.Has{Field: f, Value: id}}}
	for n := revisions; n > 0 && n > revisions-maxRevisionRefs; n-- {
		any.Terms = append(any.Terms, query.Has{Field: f, Value: revisionID(id, n)})
	}
	return any
}

// claimed is the id of the resource that holds unique values of a type, or held them
// last: the claim stays in the log, without the values, when its holder gives it up
// or is purged.
func (cl *Claims) claimed(ctx context.Context, typ string, fields []string, values map[string]query.Value) (id string, known bool, err error) {
	hash := cl.claimHash(typ, strings.Join(fields, ","), fields, values)
	entry, err := cl.log.Last(ctx, storage.ClaimSubject(hash))
	if errors.Is(err, storage.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, stored(err)
	}
	var c claim
	if err := json.Unmarshal(entry.Data, &c); err != nil {
		return "", false, stored(errors.Join(storage.ErrCorrupt, err))
	}
	return c.ID, true, nil
}

func (r referrer) carries() bool {
	return r.ref.OnDelete == model.Cascade || r.ref.OnDelete == model.SetNull
}

// clear returns the document without references to the id, and whether there
// were any.
func (r referrer) clear(tree any, id string) (any, bool) {
	found := false
	refers := func(v any) bool {
		s, ok := v.(string)
		if !ok {
			return false
		}
		got, _, ok := r.ref.Target(s)
		return ok && got == id
	}
	var walk func(v any, names []string) any
	nullable := r.typ.Nullable(r.path)
	walk = func(v any, names []string) any {
		switch v := v.(type) {
		case []any:
			out := []any{}
			for _, x := range v {
				if len(names) == 0 && refers(x) {
					found = true
					continue
				}
				out = append(out, walk(x, names))
			}
			return out
		case map[string]any:
			if len(names) == 0 {
				return v
			}
			out := make(map[string]any, len(v))
			for k, x := range v {
				if k == names[0] {
					before := found
					if x = walk(x, names[1:]); x == nil && found != before && !nullable {
						continue // optional, but not null
					}
				}
				out[k] = x
			}
			return out
		}
		if len(names) == 0 && refers(v) {
			found = true
			return nil
		}
		return v
	}
	return walk(tree, model.SplitPath(r.path)), found
}
