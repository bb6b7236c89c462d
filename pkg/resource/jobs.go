package resource

import (
	"context"
	"encoding/json"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// newJob is the state a job begins with.
func (m *Manager) newJob(t *Type, o JobOptions) *storage.Job {
	now := m.o.Now().UTC().Truncate(time.Microsecond)
	j := &storage.Job{State: storage.JobPending, Queue: t.Job.Queue, Priority: o.Priority, MaxAttempts: t.Job.MaxAttempts, RunAt: now}
	if o.MaxAttempts > 0 {
		j.MaxAttempts = o.MaxAttempts
	}
	if o.RunAt.After(now) {
		j.RunAt, j.State = o.RunAt.UTC().Truncate(time.Microsecond), storage.JobScheduled
	}
	return j
}

// Claim is the right to run one attempt of a job. Its token fences: whoever
// holds an older one can no longer record an outcome.
type Claim struct {
	Type, ID string
	Token    string
	Attempt  int // from 1
	Data     json.RawMessage
	Envelope *Resource
	Event    *storage.Event // of the claim
}

// ClaimOptions say who claims.
type ClaimOptions struct {
	Worker string
	Lease  time.Duration // after it, without an outcome, the attempt counts as dead
	// Dead reports that a worker named in a job is known not to live any more,
	// so that its lease need not run out.
	Dead func(worker string) bool
}

// Claim takes a due job by a compare-and-set on it: of several workers one
// wins. The others get invalid_state, as does anyone who comes too early. A job
// whose worker died in its last attempt ends as failed here.
func (m *Manager) Claim(ctx context.Context, typ, id string, o ClaimOptions) (*Claim, error) {
	t, err := m.find(typ, id)
	if err != nil {
		return nil, err
	}
	token := newUUID()
	e, content, _, err := m.write(ctx, t, id, func(ctx context.Context, s state) (step, error) {
		if err := live(t, id, s); err != nil {
			return step{}, err
		}
		now := m.o.Now().UTC().Truncate(time.Microsecond)
		died, err := claimable(s.event, now, o.Dead)
		if err != nil {
			return step{}, err
		}
		e := successor(s, storage.JobStarted)
		j := e.Meta.Job
		if died && j.Attempts >= j.MaxAttempts {
			finishJob(e, Outcome{Err: "the worker died during the last attempt"}, now)
			return m.unchanged(ctx, s, e)
		}
		j.State, j.Worker, j.StartedAt, j.NextAttemptAt = storage.JobRunning, o.Worker, &now, nil
		j.Attempts++
		lease := now.Add(o.Lease)
		e.Attempt, e.LeaseUntil = token, &lease
		return m.unchanged(ctx, s, e)
	})
	if err != nil {
		return nil, err
	}
	if e.Attempt != token {
		return nil, Errorf(InvalidState, "job %q has no attempt left", id)
	}
	r, err := answer(e, content)
	return &Claim{Type: typ, ID: id, Token: token, Attempt: e.Meta.Job.Attempts, Data: content, Envelope: r, Event: e}, err
}

// claimable tells whether an attempt may begin, and whether that is because the
// worker of the one before died.
func claimable(e *storage.Event, now time.Time, dead func(string) bool) (died bool, err error) {
	j := e.Meta.Job
	switch {
	case j == nil:
		return false, Errorf(InvalidState, "%s %q is no job", e.Meta.Type, e.Meta.ID)
	case j.State == storage.JobPending || j.State == storage.JobScheduled:
		if j.RunAt.After(now) {
			return false, Errorf(InvalidState, "job %q is not due before %s", e.Meta.ID, j.RunAt.Format(time.RFC3339))
		}
		return false, nil
	case j.State == storage.JobRunning:
		if e.LeaseUntil != nil && now.After(*e.LeaseUntil) || dead != nil && dead(j.Worker) {
			return true, nil
		}
		return false, Errorf(InvalidState, "job %q is being run", e.Meta.ID)
	}
	return false, Errorf(InvalidState, "job %q is %s", e.Meta.ID, j.State)
}

// Outcome of an attempt. Without Err it succeeded.
type Outcome struct {
	Result  json.RawMessage
	Err     string
	RetryAt time.Time // with Err: when to try again; zero: never
}

// Finish records the outcome of an attempt on whatever the job is by now. It is
// refused with invalid_state when the claim is no longer the newest, so an
// attempt has one recorded outcome.
func (m *Manager) Finish(ctx context.Context, c *Claim, o Outcome) error {
	t, err := m.find(c.Type, c.ID)
	if err != nil {
		return err
	}
	_, _, _, err = m.write(ctx, t, c.ID, func(ctx context.Context, s state) (step, error) {
		if !s.exists() {
			return step{}, live(t, c.ID, s)
		}
		if s.event.Attempt != c.Token || s.event.Meta.Job == nil || s.event.Meta.Job.State != storage.JobRunning {
			return step{}, Errorf(InvalidState, "attempt %d of job %q is no longer the current one", c.Attempt, c.ID)
		}
		e := successor(s, storage.JobSucceeded)
		finishJob(e, o, m.o.Now().UTC().Truncate(time.Microsecond))
		return m.unchanged(ctx, s, e)
	})
	return err
}

// finishJob turns a running job's next event into the outcome.
func finishJob(e *storage.Event, o Outcome, now time.Time) {
	j := e.Meta.Job
	e.Attempt, e.LeaseUntil = "", nil
	j.Worker = ""
	if o.Err == "" {
		e.Action, j.State, j.FinishedAt, j.Result, j.Error = storage.JobSucceeded, storage.JobStateDone, &now, o.Result, nil
		return
	}
	e.Action, j.Error = storage.JobFailed, &o.Err
	if o.RetryAt.IsZero() || j.Attempts >= j.MaxAttempts {
		j.State, j.FinishedAt = storage.JobStateFailed, &now
		return
	}
	at := o.RetryAt.UTC().Truncate(time.Microsecond)
	j.State, j.RunAt, j.NextAttemptAt = storage.JobScheduled, at, &at
}

// DueJobs finds jobs of a type that may be claimed: due ones and, for their
// lease to be looked at, running ones. By priority, then by time.
func (m *Manager) DueJobs(ctx context.Context, typ string, limit int) ([]storage.Meta, error) {
	t, err := m.Type(typ)
	if err != nil {
		return nil, err
	}
	now := m.o.Now()
	field := func(name string) query.Field {
		f, _ := t.Definition().QueryFields().Lookup(name)
		return f
	}
	stateField, runAt := field("meta.job.state"), field("meta.job.run_at")
	waiting := query.And{Terms: []query.Expr{
		query.In{Field: stateField, Values: []query.Value{string(storage.JobPending), string(storage.JobScheduled)}},
		query.Compare{Field: runAt, Op: query.LessEqual, Value: now},
	}}
	running := query.Compare{Field: stateField, Op: query.Equal, Value: string(storage.JobRunning)}
	return m.jobs(ctx, typ, query.Or{Terms: []query.Expr{waiting, running}},
		query.Order{{Field: field("meta.job.priority"), Desc: true}, {Field: runAt}}, limit)
}

// NextJob is when the earliest job of a type that waits is due; zero when none
// waits.
func (m *Manager) NextJob(ctx context.Context, typ string) (time.Time, error) {
	t, err := m.Type(typ)
	if err != nil {
		return time.Time{}, err
	}
	fields := t.Definition().QueryFields()
	stateField, _ := fields.Lookup("meta.job.state")
	runAt, _ := fields.Lookup("meta.job.run_at")
	jobs, err := m.jobs(ctx, typ, query.In{Field: stateField, Values: []query.Value{string(storage.JobPending), string(storage.JobScheduled)}},
		query.Order{{Field: runAt}}, 1)
	if err != nil || len(jobs) == 0 {
		return time.Time{}, err
	}
	return jobs[0].Job.RunAt, nil
}

func (m *Manager) jobs(ctx context.Context, typ string, filter query.Expr, order query.Order, limit int) ([]storage.Meta, error) {
	page, err := m.index.Search(ctx, storage.Search{Type: typ, Filter: filter, Order: order, Limit: limit, Bare: true})
	if err != nil {
		return nil, stored(err)
	}
	out := make([]storage.Meta, len(page.Rows))
	for i, row := range page.Rows {
		if err := json.Unmarshal(row.Meta, &out[i]); err != nil {
			return nil, stored(err)
		}
	}
	return out, nil
}
