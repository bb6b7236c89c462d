package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// SendEmails is the payload of the jobs in these examples.
type SendEmails struct {
	To []string `json:"to"`
}

// Place is how far a handler is.
type Place struct{ Sent int }

// printed is a Reporter that prints what a handler tells.
type printed struct{}

func (printed) Progress(p storage.Progress) { fmt.Printf("%d of %d: %s\n", p.Done, p.Total, p.Message) }
func (printed) Log(line string)             { fmt.Println("log:", line) }

// attempt is what a worker hands to a handler: the first attempt at a job, or the
// one after a snooze, which finds the checkpoint.
func attempt(checkpoint string) *job.Attempt {
	state := &storage.Job{MaxAttempts: 5}
	if checkpoint != "" {
		state.Checkpoint = json.RawMessage(checkpoint)
	}
	event := &storage.Event{Meta: storage.Meta{Job: state}}
	return &job.Attempt{Report: printed{}, Claim: &jobs.Claim{Type: "send-emails", ID: "j1", Attempt: 1,
		Data: json.RawMessage(`{"to":["ripley@example.com","ash@example.com"]}`), Event: event}}
}

// running is the job as a handler sees it.
func running(checkpoint string) *job.Job[SendEmails] {
	j, err := job.New[SendEmails](attempt(checkpoint))
	if err != nil {
		panic(err)
	}
	return j
}

var errRefused = errors.New("the address is refused")

func ExampleNew() {
	j, err := job.New[SendEmails](attempt(""))
	if err != nil {
		panic(err)
	}
	fmt.Println(j.ID, j.Attempt, j.MaxAttempts, j.Payload.To[0])
	_, err = job.New[[]int](attempt("")) // a payload that no attempt can read
	fmt.Println(job.Permanent(err))
	// Output:
	// j1 1 5 ripley@example.com
	// true
}

func ExampleJob_Progress() {
	j := running("")
	for i, to := range j.Payload.To {
		j.Progress(int64(i+1), int64(len(j.Payload.To)), to)
	}
	// Output:
	// 1 of 2: ripley@example.com
	// 2 of 2: ash@example.com
}

func ExampleJob_Log() {
	running("").Log("%s is away", "ash@example.com")
	// Output: log: ash@example.com is away
}

func ExampleJob_SetResult() {
	j := running("")
	fmt.Println(j.SetResult(map[string]int{"sent": 2}), string(j.Result()))
	// Output: <nil> {"sent":2}
}

func ExampleJob_Result() {
	fmt.Println(running("").Result() == nil)
	// Output: true
}

func ExampleJob_SetCheckpoint() {
	a := attempt("")
	j, err := job.New[SendEmails](a)
	if err != nil {
		panic(err)
	}
	err = j.SetCheckpoint(Place{Sent: 1}) // before it returns j.Snooze(time.Minute)
	fmt.Println(err, string(a.NextCheckpoint()))
	// Output: <nil> {"Sent":1}
}

func ExampleJob_Checkpoint() {
	for _, left := range []string{"", `{"Sent":1}`} {
		var p Place
		found, err := running(left).Checkpoint(&p)
		fmt.Println(found, p.Sent, err)
	}
	// Output:
	// false 0 <nil>
	// true 1 <nil>
}

func ExampleJob_Fail() {
	err := running("").Fail(errRefused)
	fmt.Println(err, job.Permanent(err))
	// Output: the address is refused true
}

func ExampleJob_Snooze() {
	fmt.Println(job.Snoozed(running("").Snooze(time.Minute)))
	// Output: 1m0s true
}

func ExampleAttempt_SetCheckpoint() {
	a := attempt("")
	fmt.Println(a.SetCheckpoint(Place{Sent: 1}), string(a.NextCheckpoint()))
	// Output: <nil> {"Sent":1}
}

func ExampleAttempt_LastCheckpoint() {
	var p Place
	found, err := attempt(`{"Sent":1}`).LastCheckpoint(&p)
	fmt.Println(found, p.Sent, err)
	// Output: true 1 <nil>
}

// A snooze that sets no checkpoint leaves the one that the attempt found.
func ExampleAttempt_NextCheckpoint() {
	fmt.Println(string(attempt(`{"Sent":1}`).NextCheckpoint()))
	// Output: {"Sent":1}
}

func ExampleFail() {
	err := job.Fail(errRefused) // what a handler returns; no further attempt is made
	fmt.Println(err, errors.Is(err, errRefused), job.Permanent(err))
	// Output: the address is refused true true
}

func ExampleFailWith() {
	err := job.FailWith(json.RawMessage(`{"sent":1}`), errRefused)
	fmt.Println(err, job.Permanent(err), string(job.Kept(err)))
	// Output: the address is refused true {"sent":1}
}

func ExampleRetryAfter() {
	err := job.RetryAfter(time.Hour, errors.New("the server is busy"))
	fmt.Println(err)
	fmt.Println(job.Delay(err))
	// Output:
	// the server is busy
	// 1h0m0s true
}

func ExampleSnooze() {
	err := job.Snooze(5 * time.Minute)
	fmt.Println(err)
	fmt.Println(job.Snoozed(err))
	// Output:
	// again in 5m0s
	// 5m0s true
}

// Marks are found through the errors that a handler wraps them in.
func ExamplePermanent() {
	err := fmt.Errorf("send to ash@example.com: %w", job.Fail(errRefused))
	fmt.Println(job.Permanent(err), job.Permanent(errRefused))
	// Output: true false
}

func ExampleKept() {
	fmt.Println(string(job.Kept(job.FailWith(json.RawMessage(`[1]`), errRefused))), job.Kept(errRefused) == nil)
	// Output: [1] true
}

func ExampleDelay() {
	fmt.Println(job.Delay(job.RetryAfter(time.Second, errRefused)))
	fmt.Println(job.Delay(errRefused))
	// Output:
	// 1s true
	// 0s false
}

func ExampleSnoozed() {
	fmt.Println(job.Snoozed(job.Snooze(time.Second)))
	fmt.Println(job.Snoozed(errRefused))
	// Output:
	// 1s true
	// 0s false
}
