package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// attempt is one that is under way. It is the job.Reporter of its handler.
type attempt struct {
	*jobs.Claim
	cancel context.CancelCauseFunc
	live   *states.Live

	mu      sync.Mutex
	far     *storage.Progress
	lines   []storage.LogLine // not written yet
	written int               // bytes of the log so far, these included
	writing sync.Mutex        // keeps pieces in order
	first   func()            // called with the first line
}

// Progress implements job.Reporter.
func (a *attempt) Progress(p storage.Progress) {
	p.Message = clip(p.Message, 1000)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.far = &p
	a.live.Set(a.Type, a.ID, a.Claim.Attempt, p)
}

func (a *attempt) progress() *storage.Progress {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.far
}

// The limits of the log of one attempt.
const (
	maxLog      = 1 << 20  // bytes
	maxLogLine  = 16 << 10 // bytes
	maxLogPiece = 256 << 10
	flushEvery  = 250 * time.Millisecond
)

// Log implements job.Reporter.
func (a *attempt) Log(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.written > maxLog {
		return
	}
	line = clip(line, maxLogLine)
	if a.written += len(line) + 50; a.written > maxLog {
		line = fmt.Sprintf("the log of this attempt is over %d bytes; the rest is left out", maxLog)
	}
	if a.first != nil {
		a.first()
		a.first = nil
	}
	a.lines = append(a.lines, storage.LogLine{At: time.Now().UTC().Truncate(time.Microsecond), Text: line})
}

// flush writes the lines that wait.
func (a *attempt) flush(ctx context.Context, w *Worker) {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	lines := a.lines
	a.lines = nil
	a.mu.Unlock()
	for len(lines) > 0 {
		n, size := 0, 0
		for n < len(lines) && n < jobs.MaxLogLines && (n == 0 || size+len(lines[n].Text) < maxLogPiece) {
			size += len(lines[n].Text) + 50
			n++
		}
		c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		err := w.m.Jobs.WriteLog(c, a.Claim, lines[:n])
		cancel()
		if err != nil {
			w.o.Logger.WarnContext(ctx, "lines of a job's log are lost", "type", a.Type, "id", a.ID, "error", err)
		}
		lines = lines[n:]
	}
}

// flushing writes what is logged now and then, from the first line on, until
// the attempt ends.
func (a *attempt) flushing(ctx context.Context, w *Worker, ended <-chan struct{}) {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			a.flush(ctx, w)
		case <-ended:
			return
		}
	}
}

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "?")
}

// attempt claims, runs and finishes one job.
func (w *Worker) attempt(ctx context.Context, g Grant) {
	meta := &g.Head.Meta
	ctx, span := w.begin(ctx, g.Head)
	defer span.End()
	c, err := w.m.Jobs.Claim(w.actor(ctx, g.Head), meta.Type, meta.ID, jobs.ClaimOptions{Worker: w.name, Head: g.Head, Takeover: g.Takeover})
	if err != nil {
		switch fault.CodeOf(err) {
		case fault.InvalidState, fault.Deleted, fault.NotFound: // another writer was faster
		default:
			w.o.Logger.WarnContext(ctx, "claiming a job failed", "type", meta.Type, "id", meta.ID, "error", err)
		}
		return
	}
	t, _ := w.m.States.Type(meta.Type) // it has a handler, so it is there
	begun := time.Now()
	ctx, cancel := context.WithCancelCause(w.actor(ctx, c.Event)) // not the head that woke it: the job may have another owner since
	defer cancel(nil)
	a := &attempt{Claim: c, cancel: cancel, live: w.o.Live}
	w.enter(a)
	defer w.leave(a)
	defer w.o.Live.Drop(c.Type, c.ID, c.Attempt)
	ended := make(chan struct{})
	a.first = func() { go a.flushing(ctx, w, ended) }
	outcome, refusal := w.permitted(ctx, t, a)
	close(ended)
	a.flush(ctx, w)
	name := "refused"
	if !errors.Is(context.Cause(ctx), errRevoked) {
		name = w.finish(ctx, t, c, outcome)
	}
	if name == "failed" {
		w.tellFailed(ctx, c, outcome.Err, refusal)
	}
	tell(span, c.Attempt, name)
	w.o.Observer.Attempted(c.Type, c.Event.Meta.Job.Queue, name, time.Since(begun))
}

// tellFailed leaves one line of a job that ended as failed; refusal is why its owner
// may not have it run, if that is why.
func (w *Worker) tellFailed(ctx context.Context, c *jobs.Claim, text string, refusal error) {
	attrs := []slog.Attr{slog.String("type", c.Type), slog.String("id", c.ID), slog.Int("attempt", c.Attempt), slog.String("error", text)}
	if refusal != nil {
		attrs = append(attrs, slog.String("principal", policy.ActorOf(ctx).Principal), slog.Any("refusal", refusal))
	}
	if tick := c.Event.Meta.Job.Schedule; tick != nil {
		attrs = append(attrs, slog.String("schedule", tick.ID))
	}
	w.o.Logger.LogAttrs(ctx, slog.LevelWarn, jobs.JobFailedLine, attrs...)
}

