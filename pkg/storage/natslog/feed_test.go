package natslog_test

import (
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestClosedFeedsLeaveNothingBehind: a server keeps only so many consumers, and would
// keep each of them for minutes.
func TestClosedFeedsLeaveNothingBehind(t *testing.T) {
	l := testenv.Log(t, nil)
	if _, err := l.Append(t.Context(), []storage.Record{{Subject: "rev.notes.a", ID: "e1", Data: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	for i := range 1_300 {
		feed, err := l.Follow(t.Context(), 1)
		if err != nil {
			t.Fatalf("after %d feeds: %v", i, err)
		}
		if _, err := feed.Next(t.Context()); err != nil {
			t.Fatalf("after %d feeds: %v", i, err)
		}
		feed.Close()
	}
}
