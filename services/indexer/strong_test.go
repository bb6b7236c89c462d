package indexer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
)

// TestStrongNeverMissesWhatAnotherAcknowledged: of two APIs over one log and one
// database, each with its own connections, one writes and the other searches.
// A strong search finds every write that was acknowledged before it began; so
// does one with min_seq. AUTOCRUD_TEST_PAIRS=100000 is the number of pairs.
func TestStrongNeverMissesWhatAnotherAcknowledged(t *testing.T) {
	pairs := size(t, "AUTOCRUD_TEST_PAIRS", 600)
	url := testenv.Postgres(t)
	open := func() *pgindex.Index {
		x, err := pgindex.Open(t.Context(), url, pgindex.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	types := testenv.Types(t, three)
	s := testenv.Open(t, t.TempDir(), types, testenv.StackOptions{Index: open(), Manager: func(o *resource.Options) { o.Sole = false }})
	own := open()
	defer own.Close()
	if err := own.Attach(t.Context(), []storage.Definition{types[0].Definition()}); err != nil {
		t.Fatal(err)
	}
	progress := states.NewProgress()
	other := resource.NewDomain(types, s.Log, s.Blobs, own, resource.Options{LogSyncsBlobs: true, Progress: progress})
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error { // what the other one knows of the index
		for ctx.Err() == nil {
			p, err := own.Position(ctx)
			if err != nil && ctx.Err() == nil {
				return err
			}
			progress.Advance(p.Applied)
			time.Sleep(2 * time.Millisecond)
		}
		return nil
	})
	var missed, eventual atomic.Int64
	begun := time.Now()
	var pairing errgroup.Group
	const workers = 32
	for w := range workers {
		pairing.Go(func() error {
			for i := w; i < pairs; i += workers {
				writer, reader := s.Manager, other
				if i%2 == 1 {
					writer, reader = other, s.Manager
				}
				title := fmt.Sprint("p", i)
				r, err := createFilm(ctx, writer, title, title, i)
				if err != nil {
					return err
				}
				o := resource.ListOptions{Filter: fmt.Sprintf("title = %q", title), Consistency: resource.Eventual}
				if n, _, err := reader.Count(ctx, "films", o); err == nil && n == 0 {
					eventual.Add(1)
				}
				if o.Consistency = resource.Strong; i%3 == 0 {
					o.Consistency, o.MinSeq = resource.Eventual, r.Seq
				}
				n, _, err := reader.Count(ctx, "films", o)
				if err != nil {
					return err
				}
				if n != 1 {
					missed.Add(1)
				}
			}
			return nil
		})
	}
	if err := pairing.Wait(); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pairs in %s; %d would have been missed without waiting", pairs, time.Since(begun).Round(time.Millisecond), eventual.Load())
	if n := missed.Load(); n > 0 || eventual.Load() == 0 {
		t.Errorf("%d missed, %d without waiting", n, eventual.Load())
	}
}
