package indexer_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// size is what an environment variable says, or that of the suite.
func size(t *testing.T, variable string, suite int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return suite
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func createFilm(ctx context.Context, m *resource.Domain, id, title string, year int) (*resource.Resource, error) {
	return m.Create(ctx, "films", map[string]any{"title": title, "year": int64(year), "tags": []any{"x"}}, resource.CreateOptions{ID: id})
}

// createFilms makes n of them, f0 and so on.
func createFilms(t *testing.T, m *resource.Domain, n int) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	for w := range 64 {
		g.Go(func() error {
			for i := w; i < n; i += 64 {
				if _, err := createFilm(ctx, m, fmt.Sprint("f", i), fmt.Sprint("Film ", i%977), i%50); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestAWalkUnderSixteenClientsMeetsEachRowOnce pages through all films in
// several orders while 16 clients make, change, delete and restore others: each
// film that stays as it is, is met exactly once. AUTOCRUD_TEST_WALK=100000 has
// as many films.
func TestAWalkUnderSixteenClientsMeetsEachRowOnce(t *testing.T) {
	n := size(t, "AUTOCRUD_TEST_WALK", 1200)
	eachIndex(t, func(t *testing.T, s *testenv.Stack, _ *sql.DB, _ []harm) {
		createFilms(t, s.Manager, n)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var g errgroup.Group
		var writes, made atomic.Int64
		for range 16 {
			g.Go(func() error {
				for ctx.Err() == nil {
					if err := disturb(ctx, s.Manager, n, &made); err != nil && ctx.Err() == nil {
						return err
					}
					writes.Add(1)
				}
				return nil
			})
		}
		for _, order := range []string{"year desc, title", "title, year", ""} {
			begun, before := time.Now(), writes.Load()
			seen, pages := walkFilms(t, s.Manager, n, order)
			for i, times := range seen {
				if i%3 > 0 && times != 1 {
					t.Fatalf("order %q: film %d was met %d times", order, i, times)
				}
			}
			t.Logf("order %q: %d pages in %s, meanwhile %d writes", order, pages, time.Since(begun).Round(time.Millisecond), writes.Load()-before)
		}
		stop()
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// disturb writes to one of every third film, or makes one.
func disturb(ctx context.Context, m *resource.Domain, n int, made *atomic.Int64) (err error) {
	id := fmt.Sprint("f", rand.IntN(n/3)*3)
	switch rand.IntN(4) {
	case 0:
		_, err = createFilm(ctx, m, fmt.Sprint("new", made.Add(1)), fmt.Sprint("Film ", rand.IntN(977)), rand.IntN(50))
	case 1:
		_, err = m.Delete(ctx, "films", id, resource.Match{})
	case 2:
		_, err = m.Restore(ctx, "films", id, resource.Match{})
	default:
		patch := resource.Patch{Kind: resource.MergePatch, Body: map[string]any{"year": int64(rand.IntN(50)), "title": fmt.Sprint("Film ", rand.IntN(977))}}
		_, err = m.Patch(ctx, "films", id, patch, resource.UpdateOptions{})
	}
	if slices.Contains([]fault.Code{fault.Deleted, fault.InvalidState, fault.Conflict}, fault.CodeOf(err)) {
		return nil
	}
	return err
}

// walkFilms counts how often a walk meets each of the first films.
func walkFilms(t *testing.T, m *resource.Domain, n int, order string) (seen []int, pages int) {
	t.Helper()
	seen = make([]int, n)
	o := resource.ListOptions{OrderBy: order, Page: resource.PageOptions{Size: max(20, min(500, n/40))}, Bare: true}
	for {
		page, err := m.List(t.Context(), "films", o)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, r := range page.Items {
			if i, err := strconv.Atoi(r.ID[1:]); err == nil && r.ID[0] == 'f' {
				seen[i]++
			}
		}
		if o.Page.Token = page.NextPageToken; o.Page.Token == "" {
			return seen, pages
		}
	}
}

// TestAWriteIsSoonFound measures, under a load of 1,000 writes per second, how
// long after its acknowledgement a write is found by a search that waits for
// nothing. AUTOCRUD_TEST_FRESHNESS=60 measures so many seconds and holds the
// 99th percentile to 100 ms.
func TestAWriteIsSoonFound(t *testing.T) {
	seconds := size(t, "AUTOCRUD_TEST_FRESHNESS", 1)
	for _, name := range []string{"SQLite", "Postgres"} { // one after the other
		t.Run(name, func(t *testing.T) {
			s := openOn(t, name)
			took := underLoad(t, s.Manager, time.Duration(seconds)*time.Second)
			slices.Sort(took)
			p50, p99 := took[len(took)/2], took[len(took)*99/100]
			t.Logf("%d writes looked for: found after %s at the median, %s at the 99th percentile, %s at most", len(took), p50, p99, took[len(took)-1])
			if limit := 100 * time.Millisecond; os.Getenv("AUTOCRUD_TEST_FRESHNESS") != "" && p99 > limit {
				t.Errorf("the 99th percentile is over %s", limit)
			}
		})
	}
}

// underLoad writes 1,000 per second and looks for one of 20.
func underLoad(t *testing.T, m *resource.Domain, long time.Duration) []time.Duration {
	t.Helper()
	const workers = 20
	var g errgroup.Group
	took := make([][]time.Duration, workers)
	begun := time.Now()
	var all atomic.Int64
	for w := range workers {
		g.Go(func() error {
			for i := 0; time.Since(begun) < long; i++ {
				if wait := time.Duration(i)*workers*time.Millisecond - time.Since(begun); wait > 0 {
					time.Sleep(wait) // the load is a rate
				}
				title := fmt.Sprintf("w%d-%d", w, i)
				if _, err := createFilm(t.Context(), m, title, title, i); err != nil {
					return err
				}
				all.Add(1)
				if i%20 != w {
					continue
				}
				acknowledged := time.Now()
				if err := await(t.Context(), m, title); err != nil {
					return err
				}
				took[w] = append(took[w], time.Since(acknowledged))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f writes per second", float64(all.Load())/time.Since(begun).Seconds())
	return slices.Concat(took...)
}

func await(ctx context.Context, m *resource.Domain, title string) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Microsecond) {
		n, _, err := m.Count(ctx, "films", resource.ListOptions{Filter: fmt.Sprintf("title = %q", title), Consistency: resource.Eventual})
		if err != nil || n == 1 {
			return err
		}
	}
	return fmt.Errorf("%s is not found", title)
}
