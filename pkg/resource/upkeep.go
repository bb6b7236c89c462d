package resource

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Upkeep does afterwards what takes long: what follows deletes, erasing, expiry, the
// sweep of binaries.
type Upkeep struct {
	Binaries   *BinaryStore
	Guard      *Guard
	Jobs       *Jobs
	States     *States
	Writer     *Writer
	blobs      storage.Blobs
	gone       gone
	index      Index
	leaving    atomic.Bool // purges leave binaries to the sweep
	log        storage.Log
	m          *Manager
	names      []string // of the types, sorted
	o          *Options
	progress   *Progress
	referrers  map[string][]referrer // by the type they refer to
	strategies Strategies
	types      map[string]*model.Type
}

// NewUpkeep is the upkeep of a Manager.
func NewUpkeep(m *Manager, jobs *Jobs) *Upkeep {
	up := &Upkeep{Binaries: m.parts.Binaries, Guard: m.parts.Guard, Jobs: jobs, States: m.parts.States, Writer: m.parts.Writer, blobs: m.parts.Core.Blobs, index: m.parts.Core.Index, log: m.parts.Core.Log, m: m, names: m.parts.Core.Names, o: m.parts.Core.Options, progress: m.parts.Core.Progress, referrers: m.parts.Core.Referrers, strategies: m.parts.Core.Strategies, types: m.parts.Core.Types}
	return up
}

// Upkeep follows the log and finishes what a write began: it erases what a
// purge left behind, and carries deletes on to those that refer by cascade or
// set_null. It keeps its place in the log, so that it goes on after a crash;
// everything it does can be repeated, so two at once do no harm.
func (up *Upkeep) Upkeep(ctx context.Context) error {
	restart.Loop{Failed: func(err error, _ time.Duration) {
		up.o.Logger.WarnContext(ctx, "upkeep begins again", "error", err)
	}}.Run(ctx, up.upkeep)
	return nil
}

var errLoaded = errors.New("the log is being filled")

// markEvery is how many entries may be looked at again after a crash.
const markEvery = 5000

