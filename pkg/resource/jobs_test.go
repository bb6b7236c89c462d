package resource_test

import (
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

func TestTheOutcomeOfAnAttemptThatWasTakenOverIsRefused(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, "name: tasks\nschema: {type: object}\njob: {maxAttempts: 3}\n"), testenv.StackOptions{Memory: true})
	m := s.Manager
	if _, err := m.Create(t.Context(), "tasks", testenv.Doc(t, `{}`), resource.CreateOptions{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	first, err := m.Jobs.Claim(t.Context(), "tasks", "a", jobs.ClaimOptions{Worker: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Jobs.Claim(t.Context(), "tasks", "a", jobs.ClaimOptions{Worker: "two"}); fault.CodeOf(err) != fault.InvalidState {
		t.Fatalf("a running job was claimed: %v", err)
	}
	second, err := m.Jobs.Claim(t.Context(), "tasks", "a", jobs.ClaimOptions{Worker: "two", Takeover: first.Token})
	if err != nil || second.Attempt != 2 {
		t.Fatalf("attempt %v, %v", second, err)
	}
	if err := m.Jobs.Finish(t.Context(), first, jobs.Outcome{Err: "too late"}); fault.CodeOf(err) != fault.InvalidState {
		t.Fatalf("the outcome of the first attempt: %v", err)
	}
	// A change of the job meanwhile does no harm to the second.
	if _, _, err := m.Update(t.Context(), "tasks", "a", testenv.Doc(t, `{}`), resource.UpdateOptions{Status: storage.Draft}); err != nil {
		t.Fatal(err)
	}
	if err := m.Jobs.Finish(t.Context(), second, jobs.Outcome{}); err != nil {
		t.Fatal(err)
	}
	if err := m.Jobs.Finish(t.Context(), second, jobs.Outcome{Err: "again"}); fault.CodeOf(err) != fault.InvalidState {
		t.Fatalf("a second outcome: %v", err)
	}
	if state, err := m.Jobs.JobState(t.Context(), "tasks", "a"); err != nil || state != storage.JobStateDone {
		t.Fatalf("%s, %v", state, err)
	}
}
