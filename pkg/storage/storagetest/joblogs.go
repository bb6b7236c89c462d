package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestJobLogs holds an adapter to the contract of storage.JobLogs. Open gives a new,
// empty one, and whether a text is in a file of it; nil where it has none.
func TestJobLogs(t *testing.T, open func(t *testing.T) (logs storage.JobLogs, inFiles func(text string) bool)) {
	write := func(t *testing.T, l storage.JobLogs, id string, texts ...string) {
		t.Helper()
		lines := make([]storage.LogLine, len(texts))
		for i, text := range texts {
			lines[i] = storage.LogLine{At: time.Unix(int64(i), 0).UTC(), Attempt: 1, Text: text}
		}
		if err := l.Append(t.Context(), "emails", id, lines); err != nil {
			t.Fatal(err)
		}
	}
	read := func(t *testing.T, l storage.JobLogs, id string, after uint64, limit int) (texts []string, last uint64) {
		t.Helper()
		pieces, err := l.Read(t.Context(), "emails", id, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			if p.Seq <= after {
				t.Fatalf("a piece at %d comes after %d", p.Seq, after)
			}
			after = p.Seq
			for _, line := range p.Lines {
				texts = append(texts, line.Text)
			}
		}
		return texts, after
	}
	t.Run("AJobHasItsOwnLines", func(t *testing.T) {
		l, _ := open(t)
		write(t, l, "a", "one", "two")
		write(t, l, "b", "other")
		write(t, l, "a", "three")
		if got, _ := read(t, l, "a", 0, 100); !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Errorf("its lines are %q", got)
		}
		if got, _ := read(t, l, "none", 0, 100); len(got) != 0 {
			t.Errorf("a job without a log has %q", got)
		}
	})
	t.Run("ALineKeepsWhatItWas", func(t *testing.T) {
		l, _ := open(t)
		want := storage.LogLine{At: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Attempt: 3, Text: "ünï\tcode\n"}
		if err := l.Append(t.Context(), "emails", "a", []storage.LogLine{want}); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Read(t.Context(), "emails", "a", 0, 1); err != nil || len(got) != 1 || len(got[0].Lines) != 1 || got[0].Lines[0] != want {
			t.Errorf("it is %+v, %v", got, err)
		}
	})
	t.Run("ReadGoesOnAfterASequence", func(t *testing.T) {
		l, _ := open(t)
		for i := range 10 {
			write(t, l, "a", fmt.Sprint(i))
		}
		var all []string
		for after := uint64(0); ; {
			got, last := read(t, l, "a", after, 3)
			if len(got) == 0 {
				break
			}
			if len(got) != 3 && len(all)+len(got) != 10 {
				t.Errorf("a page of 3 has %d lines", len(got))
			}
			all, after = append(all, got...), last
		}
		if want := strings.Split("0123456789", ""); !slices.Equal(all, want) {
			t.Errorf("the pages hold %q", all)
		}
	})
	t.Run("APageOfManyBytesEndsEarly", func(t *testing.T) {
		l, _ := open(t)
		for range 12 {
			write(t, l, "a", strings.Repeat("x", 900<<10))
		}
		got, _ := read(t, l, "a", 0, 100)
		if len(got) < 8 || len(got) >= 12 {
			t.Errorf("a page of 8 MiB has %d lines of 900 KiB", len(got))
		}
	})
	t.Run("EraseDestroysOneLog", func(t *testing.T) {
		l, inFiles := open(t)
		const secret = "what-nobody-may-read-again"
		write(t, l, "a", secret)
		write(t, l, "b", "stays")
		if err := l.Erase(t.Context(), "emails", "a"); err != nil {
			t.Fatal(err)
		}
		if got, _ := read(t, l, "a", 0, 100); len(got) != 0 {
			t.Errorf("an erased log has %q", got)
		}
		if got, _ := read(t, l, "b", 0, 100); !slices.Equal(got, []string{"stays"}) {
			t.Errorf("the other log has %q", got)
		}
		if inFiles != nil && inFiles(secret) {
			t.Error("the erased line is in a file")
		}
		if err := l.Erase(t.Context(), "emails", "a"); err != nil {
			t.Errorf("erasing again: %v", err)
		}
	})
}
