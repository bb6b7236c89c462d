package jobs

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Jobs is what the worker needs: jobs, their queues, logs and schedules.
type Jobs struct {
	Gate       *commit.Gate
	Guard      *states.Guard
	Reads      *states.Reads
	States     *states.States
	Writer     *commit.Writer
	index      states.Index
	o          *states.Options
	strategies states.Strategies
	types      *registry.Types
}

// New is the jobs of a Manager.
func New(p commit.Parts) *Jobs {
	jb := &Jobs{Gate: p.Gate, Guard: p.Guard, Reads: p.Reads, States: p.States, Writer: p.Writer, index: p.Core.Index, o: p.Core.Options, strategies: p.Core.Strategies, types: p.Core.Types}
	p.Core.Register(QueueSettings, states.Strategy{Check: checkQueue, ByLimited: true, Told: true})
	p.Core.Register(Schedules, states.Strategy{Check: jb.checkSchedule, Hands: jb.maySchedule, Show: jb.showTimes, ShowsInLists: true, ActsLater: true})
	return jb
}

// The limits of what a job keeps.
const (
	keptFailures   = 10      // failed attempts that are kept with their errors
	maxFailureText = 1 << 10 // bytes of each of them
	MaxUniqueKey   = 512     // bytes
	MaxResult      = 1 << 18 // bytes of a job's result; it travels in every later event
)

// Claim is the right to run one attempt of a job. Its token fences: a
// worker with an older one can no longer record an outcome.
type Claim struct {
	Type, ID string
	Token    string
	Attempt  int             // from 1
	Data     json.RawMessage // the payload, as the type's schema version has it
	Event    *storage.Event  // of the claim
}

// Envelope is the job as the claim left it.
func (c *Claim) Envelope() (*states.Resource, error) { return states.Answer(c.Event, c.Data) }

// ClaimOptions say which worker claims.
type ClaimOptions struct {
	Worker string
	// Head is what the caller believes to be the job's newest event, which
	// saves reading it.
	Head *storage.Event
	// Takeover is the token of an attempt whose worker is known to be dead; a
	// running job is claimed only by a worker that names it.
	Takeover string
}

// JobFailedLine is the line of the log that each job that ends as failed leaves.
const JobFailedLine = "a job failed"

// clockSkew is how much earlier than its time a job may be claimed, for the
// clocks of two machines differ.
const clockSkew = 2 * time.Second

// Claim takes a due job by a compare-and-set on it: of several workers one
// wins. The others get invalid_state, as does a worker that comes too early. A job
// whose worker died in its last attempt ends as failed here.
//
// The claim may be lost with the power; then the attempt is made again.
func (jb *Jobs) Claim(ctx context.Context, typ, id string, o ClaimOptions) (*Claim, error) {
	t, err := jb.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	token := states.NewUUID()
	out, err := jb.Writer.WriteFrom(ctx, t, id, o.Head, commit.Plan{Action: "", Make: func(ctx context.Context, w *commit.Mutation, s states.State) (commit.Step, error) {
		if err := states.RequireLive(t, id, s); err != nil {
			return commit.Step{}, err
		}
		now := jb.States.Now()
		died, err := claimable(s.Event, now, o.Takeover)
		if err != nil {
			return commit.Step{}, err
		}
		e := commit.Successor(s, storage.JobStarted)
		j := e.Meta.Job
		if died {
			addFailure(j, "the worker died", now)
		}
		if died && j.Attempts >= j.MaxAttempts {
			finishJob(e, Outcome{Err: "the worker died during the last attempt"}, now)
			return jb.Writer.Unchanged(ctx, s, e)
		}
		j.State, j.Worker, j.StartedAt, j.NextAttemptAt = storage.JobRunning, o.Worker, &now, nil
		j.Attempts++
		e.Attempt, e.LeaseUntil = token, nil
		next, err := jb.Writer.Unchanged(ctx, s, e)
		next.Early = true
		return next, err
	}})
	if err != nil {
		return nil, err
	}
	e, content := out.Event, out.Content
	if e.Attempt != token {
		jb.o.Logger.WarnContext(ctx, JobFailedLine, "type", typ, "id", id, "attempt", e.Meta.Job.Attempts, "error", *e.Meta.Job.Error)
		return nil, fault.Errorf(fault.InvalidState, "job %q has no attempt left", id)
	}
	if content, err = t.Current(content, e.Revision.SchemaVersion); err != nil {
		return nil, err
	}
	return &Claim{Type: typ, ID: id, Token: token, Attempt: e.Meta.Job.Attempts, Data: content, Event: e}, nil
}

