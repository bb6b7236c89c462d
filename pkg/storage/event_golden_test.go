package storage_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A log that was written once stays readable for ever. The files in
// testdata/golden/v1 are such a log, in the form of format version 1; they are
// never written again. When the format changes, the next version gets a folder
// of its own and this one stays.
var update = flag.Bool("update", false, "write the golden events that are not there yet")

const goldenV1 = "testdata/golden/v1"

func at(minute int) time.Time { return time.Date(2026, 1, 31, 12, minute, 0, 123456000, time.UTC) }

func ptr[T any](v T) *T { return &v }

// content is canonical JSON with what is hard in it: text beyond ASCII, a
// newline that is escaped, characters that HTML would escape, large numbers.
const content = `{"big":9007199254740993,"name":"Größe <&> \n 水","ratio":0.1}`

// golden are the events, one for every action, by the name of their file.
func golden() map[string]storage.Event {
	meta := storage.Meta{Type: "movies", ID: "heat", CurrentRevision: "heat:1", RevisionCount: 1, Status: storage.Stable,
		SchemaVersion: "1", CreatedAt: at(0), CreatedBy: "user:ann", UpdatedAt: at(0), UpdatedBy: "user:ann"}
	rev := storage.Revision{ID: "heat:1", Number: 1, Status: storage.Stable, SchemaVersion: "1",
		Hash: "sha256:" + strings.Repeat("0123456789abcdef", 4), Size: len(content),
		CreatedAt: at(0), CreatedBy: "user:ann", UpdatedAt: at(0), UpdatedBy: "user:ann"}
	event := func(n int, action storage.Action, edit func(*storage.Event)) storage.Event {
		e := storage.Event{ID: "019c2f00-0000-7000-8000-00000000000" + string(rune('0'+n)), Action: action, At: at(n), Principal: "user:bob",
			RequestID: "req-1", Address: "192.0.2.7", UserAgent: "golden/1", Meta: meta, Revision: rev, Ref: "movies/heat:1/object",
			Previous: "sha256:" + strings.Repeat("fedcba9876543210", 4), Content: []byte(content)}
		e.Meta.UpdatedAt, e.Meta.UpdatedBy = at(n), "user:bob"
		if edit != nil {
			edit(&e)
		}
		return e
	}
	next := func(e *storage.Event) { // a second revision
		e.Meta.CurrentRevision, e.Meta.RevisionCount = "heat:2", 2
		e.Revision.ID, e.Revision.Number, e.Revision.Parent, e.Wrote = "heat:2", 2, ptr("heat:1"), 2
	}
	job := func(n int, action storage.Action, edit func(*storage.Event)) storage.Event {
		return event(n, action, func(e *storage.Event) {
			e.Meta.Type, e.Ref, e.RequestID, e.Address, e.UserAgent = "emails", "emails/heat:1/object", "", "", "worker-1"
			e.Meta.Job = &storage.Job{State: storage.JobRunning, Queue: "default", Priority: 5, Attempts: 1, MaxAttempts: 5,
				RunAt: at(1), StartedAt: ptr(at(2)), Result: json.RawMessage("null")}
			edit(e)
		})
	}
	return map[string]storage.Event{
		"created": event(0, storage.Created, func(e *storage.Event) {
			e.Previous, e.Wrote = "", 1
			e.Meta.UpdatedBy, e.Principal = "user:ann", "user:ann"
			e.Claims = map[string]string{"slug": "c1aim"}
			e.Idempotency = &storage.Idempotency{Key: "k-1", Fingerprint: "f-1", Status: 201}
		}),
		"updated": event(1, storage.Updated, func(e *storage.Event) {
			next(e)
			e.Revision.Message = ptr("fixes the year")
		}),
		"updated_large": event(1, storage.Updated, func(e *storage.Event) {
			next(e)
			e.Content, e.Revision.Size = nil, 40000 // referred to, not inline
		}),
		"modified": event(2, storage.Modified, func(e *storage.Event) {
			e.Meta.Status, e.Revision.Status, e.Wrote = storage.Draft, storage.Draft, 1
		}),
		"switched": event(3, storage.Switched, func(e *storage.Event) { e.Meta.RevisionCount = 2 }),
		"status_changed": event(4, storage.StatusChanged, func(e *storage.Event) {
			e.Wrote = 1
		}),
		"deleted":  event(5, storage.Deleted, func(e *storage.Event) { e.Meta.Deleted, e.Cause = true, "019c2f00-0000-7000-8000-000000000000" }),
		"restored": event(6, storage.Restored, nil),
		"purged": event(7, storage.Purged, func(e *storage.Event) {
			e.Meta.Deleted, e.Revision, e.Ref, e.Content = true, storage.Revision{}, "", nil
		}),
		"migrated": event(8, storage.Migrated, func(e *storage.Event) {
			next(e)
			e.Meta.SchemaVersion, e.Revision.SchemaVersion = "2", "2"
		}),
		"job_started": job(2, storage.JobStarted, func(e *storage.Event) {
			e.Meta.Job.Worker, e.Attempt, e.LeaseUntil = "worker-1", "token-1", ptr(at(3))
		}),
		"job_succeeded": job(3, storage.JobSucceeded, func(e *storage.Event) {
			e.Meta.Job.State, e.Meta.Job.FinishedAt, e.Meta.Job.Result = storage.JobStateDone, ptr(at(3)), json.RawMessage(`{"sent":3}`)
			e.Meta.Job.Progress = &storage.Progress{Done: 3, Total: 3, Message: "sent"}
		}),
		"job_failed": job(3, storage.JobFailed, func(e *storage.Event) {
			e.Meta.Job.State, e.Meta.Job.Error, e.Meta.Job.NextAttemptAt = storage.JobScheduled, ptr("the host did not answer"), ptr(at(4))
		}),
		"job_cancelled": job(4, storage.JobCancelled, func(e *storage.Event) {
			e.Meta.Job.State, e.Meta.Job.FinishedAt = storage.JobStateCancel, ptr(at(4))
		}),
		"job_rerun": job(5, storage.JobRerun, func(e *storage.Event) {
			e.Meta.Job.State, e.Meta.Job.Attempts, e.Meta.Job.StartedAt = storage.JobPending, 0, nil
		}),
	}
}

