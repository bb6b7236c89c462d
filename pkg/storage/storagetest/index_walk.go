package storagetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// walk pages through many rows while others are inserted, updated and deleted:
// each row that stays as it is, is met exactly once.
func walk(t *testing.T, x storage.Index) {
	rows := 20_000
	if !testing.Short() && !Race {
		rows = 30_000
	}
	define(t, x, movies())
	seq := uint64(0)
	row := func(i int, action storage.Action, year int64) storage.IndexChange {
		seq++
		return change(seq, fmt.Sprintf("m%06d", i), action, query.Values{"year": year, "score": float64(i % 3)})
	}
	for i := 0; i < rows; i += 1000 {
		var batch []storage.IndexChange
		for j := i; j < i+1000; j++ {
			batch = append(batch, row(j, storage.Created, int64(j*7919%500)))
		}
		apply(t, x, batch...)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { // moves every third row about, and makes and deletes others
		g := rand.New(rand.NewPCG(1, 2))
		for extra := rows; ctx.Err() == nil; {
			newest := map[int]bool{}
			var batch []storage.IndexChange
			for range 50 {
				i := g.IntN(rows/3) * 3
				if newest[i] {
					continue
				}
				newest[i] = true
				action := storage.Updated
				if g.IntN(3) == 0 {
					action = storage.Deleted
				}
				batch = append(batch, row(i, action, int64(g.IntN(500))), row(extra, storage.Created, int64(g.IntN(500))))
				extra += 3
			}
			if err := x.Apply(ctx, storage.Batch{Changes: batch, Through: seq}); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	for _, o := range []string{"year desc, score", "year"} {
		seen := make([]int8, rows)
		s := storage.Search{Type: "movies", Order: order(t, o), Limit: 500, Bare: true}
		for {
			page, err := x.Search(t.Context(), s)
			ok(t, err)
			for _, r := range page.Rows {
				var i int
				if _, err := fmt.Sscanf(r.ID, "m%06d", &i); err != nil {
					t.Fatal(err)
				}
				if i < rows && i%3 > 0 {
					seen[i]++
				}
			}
			if s.After = page.Next; s.After == nil {
				break
			}
		}
		for i, n := range seen {
			if i%3 > 0 && n != 1 {
				t.Fatalf("order %q: row %d was met %d times", o, i, n)
			}
		}
	}
}