// claimable reports whether an attempt may begin, and whether that is because the
// worker of the one before died.
func claimable(e *storage.Event, now time.Time, takeover string) (died bool, err error) {
	j := e.Meta.Job
	switch {
	case j == nil:
		return false, fault.Errorf(fault.InvalidState, "%s %q is no job", e.Meta.Type, e.Meta.ID)
	case j.State == storage.JobPending || j.State == storage.JobScheduled:
		if j.RunAt.After(now.Add(clockSkew)) {
			return false, fault.Errorf(fault.InvalidState, "job %q is not due before %s", e.Meta.ID, j.RunAt.Format(time.RFC3339))
		}
		return false, nil
	case j.State == storage.JobRunning:
		if takeover != "" && e.Attempt == takeover {
			return true, nil
		}
		return false, fault.Errorf(fault.InvalidState, "job %q is being run", e.Meta.ID)
	}
	return false, fault.Errorf(fault.InvalidState, "job %q is %s", e.Meta.ID, j.State)
}

// Outcome of an attempt. Without Err and Snooze it succeeded.
type Outcome struct {
	Result   json.RawMessage   // also of a job that ends as failed: what it did until then
	Progress *storage.Progress // as far as it came
	Err      string
	RetryAt  time.Time // with Err: when to try again; zero: never
	// Snooze ends the attempt without counting it; the job runs again then.
	Snooze     time.Time
	Checkpoint json.RawMessage // with Snooze: for the attempt that follows
}

// Finish records the outcome of an attempt on whatever the job is by now. It is
// refused with invalid_state when the claim is no longer the newest, so an
// attempt has one recorded outcome.
func (jb *Jobs) Finish(ctx context.Context, c *Claim, o Outcome) error {
	t, err := jb.States.Find(c.Type, c.ID)
	if err != nil {
		return err
	}
	_, err = jb.Writer.WriteFrom(ctx, t, c.ID, c.Event, commit.Plan{Action: "", Make: func(ctx context.Context, w *commit.Mutation, s states.State) (commit.Step, error) {
		if !s.Exists() {
			return commit.Step{}, states.RequireLive(t, c.ID, s)
		}
		if s.Event.Attempt != c.Token || s.Event.Meta.Job == nil || s.Event.Meta.Job.State != storage.JobRunning {
			return commit.Step{}, fault.Errorf(fault.InvalidState, "attempt %d of job %q is no longer the current one", c.Attempt, c.ID)
		}
		e := commit.Successor(s, storage.JobSucceeded)
		finishJob(e, o, jb.States.Now())
		return jb.Writer.Unchanged(ctx, s, e)
	}})
	return err
}

// finishJob turns a running job's next event into the outcome.
func finishJob(e *storage.Event, o Outcome, now time.Time) {
	j := e.Meta.Job
	e.Attempt, e.LeaseUntil = "", nil
	if o.Progress != nil {
		j.Progress = o.Progress
	}
	switch {
	case !o.Snooze.IsZero():
		e.Action = storage.JobSnoozed
		j.Attempts--
		j.Checkpoint = o.Checkpoint
		again(j, o.Snooze, now)
	case o.Err == "":
		e.Action, j.State, j.FinishedAt, j.Result, j.Error, j.Checkpoint = storage.JobSucceeded, storage.JobStateDone, &now, o.Result, nil, nil
	default:
		e.Action, j.Error = storage.JobFailed, &o.Err
		if j.Worker != "" && (len(j.Errors) == 0 || j.Errors[len(j.Errors)-1].Attempt != j.Attempts) {
			addFailure(j, o.Err, now)
		}
		if o.RetryAt.IsZero() || j.Attempts >= j.MaxAttempts {
			j.State, j.FinishedAt, j.Result = storage.JobStateFailed, &now, o.Result
			break
		}
		again(j, o.RetryAt, now)
	}
	j.Worker = ""
}

// again makes a job wait for its next attempt.
func again(j *storage.Job, at, now time.Time) {
	at = at.UTC().Truncate(time.Microsecond)
	j.RunAt, j.State = at, storage.JobPending
	if at.After(now) {
		j.State, j.NextAttemptAt = storage.JobScheduled, &at
	}
}

