package pgindex_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
)

// TestAFrozenServerIsNotWaitedForLongerThanTheTimeout: no statement timeout of
// the server ends what a frozen one does not answer.
func TestAFrozenServerIsNotWaitedForLongerThanTheTimeout(t *testing.T) {
	server := testenv.StartPostgres(t)
	x, err := pgindex.Open(t.Context(), server.URL(), pgindex.Options{Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	define(t, x, notes())
	apply(t, x, note(1, "a", "one", "two"))
	reads := map[string]func(context.Context) error{
		"Search": func(ctx context.Context) error {
			_, err := x.Search(ctx, storage.Search{Type: "notes", Limit: 1})
			return err
		},
		"Read":  func(ctx context.Context) error { _, err := x.Read(ctx, "notes", "a"); return err },
		"Head":  func(ctx context.Context) error { _, err := x.Head(ctx, "notes", "a"); return err },
		"Heads": func(ctx context.Context) error { _, err := x.Heads(ctx, "notes", []string{"a"}); return err },
		"Events": func(ctx context.Context) error {
			_, err := x.Events(ctx, storage.EventQuery{Type: "notes", ID: "a"})
			return err
		},
		"Keyed":    func(ctx context.Context) error { _, err := x.Keyed(ctx, "ann", "k"); return err },
		"Holders":  func(ctx context.Context) error { _, err := x.Holders(ctx, "d", "", "", 1); return err },
		"Types":    func(ctx context.Context) error { _, err := x.Types(ctx); return err },
		"Building": func(ctx context.Context) error { _, err := x.Building(ctx); return err },
		"Position": func(ctx context.Context) error { _, err := x.Position(ctx); return err },
	}
	server.Freeze(t, true)
	for name, read := range reads {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := read(ctx); !errors.Is(err, storage.ErrUnavailable) || ctx.Err() != nil {
			t.Errorf("%s of a frozen server: %v", name, err)
		}
		cancel()
	}
	server.Freeze(t, false)
	if got := found(t, x, storage.Search{}); got != "a" {
		t.Errorf("afterwards: found %q", got)
	}
}
