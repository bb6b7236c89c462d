package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// purgeAtOnce is how many events a purge erases before it answers. Each costs
// up to 25 ms; a longer history is erased in the background.
const purgeAtOnce = 100

// PurgeResult is what became of a purge.
type PurgeResult struct {
	Seq  uint64           // of the tombstone
	Done bool             // everything is erased
	Job  *states.Resource // of the erasing, when it is not done and jobs are served
}

// Purge erases a resource for good: its revisions, its history, its place in
// the index. What stays is one event without content that says so. A long
// history is erased in the background; the resource is gone all the same.
func (up *Upkeep) Purge(ctx context.Context, typ, id string, match commit.Match) (out PurgeResult, err error) {
	t, err := up.States.Find(typ, id)
	if err != nil {
		return out, err
	}
	if err := up.Guard.May(ctx, t, "purge"); err != nil {
		return out, err
	}
	if err := up.States.Freshen(ctx, states.Default, 0); err != nil {
		return out, err
	}
	history, err := up.index.Events(ctx, storage.EventQuery{Type: typ, ID: id, Limit: purgeAtOnce + 1})
	if err != nil {
		return out, states.StoreError(err)
	}
	gone, err := up.Writer.Write(ctx, t, id, commit.Plan{Action: "purge", Make: func(ctx context.Context, w *commit.Mutation, s states.State) (commit.Step, error) {
		if !s.Exists() {
			return commit.Step{}, states.RequireLive(t, id, s)
		}
		if err := match.Check(t, s); err != nil {
			return commit.Step{}, err
		}
		return up.Writer.Tombstone(ctx, s)
	}})
	if err != nil {
		return out, err
	}
	e := gone.Event
	out.Seq = e.Seq
	if len(history) > purgeAtOnce { // upkeep does it, or the job, whichever comes first
		out.Job, err = up.queuePurge(ctx, states.Key{Type: typ, ID: id})
		return out, err
	}
	ctx, cancel := states.Committing(ctx)
	defer cancel()
	if err := up.eraseNow(ctx, e); err != nil {
		up.o.Logger.WarnContext(ctx, "erasing goes on in the background", "type", typ, "id", id, "error", err)
		out.Job, err = up.queuePurge(ctx, states.Key{Type: typ, ID: id})
		return out, err
	}
	out.Done = true
	return out, up.progress.Wait(ctx, e.Seq)
}

// eraseWait is how long a purge waits for another process to erase.
const eraseWait = 5 * time.Second

// eraseNow erases, or waits until the process that may has done it.
func (up *Upkeep) eraseNow(ctx context.Context, tombstone *storage.Event) error {
	if !up.o.NoErase {
		return up.erase(ctx, tombstone)
	}
	ctx, cancel := context.WithTimeout(ctx, eraseWait)
	defer cancel()
	for {
		at, _, err := up.upkeepMark(ctx)
		if err != nil || at >= tombstone.Seq {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("upkeep is at %d: %w", at, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// erase destroys what is before a tombstone: the revision objects, then the
// events that lead to them, then what was told outside. It can be repeated.
func (up *Upkeep) erase(ctx context.Context, tombstone *storage.Event) error {
	subject := storage.RevisionSubject(tombstone.Meta.Type, tombstone.Meta.ID)
	gone, binaries := map[string]bool{}, map[string]bool{}
	var seqs []uint64
	for seq := uint64(1); ; {
		entry, err := up.log.Next(ctx, subject, seq)
		if errors.Is(err, storage.ErrNotFound) || err == nil && entry.Seq >= tombstone.Seq {
			break
		}
		if err != nil {
			return err
		}
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err != nil {
			return err
		}
		if e.Ref != "" && !gone[e.Ref] {
			gone[e.Ref] = true
			if err := up.blobs.Delete(ctx, e.Ref); err != nil {
				return fmt.Errorf("erase the object of revision %s: %w", e.Revision.ID, err)
			}
		}
		for _, d := range e.Binaries {
			binaries[d] = true
		}
		seqs = append(seqs, entry.Seq)
		seq = entry.Seq + 1
	}
	for d := range binaries { // the index holds the tombstone by then, so only others count
		if up.leaving.Load() {
			break
		}
		if err := up.States.WaitIndexed(ctx, tombstone.Seq); err != nil {
			return err
		}
		if _, err := up.Binaries.SweepBinary(ctx, d); err != nil {
			return err
		}
	}
	if t := up.types.Named(tombstone.Meta.Type); t != nil && t.Job != nil && up.o.JobLogs != nil {
		if err := up.o.JobLogs.Erase(ctx, tombstone.Meta.Type, tombstone.Meta.ID); err != nil {
			return fmt.Errorf("erase the log of the job: %w", err)
		}
	}
	if up.o.Archive != nil && tombstone.Cause != archive.RetentionCause {
		if err := archive.NewReader(up.o.Archive).Forget(ctx, subject, seqs, tombstone.Seq); err != nil {
			return fmt.Errorf("erase from the archive: %w", err)
		}
	}
	remove := up.log.Erase
	if tombstone.Cause == archive.RetentionCause {
		remove = up.log.Forget
	}
	if _, err := remove(ctx, subject, tombstone.Seq); err != nil {
		return err
	}
	if up.o.Outward == nil || up.types.IsBuiltin(tombstone.Meta.Type) {
		return nil
	}
	if _, err := up.o.Outward.Erase(ctx, tombstone); err != nil || up.o.Deliveries == nil {
		return err
	}
	_, err := up.o.Deliveries.Erase(ctx, tombstone.Meta.Type, tombstone.Meta.ID)
	return err
}

// queuePurge makes the job that tells how a long erasing goes; nil when the
// program does not serve bulk jobs.
func (up *Upkeep) queuePurge(ctx context.Context, k states.Key) (*states.Resource, error) {
	if up.types.Named(BulkJobs) == nil {
		return nil, nil
	}
	return up.Writer.Create(policy.AsProgram(commit.WithoutKey(ctx)), BulkJobs, map[string]any{"op": "purge", "type": k.Type, "id": k.ID}, commit.CreateOptions{})
}
