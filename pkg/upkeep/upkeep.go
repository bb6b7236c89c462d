package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/retention"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Upkeep does afterwards what takes long: what follows deletes, erasing, expiry, the
// sweep of binaries.
type Upkeep struct {
	Binaries   *commit.BinaryStore
	Guard      *states.Guard
	Jobs       *jobs.Jobs
	Retention  *retention.Keeper
	States     *states.States
	Writer     *commit.Writer
	blobs      storage.Blobs
	gone       gone
	index      states.Index
	leaving    atomic.Bool // purges leave binaries to the sweep
	log        storage.Log
	o          *states.Options
	progress   *states.Progress
	strategies states.Strategies
	types      *registry.Types
}

// New is the upkeep of a Manager.
func New(p commit.Parts, jobs *jobs.Jobs) *Upkeep {
	up := &Upkeep{Binaries: p.Binaries, Guard: p.Guard, Jobs: jobs, States: p.States, Writer: p.Writer, blobs: p.Core.Blobs, index: p.Core.Index, log: p.Core.Log, o: p.Core.Options, progress: p.Core.Progress, strategies: p.Core.Strategies, types: p.Core.Types}
	up.Retention = retention.New(up.retains())
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
		next, err := up.log.Append(ctx, []storage.Record{{Subject: subject, ID: states.NewUUID(), Expected: seq, Data: data}})
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
		if storage.IsPruned(entry.Subject) {
			return true, up.Retention.Erase(ctx, entry)
		}
		return false, nil
	}
	t := up.types.Named(typ)
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
	for _, r := range states.ReferrersTo(up.types, typ) {
		if r.Carries() {
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
	target := states.Key{Type: e.Meta.Type, ID: e.Meta.ID}
	if !up.follows(target.Type) {
		return nil
	}
	gone, err := up.States.StillGone(ctx, target)
	if err != nil || !gone {
		return err
	}
	if err := up.States.WaitIndexed(ctx, e.Seq); err != nil {
		return err
	}
	for _, r := range states.ReferrersTo(up.types, target.Type) {
		if !r.Carries() {
			continue
		}
		q := storage.Search{Type: r.Type.Name, Filter: r.Filter(target.ID, e.Meta.RevisionCount), Limit: cascadePage, Order: up.States.ByID(r.Type), Bare: true}
		if e.Action == storage.Purged && r.Ref.OnDelete == model.Cascade {
			q.Deletion = storage.LiveAndDeleted
		}
		for {
			page, err := up.index.Search(ctx, q)
			if err != nil {
				return states.StoreError(err)
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
	if e.Emptied() {
		return false, nil
	}
	content, err := up.States.Content(ctx, e)
	if err != nil {
		return false, nil //nolint:nilerr // purged meanwhile, or damaged: the reader of it says so
	}
	values, err := t.ValuesAt(content, e.Revision.SchemaVersion)
	if err != nil {
		return false, nil //nolint:nilerr // content of an older schema
	}
	for path, ref := range t.Refs {
		r := states.Referrer{Type: t, Path: path, Ref: ref}
		if !r.Carries() {
			continue
		}
		for _, v := range model.Targets(values[path]) {
			id, _, ok := ref.Target(v)
			if !ok {
				continue
			}
			target := states.Key{Type: ref.Type, ID: id}
			if err := up.States.WaitIndexed(ctx, e.Seq); err != nil {
				return worked, err
			}
			s, err := up.States.Indexed(ctx, target)
			if err != nil {
				return worked, err
			}
			if s.Last == nil || s.Exists() && !s.Event.Meta.Deleted {
				continue
			}
			if err := up.carry(ctx, r, e.Meta.ID, target, s.Last); err != nil {
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
func (up *Upkeep) carry(ctx context.Context, r states.Referrer, id string, target states.Key, cause *storage.Event) error {
	ctx = policy.WithActor(ctx, policy.Actor{Principal: cause.Principal, RequestID: cause.RequestID, Address: cause.Address, UserAgent: cause.UserAgent})
	purge := r.Ref.OnDelete == model.Cascade && cause.Action == storage.Purged
	_, err := up.Writer.Write(ctx, r.Type, id, commit.Plan{Action: "", Make: func(ctx context.Context, w *commit.Mutation, s states.State) (commit.Step, error) {
		if err := states.RequireLive(r.Type, id, s); err != nil && (!purge || fault.CodeOf(err) != fault.Deleted) {
			return commit.Step{}, err
		}
		if gone, err := up.States.StillGone(ctx, target); err != nil || !gone {
			return commit.Step{}, err
		}
		version := r.Type.Version
		content, err := up.States.ContentNow(ctx, r.Type, s.Event)
		if fault.CodeOf(err) == fault.InvalidState { // no migration fits it: as it was stored
			version = s.Event.Revision.SchemaVersion
			content, err = up.States.Content(ctx, s.Event)
		}
		if err != nil {
			return commit.Step{}, err
		}
		tree, err := model.DecodeJSON(content)
		if err != nil {
			return commit.Step{}, err
		}
		cleared, found := r.Clear(tree, target.ID)
		var next commit.Step
		switch {
		case !found:
			return commit.Step{}, nil
		case purge:
			if next, err = up.Writer.Tombstone(ctx, s); err != nil {
				return commit.Step{}, err
			}
		case r.Ref.OnDelete == model.Cascade:
			if content, err = up.States.Content(ctx, s.Event); err != nil {
				return commit.Step{}, err
			}
			next = commit.Step{Event: commit.Successor(s, storage.Deleted), Content: content}
			next.Event.Meta.Deleted = true
			commit.StopJob(next.Event, up.States.Now())
		default:
			next = up.Writer.NextRevision(r.Type, s, model.AppendCanonical(nil, cleared), s.Event.Revision.Status, "")
			next.Event.Meta.SchemaVersion, next.Event.Revision.SchemaVersion = version, version
			next.Cleared = true
		}
		next.Event.Cause = cause.ID
		return next, nil
	}})
	switch fault.CodeOf(err) {
	case fault.Deleted, fault.NotFound:
		return nil
	case fault.Referenced: // by a restrict reference: it stays, and so does its reference
		up.o.Logger.WarnContext(ctx, "a cascade stops at a restrict reference", "type", r.Type.Name, "id", id, "error", err)
		return nil
	}
	return err
}