// upkeepMark is up to where upkeep is done, and the sequence of the entry that
// says so.
func (up *Upkeep) upkeepMark(ctx context.Context) (done, seq uint64, err error) {
	entry, err := up.log.Last(ctx, storage.SystemSubject(archive.UpkeepSubject))
	if errors.Is(err, storage.ErrNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	var at archive.UpkeepMark
	err = json.Unmarshal(entry.Data, &at)
	return at.Done, entry.Seq, err
}

func (up *Upkeep) upkeep(ctx context.Context) error {
	subject := storage.SystemSubject(archive.UpkeepSubject)
	if err := archive.AwaitLoaded(ctx, up.log); err != nil {
		return err
	}
	marked, seq, err := up.upkeepMark(ctx)
	if err != nil {
		return err
	}
	feed, err := up.log.Follow(ctx, marked+1)
	if err != nil {
		return err
	}
	defer feed.Close()
	_, began, err := archive.Loading(ctx, up.log)
	if err != nil {
		return err
	}
	for {
		entry, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		if entry.Subject == archive.LoadSubject && entry.Seq > began {
			return errLoaded // with it came a new mark
		}
		worked, err := up.carryOn(ctx, entry)
		if err != nil {
			return err
		}
		if !worked && entry.Seq-marked < markEvery {
			continue
		}
		data, err := json.Marshal(archive.UpkeepMark{Done: entry.Seq})
		if err != nil {
			return err
		}
		next, err := up.log.Append(ctx, []storage.Record{{Subject: subject, ID: newUUID(), Expected: seq, Data: data}})
		if err != nil {
			return err // another upkeep is as far: begin at its place
		}
		seq, marked = next, entry.Seq
	}
}

// carryOn does what an entry asks for and reports whether that was anything.
func (up *Upkeep) carryOn(ctx context.Context, entry storage.Entry) (bool, error) {
	typ, _, ok := storage.SplitRevisionSubject(entry.Subject)
	if !ok {
		return false, nil
	}
	t := up.types[typ]
	follows := up.follows(typ)
	if !follows && (t == nil || !t.Carries()) && !archive.MayErase(entry.Data) {
		return false, nil
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return false, nil //nolint:nilerr // the indexer counts and logs it
	}
	switch {
	case e.Action == storage.Purged:
		if err := up.erase(ctx, e); err != nil {
			return false, err
		}
		fallthrough
	case e.Action == storage.Deleted:
		return true, up.cascade(ctx, e)
	case t != nil && t.Carries() && !e.Meta.Deleted:
		return up.late(ctx, t, e)
	}
	return false, nil
}

// follows reports whether deletes of a type are carried on.
func (up *Upkeep) follows(typ string) bool {
	for _, r := range up.referrers[typ] {
		if r.carries() {
			return true
		}
	}
	return false
}

// cascadePage is how many referring resources are changed before the next are
// looked for.
const cascadePage = 200

// cascade changes every resource that refers to a deleted or purged one. What
// refers to it later is met by late. A cycle ends because what is deleted
// already is left alone.
func (up *Upkeep) cascade(ctx context.Context, e *storage.Event) error {
	target := key{e.Meta.Type, e.Meta.ID}
	if !up.follows(target.typ) {
		return nil
	}
	gone, err := up.States.stillGone(ctx, target)
	if err != nil || !gone {
		return err
	}
	if err := up.States.waitIndexed(ctx, e.Seq); err != nil {
		return err
	}
	for _, r := range up.referrers[target.typ] {
		if !r.carries() {
			continue
		}
		q := storage.Search{Type: r.typ.Name, Filter: r.filter(target.id, e.Meta.RevisionCount), Limit: cascadePage, Order: up.States.byID(r.typ), Bare: true}
		if e.Action == storage.Purged && r.ref.OnDelete == model.Cascade {
			q.Deletion = storage.LiveAndDeleted
		}
		for {
			page, err := up.index.Search(ctx, q)
			if err != nil {
				return stored(err)
			}
			for _, row := range page.Rows {
				if err := up.carry(ctx, r, row.ID, target, e); err != nil {
					return err
				}
			}
			if q.After = page.Next; q.After == nil {
				break
			}
		}
	}
	return nil
}

// late treats a reference that landed after its target's delete as one before.
func (up *Upkeep) late(ctx context.Context, t *model.Type, e *storage.Event) (worked bool, err error) {
	content, err := up.States.content(ctx, e)
	if err != nil {
		return false, nil //nolint:nilerr // purged meanwhile, or damaged: the reader of it says so
	}
	values, err := t.ValuesAt(content, e.Revision.SchemaVersion)
	if err != nil {
		return false, nil //nolint:nilerr // content of an older schema
	}
	for path, ref := range t.Refs {
		r := referrer{t, path, ref}
		if !r.carries() {
			continue
		}
		for _, v := range model.Targets(values[path]) {
			id, _, ok := ref.Target(v)
			if !ok {
				continue
			}
			target := key{ref.Type, id}
			if err := up.States.waitIndexed(ctx, e.Seq); err != nil {
				return worked, err
			}
			s, err := up.States.indexed(ctx, target)
			if err != nil {
				return worked, err
			}
			if s.last == nil || s.exists() && !s.event.Meta.Deleted {
				continue
			}
			if err := up.carry(ctx, r, e.Meta.ID, target, s.last); err != nil {
				return worked, err
			}
			worked = true
		}
	}
	return worked, nil
}

// carry changes one referring resource, in the name of the principal that deleted
// the target: a cascade does to it what was done to the target, set_null empties the
// reference. A resource that no longer refers is left alone, and so is one whose
// target is back by the time its own state was read: a unit may bring both back.
func (up *Upkeep) carry(ctx context.Context, r referrer, id string, target key, cause *storage.Event) error {
	ctx = policy.WithActor(ctx, policy.Actor{Principal: cause.Principal, RequestID: cause.RequestID, Address: cause.Address, UserAgent: cause.UserAgent})
	purge := r.ref.OnDelete == model.Cascade && cause.Action == storage.Purged
	_, err := up.Writer.write(ctx, r.typ, id, plan{action: "", make: func(ctx context.Context, w *mutation, s state) (step, error) {
		if err := live(r.typ, id, s); err != nil && (!purge || fault.CodeOf(err) != fault.Deleted) {
			return step{}, err
		}
		if gone, err := up.States.stillGone(ctx, target); err != nil || !gone {
			return step{}, err
		}
		version := r.typ.Version
		content, err := up.States.contentNow(ctx, r.typ, s.event)
		if fault.CodeOf(err) == fault.InvalidState { // no migration fits it: as it was stored
			version = s.event.Revision.SchemaVersion
			content, err = up.States.content(ctx, s.event)
		}
		if err != nil {
			return step{}, err
		}
		tree, err := model.DecodeJSON(content)
		if err != nil {
			return step{}, err
		}
		cleared, found := r.clear(tree, target.id)
		var next step
		switch {
		case !found:
			return step{}, nil
		case purge:
			if next, err = up.Writer.tombstone(ctx, s); err != nil {
				return step{}, err
			}
		case r.ref.OnDelete == model.Cascade:
			if content, err = up.States.content(ctx, s.event); err != nil {
				return step{}, err
			}
			next = step{event: successor(s, storage.Deleted), content: content}
			next.event.Meta.Deleted = true
			stopJob(next.event, up.States.now())
		default:
			next = up.Writer.nextRevision(r.typ, s, model.AppendCanonical(nil, cleared), s.event.Revision.Status, "")
			next.event.Meta.SchemaVersion, next.event.Revision.SchemaVersion = version, version
		}
		next.event.Cause = cause.ID
		return next, nil
	}})
	switch fault.CodeOf(err) {
	case fault.Deleted, fault.NotFound:
		return nil
	case fault.Referenced: // by a restrict reference: it stays, and so does its reference
		up.o.Logger.WarnContext(ctx, "a cascade stops at a restrict reference", "type", r.typ.Name, "id", id, "error", err)
		return nil
	}
	return err
}
