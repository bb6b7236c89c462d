package notify_test

import (
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestAWatchLearnsFromTheLogWhatIsPruned: a watch of a type that keeps few revisions is
// told of each event without asking the index, which is behind those who write; and
// without the content once the log says that it is pruned.
func TestAWatchLearnsFromTheLogWhatIsPruned(t *testing.T) {
	pages := &model.Type{Name: "pages", Retention: model.Retention{Revisions: 1}}
	content := []byte(`{"text":"a"}`)
	hub := notify.NewHub()
	for n := 1; n <= 3; n++ {
		e := storage.Event{
			ID: "e", Action: storage.Updated, At: time.Now(), Inline: true, Content: content,
			Meta: storage.Meta{Type: "pages", ID: "a"}, Revision: storage.Revision{Number: n, Hash: model.HashOf(content), Size: len(content)},
		}
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		hub.Add(storage.Entry{Seq: uint64(n), Subject: storage.RevisionSubject("pages", "a"), Data: b, ID: "e"})
	}
	told := func() (with []bool) {
		t.Helper()
		for i := range 3 {
			s, err := hub.After(t.Context(), i, pages)
			if err != nil {
				t.Fatal(err)
			}
			if s.Pruned == (s.Content != nil) {
				t.Errorf("event %d is told pruned: %v, with content: %v", i, s.Pruned, s.Content != nil)
			}
			with = append(with, s.Content != nil)
		}
		return with
	}
	if got := told(); !got[0] || !got[1] || !got[2] {
		t.Errorf("before anything is pruned they are told with content: %v", got)
	}
	pruned := storage.Pruned{Type: "pages", ID: "a", Through: 2, Except: []int{1}, At: time.Now()}
	b, err := pruned.Encode()
	if err != nil {
		t.Fatal(err)
	}
	hub.Add(storage.Entry{Seq: 4, Subject: storage.PrunedSubject("pages", "a"), Data: b})
	if got := told(); !got[0] || got[1] || !got[2] {
		t.Errorf("after the second was pruned they are told with content: %v", got)
	}
}