// permitted runs the handler, unless the job's owner may not have it run any more,
// which is then returned too.
func (w *Worker) permitted(ctx context.Context, t *model.Type, a *attempt) (jobs.Outcome, error) {
	err := w.m.Guard.MayRun(ctx, a.Claim.Event)
	switch fault.CodeOf(err) {
	case fault.PermissionDenied:
		return jobs.Outcome{Err: "the owner of this job may not have it run any more", Progress: a.progress()}, err
	case "":
		if err == nil {
			return w.run(ctx, t, a), nil
		}
	}
	in := &job.Attempt{Claim: a.Claim}
	return jobs.Outcome{Snooze: time.Now().Add(time.Second), Checkpoint: in.NextCheckpoint(), Progress: a.progress()}, nil // it cannot be told now
}

// run gives the handler its time. One that does not end when its context does
// is left behind: what it does later has no effect on the job.
func (w *Worker) run(ctx context.Context, t *model.Type, a *attempt) jobs.Outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, t.Job.Timeout, context.DeadlineExceeded)
	defer cancel()
	in := &job.Attempt{Claim: a.Claim, Manager: w.m.Manager, Report: a}
	type answer struct {
		result json.RawMessage
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				w.o.Logger.ErrorContext(ctx, "a job handler panicked", "type", a.Type, "id", a.ID, "value", v, "stack", string(debug.Stack()))
				answered <- answer{nil, fmt.Errorf("the handler panicked: %v", v)}
			}
		}()
		handler := w.does.Load().handlers[t.Name]
		if handler == nil {
			answered <- answer{nil, job.Snooze(time.Second)} // its model went meanwhile
			return
		}
		result, err := handler(ctx, in)
		answered <- answer{result, err}
	}()
	var x answer
	select {
	case x = <-answered:
	case <-ctx.Done():
		select {
		case x = <-answered:
		case <-time.After(w.o.Stuck):
			w.o.Logger.ErrorContext(ctx, "a handler does not end and is left behind", "type", a.Type, "id", a.ID, "attempt", a.Claim.Attempt)
			x.err = errors.New("the handler did not end when it had to")
		}
	}
	if x.err == nil && len(x.result) > 0 && !json.Valid(x.result) {
		x.err = errors.New("the handler's result is not JSON")
	}
	if x.err == nil && len(x.result) > jobs.MaxResult {
		x.err = job.Fail(fmt.Errorf("the result has %d bytes, the most is %d", len(x.result), jobs.MaxResult))
	}
	out := jobs.Outcome{Result: x.result, Progress: a.progress()}
	if x.err == nil {
		return out
	}
	out.Result = nil
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		x.err = fmt.Errorf("the attempt took longer than %s: %w", t.Job.Timeout, x.err)
	}
	return decide(out, context.Cause(ctx), t, in, x.err)
}

const maxErrorText = 4 << 10

// decide about another attempt after an error.
func decide(out jobs.Outcome, cause error, t *model.Type, in *job.Attempt, err error) jobs.Outcome {
	now := time.Now()
	if d, ok := job.Snoozed(err); ok {
		out.Snooze, out.Checkpoint = now.Add(max(d, 0)), in.NextCheckpoint()
		return out
	}
	if errors.Is(cause, errStopping) && !job.Permanent(err) { // the next worker goes on at once
		out.Snooze, out.Checkpoint = now, in.NextCheckpoint()
		return out
	}
	out.Err = clip(err.Error(), maxErrorText)
	switch delay, ok := job.Delay(err); {
	case job.Permanent(err):
		if kept := job.Kept(err); json.Valid(kept) && len(kept) <= jobs.MaxResult {
			out.Result = kept
		}
	case ok:
		out.RetryAt = now.Add(delay)
	default:
		out.RetryAt = now.Add(backoff(t.Job.Backoff, in.Claim.Attempt))
	}
	return out
}

// backoff doubles from Initial to Max, give or take a tenth, so that jobs that
// failed together do not come back together.
func backoff(b model.Backoff, attempt int) time.Duration {
	d := b.Initial
	for i := 1; i < attempt && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	return d - d/10 + rand.N(d/5+1)
}

// finish records the outcome, trying again while the stores do not answer: the
// claim fences, so a repeated or late one does no harm. It returns what the
// outcome was.
func (w *Worker) finish(ctx context.Context, t *model.Type, c *jobs.Claim, o jobs.Outcome) string {
	commit := context.WithoutCancel(ctx)
	for try := 0; ; try++ {
		err := w.m.Jobs.Finish(commit, c, o)
		if err == nil {
			break
		}
		switch fault.CodeOf(err) {
		case fault.Unavailable, fault.OutcomeUnknown, fault.Conflict, fault.IndexLag:
			if errors.Is(context.Cause(ctx), errRevoked) || errors.Is(context.Cause(ctx), errStopping) && try > 20 {
				return "refused"
			}
			time.Sleep(min(time.Duration(try+1)*50*time.Millisecond, time.Second))
			continue
		}
		w.o.Logger.WarnContext(ctx, "an outcome was not recorded", "type", c.Type, "id", c.ID, "attempt", c.Attempt, "error", err)
		return "refused"
	}
	switch {
	case !o.Snooze.IsZero():
		return "snoozed"
	case o.Err == "":
		return "succeeded"
	case o.RetryAt.IsZero() || c.Attempt >= c.Event.Meta.Job.MaxAttempts:
		return "failed"
	}
	return "retried"
}
