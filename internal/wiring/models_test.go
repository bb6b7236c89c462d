package wiring

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const (
	notesOne = "name: notes\nschema: {type: object, properties: {n: {type: integer}}}\nversion: \"1.0\"\n"
	notesTwo = "name: notes\nschema: {type: object, properties: {n: {type: string}}}\nversion: \"1.0\"\n"
)

// noted is a server with a note that no recorded model is of, as an earlier version
// left it.
func noted(t *testing.T) *testenv.Stack {
	t.Helper()
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, notesOne), testenv.StackOptions{Memory: true})
	if _, err := s.Manager.Create(t.Context(), "notes", map[string]any{"n": int64(1)}, resource.CreateOptions{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func judgingOf(t *testing.T, s *testenv.Stack, told *bytes.Buffer, model string) judging {
	t.Helper()
	return judging{source: plan.Source{Log: s.Log, Blobs: s.Blobs}, types: testenv.Types(t, model), logger: slog.New(slog.NewTextHandler(told, nil))}
}

// TestWhatWasNotRecordedIsToldAndNotRefused: at the first start after an upgrade; from
// then on the model is recorded, and what it is changed to is judged.
func TestWhatWasNotRecordedIsToldAndNotRefused(t *testing.T) {
	s := noted(t)
	var told bytes.Buffer
	j := judgingOf(t, s, &told, notesTwo)
	changed, err := j.judge(t.Context())
	if err != nil || len(changed) != 1 || changed[0].Unfit != 1 {
		t.Fatalf("%+v, %v", changed, err)
	}
	if !strings.Contains(told.String(), "resources=1") || !strings.Contains(told.String(), "/n: must be a string") {
		t.Errorf("it is told: %s", told.String())
	}
	if err := j.record(t.Context(), s.Log, changed); err != nil {
		t.Fatal(err)
	}
	if again, err := j.judge(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("nothing changed: %+v, %v", again, err)
	}
	j.types = testenv.Types(t, strings.Replace(notesTwo, "string", "boolean", 1))
	var refused *SettingError
	if _, err := j.judge(t.Context()); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "a /n: must be a boolean") {
		t.Errorf("the next change: %v", err)
	}
	j.allow = true
	if changed, err = j.judge(t.Context()); err != nil || changed[0].Unfit != 1 {
		t.Errorf("with leave: %+v, %v", changed, err)
	}
}

// overtaken is a log on which another process records its model just before.
type overtaken struct {
	plan.Recorder
	first func()
}

func (o *overtaken) Append(ctx context.Context, unit []storage.Record) (uint64, error) {
	if o.first != nil {
		first := o.first
		o.first = nil
		first()
	}
	return o.Recorder.Append(ctx, unit)
}

// TestOneOfTwoModelsAtOnceIsJudgedByTheOther: of two processes that start at the same
// time, the second compares its model with that of the first.
func TestOneOfTwoModelsAtOnceIsJudgedByTheOther(t *testing.T) {
	s := noted(t)
	var told bytes.Buffer
	one, two := judgingOf(t, s, &told, notesOne), judgingOf(t, s, &told, notesTwo)
	begin := func(j judging, first func()) error {
		changed, err := j.judge(t.Context())
		if err != nil {
			return err
		}
		return j.record(t.Context(), &overtaken{s.Log, first}, changed)
	}
	err := begin(two, func() {
		if err := begin(one, nil); err != nil {
			t.Error(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "a /n: must be a string") {
		t.Errorf("the second is not refused: %v", err)
	}
	recorded, err := plan.ReadRecorded(t.Context(), s.Log)
	if err != nil || recorded["notes"].Version != "1.0" || !recorded["notes"].Same(plan.Describe(one.types[0])) {
		t.Errorf("recorded is %+v, %v", recorded["notes"], err)
	}
}