// addFailure keeps the error of an attempt among the last ones.
func addFailure(j *storage.Job, text string, now time.Time) {
	if len(text) > maxFailureText {
		text = strings.ToValidUTF8(text[:maxFailureText], "") + "..."
	}
	list := j.Errors[max(0, len(j.Errors)-keptFailures+1):]
	j.Errors = append(append([]storage.JobFailure{}, list...), storage.JobFailure{Attempt: j.Attempts, At: now, Worker: j.Worker, Error: text})
}

// Cancel ends a job that is not finished. The attempt that runs is told to
// stop; whatever it does, its outcome is no longer recorded.
func (jb *Jobs) Cancel(ctx context.Context, typ, id string, match commit.Match) (*states.Resource, error) {
	return jb.cancel(ctx, typ, id, match, "", "")
}

// CancelFor is Cancel with a reason, for a job that can never start.
func (jb *Jobs) CancelFor(ctx context.Context, typ, id, reason, cause string) error {
	_, err := jb.cancel(ctx, typ, id, commit.Match{}, reason, cause)
	return err
}

func (jb *Jobs) cancel(ctx context.Context, typ, id string, match commit.Match, reason, cause string) (*states.Resource, error) {
	t, err := jb.findJob(typ, id)
	if err != nil {
		return nil, err
	}
	return jb.Writer.Run(ctx, t, id, commit.Plan{Action: "cancel", Make: func(ctx context.Context, w *commit.Mutation, s states.State) (commit.Step, error) {
		if err := liveJob(t, id, s, match); err != nil {
			return commit.Step{}, err
		}
		if state := s.Event.Meta.Job.State; state.Final() {
			return commit.Step{}, fault.Errorf(fault.InvalidState, "job %q is %s; only an unfinished job can be cancelled", id, state)
		}
		e := commit.Successor(s, storage.JobCancelled)
		now := jb.States.Now()
		j := e.Meta.Job
		j.State, j.FinishedAt, j.NextAttemptAt, j.Worker = storage.JobStateCancel, &now, nil, ""
		e.Attempt, e.LeaseUntil, e.Cause = "", nil, cause
		if reason != "" {
			j.Error = &reason
		}
		return jb.Writer.Unchanged(ctx, s, e)
	}})
}

// Rerun queues a finished job again, with all its attempts.
func (jb *Jobs) Rerun(ctx context.Context, typ, id string, match commit.Match) (*states.Resource, error) {
	t, err := jb.findJob(typ, id)
	if err != nil {
		return nil, err
	}
	return jb.Writer.Run(ctx, t, id, commit.Plan{Action: "rerun", Make: func(ctx context.Context, w *commit.Mutation, s states.State) (commit.Step, error) {
		if err := liveJob(t, id, s, match); err != nil {
			return commit.Step{}, err
		}
		if state := s.Event.Meta.Job.State; !state.Final() {
			return commit.Step{}, fault.Errorf(fault.InvalidState, "job %q is %s; only a finished job can be run again", id, state)
		}
		e := commit.Successor(s, storage.JobRerun)
		now := jb.States.Now()
		j := e.Meta.Job
		j.State, j.Attempts, j.RunAt, j.QueuedAt = storage.JobPending, 0, now, now
		j.StartedAt, j.FinishedAt, j.NextAttemptAt, j.Progress, j.Error, j.Result, j.Checkpoint, j.After = nil, nil, nil, nil, nil, nil, nil, nil
		next, err := jb.Writer.Unchanged(ctx, s, e)
		if err == nil {
			j.ConcurrencyKey, err = t.ConcurrencyKey(next.Content)
		}
		return next, err
	}})
}

// findJob is find for types of jobs.
func (jb *Jobs) findJob(typ, id string) (*model.Type, error) {
	t, err := jb.States.Find(typ, id)
	if err == nil && t.Job == nil {
		return nil, fault.Errorf(fault.NotFound, "%s are no jobs", typ)
	}
	return t, err
}

func liveJob(t *model.Type, id string, s states.State, match commit.Match) error {
	if err := states.RequireLive(t, id, s); err != nil {
		return err
	}
	if err := match.Check(t, s); err != nil {
		return err
	}
	if s.Event.Meta.Job == nil {
		return fault.Errorf(fault.InvalidState, "%s %q was made when the type had no jobs", t.Name, id)
	}
	return nil
}