func TestGoldenEvents(t *testing.T) {
	events := golden()
	if *update {
		writeGolden(t, events)
	}
	files, err := filepath.Glob(goldenV1 + "/*.event")
	if err != nil || len(files) != len(events) {
		t.Fatalf("%d files for %d events, %v", len(files), len(events), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".event")
		t.Run(name, func(t *testing.T) {
			want, ok := events[name]
			if !ok {
				t.Fatal("no event is expected in this file")
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := storage.DecodeEvent(bytes.Clone(b), 42)
			if err != nil {
				t.Fatal(err)
			}
			header, _, _ := bytes.Cut(b, []byte{'\n'})
			want.Version, want.Inline, want.Header, want.Seq, want.Meta.Seq = 1, want.Content != nil, header, 42, 42
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("decoded, header and content left out:\n%+v\nwant\n%+v", short(*got), short(want))
			}
			got.Meta.Seq = 0 // the place in the log is not part of the event
			again, err := got.Encode()
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("encoded again, %v:\n%s\nwant\n%s", err, again, b)
			}
		})
	}
}

// short leaves out what is too long to read in a message.
func short(e storage.Event) storage.Event {
	e.Header, e.Content = nil, nil
	return e
}

// writeGolden adds files and changes none.
func writeGolden(t *testing.T, events map[string]storage.Event) {
	t.Helper()
	for name, e := range events {
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(goldenV1, name+".event"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			_, err = f.Write(b)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestGoldenEventsCoverEveryAction(t *testing.T) {
	have := map[storage.Action]bool{}
	for _, e := range golden() {
		have[e.Action] = true
	}
	for _, a := range []storage.Action{storage.Created, storage.Updated, storage.Modified, storage.Switched, storage.StatusChanged,
		storage.Deleted, storage.Restored, storage.Purged, storage.Migrated, storage.JobStarted, storage.JobSucceeded,
		storage.JobFailed, storage.JobCancelled, storage.JobRerun} {
		if !have[a] {
			t.Errorf("no golden event for %s", a)
		}
	}
}

func goldenFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenV1, name+".event"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeEventRefusesOtherVersions(t *testing.T) {
	b := goldenFile(t, "created")
	for _, v := range []string{"2", "99", "0", "-1"} {
		other := bytes.Replace(b, []byte(`{"v":1,`), []byte(`{"v":`+v+`,`), 1)
		if e, err := storage.DecodeEvent(other, 1); !errors.Is(err, errors.ErrUnsupported) || e != nil {
			t.Errorf("version %s: %v, %v", v, e, err)
		}
	}
}

func TestDecodeEventRefusesDamage(t *testing.T) {
	b := goldenFile(t, "created")
	header := bytes.IndexByte(b, '\n')
	for n := range header + 1 { // every truncation of the header line
		if e, err := storage.DecodeEvent(b[:n:n], 7); !errors.Is(err, storage.ErrCorrupt) || e != nil {
			t.Fatalf("%d bytes of %d: %v, %v", n, len(b), e, err)
		}
	}
	for _, garbage := range []string{"", "\n", "\n\n", "null\n", "[]\n", `"v"` + "\n", "{}\n", "{\"v\":\"1\"}\n", "\x00\x01\x02\n", "{\"v\":1,\"meta\":7}\n",
		strings.Repeat("[", 100000) + "\n", string(b[header+1:])} {
		if e, err := storage.DecodeEvent([]byte(garbage), 7); err == nil || e != nil {
			t.Errorf("%.40q: %v, %v", garbage, e, err)
		}
	}
}

// FuzzDecodeEvent: whatever is read is an error or an event that, written
// again, reads as the same.
func FuzzDecodeEvent(f *testing.F) {
	files, err := filepath.Glob(goldenV1 + "/*.event")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("{\"v\":1}\n"))
	f.Add([]byte("{\"v\":1,\"inline\":true}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := storage.DecodeEvent(b, 42)
		if err != nil {
			if e != nil {
				t.Fatal("an event besides an error")
			}
			return
		}
		e.Meta.Seq = 0
		once, err := e.Encode()
		if err != nil {
			return // times beyond year 9999 cannot be written
		}
		again, err := storage.DecodeEvent(once, 42)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		again.Meta.Seq = 0
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("written twice, %v:\n%s\n%s", err, once, twice)
		}
	})
}
