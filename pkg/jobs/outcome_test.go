package jobs

import (
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

func running(attempts, most int) *storage.Event {
	e := &storage.Event{Attempt: "token"}
	e.Meta.Job = &storage.Job{State: storage.JobRunning, Attempts: attempts, MaxAttempts: most, Worker: "w"}
	return e
}

// What an attempt says becomes one state of the job.
func TestOutcomesOfAttempts(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	later := now.Add(time.Minute)
	for _, c := range []struct {
		name     string
		attempts int
		outcome  Outcome
		action   storage.Action
		state    storage.JobState
		left     int // attempts that count
	}{
		{"done", 1, Outcome{Result: []byte(`1`)}, storage.JobSucceeded, storage.JobStateDone, 1},
		{"tried again", 1, Outcome{Err: "x", RetryAt: later}, storage.JobFailed, storage.JobScheduled, 1},
		{"tried again at once", 1, Outcome{Err: "x", RetryAt: now}, storage.JobFailed, storage.JobPending, 1},
		{"given up", 1, Outcome{Err: "x"}, storage.JobFailed, storage.JobStateFailed, 1},
		{"the last attempt", 3, Outcome{Err: "x", RetryAt: later}, storage.JobFailed, storage.JobStateFailed, 3},
		{"snoozed", 3, Outcome{Snooze: later, Checkpoint: []byte(`2`)}, storage.JobSnoozed, storage.JobScheduled, 2},
	} {
		e := running(c.attempts, 3)
		finishJob(e, c.outcome, now)
		j := e.Meta.Job
		if e.Action != c.action || j.State != c.state || j.Attempts != c.left || j.Worker != "" || e.Attempt != "" {
			t.Errorf("%s: %s %s, %d attempts, worker %q", c.name, e.Action, j.State, j.Attempts, j.Worker)
		}
		if final := j.FinishedAt != nil; final != j.State.Final() {
			t.Errorf("%s: finished %v in state %s", c.name, final, j.State)
		}
	}
}

func TestFailuresAreKeptWithinBounds(t *testing.T) {
	j := &storage.Job{Worker: "w"}
	for n := range keptFailures + 5 {
		j.Attempts = n + 1
		addFailure(j, strings.Repeat("é", maxFailureText), time.Now())
	}
	if len(j.Errors) != keptFailures || j.Errors[0].Attempt != 6 || j.Errors[keptFailures-1].Attempt != keptFailures+5 {
		t.Errorf("%d failures are kept, from attempt %d", len(j.Errors), j.Errors[0].Attempt)
	}
	if n := len(j.Errors[0].Error); n > maxFailureText+3 {
		t.Errorf("an error has %d bytes", n)
	}
}

// An attempt begins on a job that is due and is run by no other, or whose worker is
// known to have died.
func TestWhichJobsMayBeClaimed(t *testing.T) {
	now := time.Now()
	at := func(state storage.JobState, due time.Time) *storage.Event {
		e := running(1, 3)
		e.Meta.Job.State, e.Meta.Job.RunAt = state, due
		return e
	}
	for _, c := range []struct {
		name     string
		event    *storage.Event
		takeover string
		ok, died bool
	}{
		{"pending", at(storage.JobPending, now), "", true, false},
		{"not due", at(storage.JobScheduled, now.Add(time.Hour)), "", false, false},
		{"running", at(storage.JobRunning, now), "", false, false},
		{"taken over", at(storage.JobRunning, now), "token", true, true},
		{"taken over from an older attempt", at(storage.JobRunning, now), "another", false, false},
		{"done", at(storage.JobStateDone, now), "", false, false},
		{"no job", &storage.Event{}, "", false, false},
	} {
		died, err := claimable(c.event, now, c.takeover)
		if (err == nil) != c.ok || died != c.died {
			t.Errorf("%s: died %v, %v", c.name, died, err)
		}
	}
}

func TestSettingsOfQueues(t *testing.T) {
	for text, ok := range map[string]bool{`{}`: true, `{"rate":{"limit":5,"per":"1m"}}`: true, `{"rate":{"limit":5,"per":"1ns"}}`: false, `{"rate":{"limit":5,"per":"25h"}}`: false, `{"rate":{"limit":5,"per":"x"}}`: false} {
		if err := checkQueue([]byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
