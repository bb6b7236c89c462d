package commit

import (
	"context"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// maxAfter is how many jobs one waits for.
const maxAfter = 100

// checkAfter refuses to wait for what is not there.
func (wr *Writer) checkAfter(ctx context.Context, t *model.Type, after []string) error {
	if len(after) > maxAfter {
		return fault.Errorf(fault.InvalidRequest, "a job waits for at most %d others", maxAfter)
	}
	for _, name := range after {
		k, err := jobNamed(t, name)
		if err != nil {
			return err
		}
		parent := wr.types.Named(k.Type)
		if parent == nil || parent.Job == nil {
			return fault.Errorf(fault.InvalidRequest, "after: %q is no type of jobs", k.Type)
		}
		s, err := wr.States.Head(ctx, k, false)
		if err == nil && !s.Exists() && !s.Fresh {
			s, err = wr.States.Head(ctx, k, true)
		}
		if err != nil {
			return err
		}
		if s.Exists() {
			if ok, err := wr.Guard.Readable(ctx, parent, s.Event); err != nil {
				return err
			} else if !ok {
				s = states.State{}
			}
		}
		if !s.Exists() || s.Event.Meta.Deleted || s.Event.Meta.Job == nil {
			return fault.Errorf(fault.DanglingReference, "after: there is no job %q of %s", k.ID, k.Type)
		}
	}
	return nil
}

// newJob is the state a job begins with.
func (wr *Writer) newJob(t *model.Type, content []byte, o JobOptions) (*storage.Job, error) {
	now := wr.States.Now()
	j := &storage.Job{State: storage.JobPending, Queue: t.Job.Queue, Priority: o.Priority, MaxAttempts: t.Job.MaxAttempts, RunAt: now,
		UniqueKey: o.UniqueKey, Schedule: o.Schedule}
	if o.MaxAttempts > 0 {
		j.MaxAttempts = o.MaxAttempts
	}
	if o.RunAt.After(now) {
		j.RunAt, j.State = o.RunAt.UTC().Truncate(time.Microsecond), storage.JobScheduled
	}
	j.QueuedAt = j.RunAt
	for _, name := range o.After {
		k, err := jobNamed(t, name)
		if err != nil {
			return nil, err
		}
		j.After, j.State = append(j.After, k.Type+"/"+k.ID), storage.JobScheduled
	}
	var err error
	j.ConcurrencyKey, err = t.ConcurrencyKey(content)
	return j, err
}

// StopJob makes the delete of a running job end its attempt. What waits goes on
// to wait, for a restore.
func StopJob(e *storage.Event, now time.Time) {
	if j := e.Meta.Job; j != nil && j.State == storage.JobRunning {
		j.State, j.FinishedAt, j.Worker = storage.JobStateCancel, &now, ""
		e.Attempt, e.LeaseUntil = "", nil
	}
}

// jobNamed reads "<type>/<id>", or an id of the given type.
func jobNamed(t *model.Type, name string) (states.Key, error) {
	typ, id, ok := strings.Cut(name, "/")
	if !ok {
		typ, id = t.Name, name
	}
	return states.Key{Type: typ, ID: id}, model.CheckID(id)
}
