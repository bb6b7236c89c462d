package indexer_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const (
	before = `
name: films
schema: {type: object, required: [title], properties: {title: {type: string}, year: {type: integer}, tags: {type: array, items: {type: string}}}}
index: [year, tags]
`
	after = `
name: films
schema: {type: object, required: [title], properties: {title: {type: string}, year: {type: integer}, tags: {type: array, items: {type: string}}}}
index: [year, title]
fulltext: [title]
`
	others = `
name: actors
schema: {type: object, properties: {name: {type: string}}}
index: [name]
`
)

// films is how many there are; AUTOCRUD_TEST_FILMS=20000 is the full size.
var films = max(number("AUTOCRUD_TEST_FILMS"), 4_000)

func number(variable string) int {
	n, _ := strconv.Atoi(os.Getenv(variable)) // 0 when it is not set
	return n
}

// TestADefinitionChangesUnderLoad adds a field and full text to, and takes a
// field from, a type with many resources, while they are read and written. What
// both definitions know is answered throughout, and nothing is missing at the
// end.
func TestADefinitionChangesUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := testenv.Open(t, dir, testenv.Types(t, before), testenv.StackOptions{})
	fillFilms(t, s)
	s.Stop()
	t.Run("SQLite", func(t *testing.T) { changeUnderLoad(t, dir, func() storage.Index { return nil }) })
	url := testenv.Postgres(t)
	postgres := func() storage.Index {
		x, err := pgindex.Open(t.Context(), url, pgindex.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	s = testenv.Open(t, dir, testenv.Types(t, before), testenv.StackOptions{Index: postgres()})
	if n, _, err := s.Manager.Count(t.Context(), "films", resource.ListOptions{Consistency: resource.Strong}); err != nil && fault.CodeOf(err) != fault.IndexLag {
		t.Fatal(n, err)
	}
	waitFor(t, s, "films", int64(films))
	s.Stop()
	t.Run("Postgres", func(t *testing.T) { changeUnderLoad(t, dir, postgres) })
}

func fillFilms(t *testing.T, s *testenv.Stack) {
	g, ctx := errgroup.WithContext(t.Context())
	for w := range 64 {
		g.Go(func() error {
			for i := w; i < films; i += 64 {
				doc := map[string]any{"title": fmt.Sprintf("Film number%d", i), "year": int64(i % 100), "tags": []any{"x"}}
				if _, err := s.Manager.Create(ctx, "films", doc, resource.CreateOptions{ID: fmt.Sprintf("f%05d", i)}); err != nil {
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

// waitFor asks until the index, which may have begun from nothing, has it all.
func waitFor(t *testing.T, s *testenv.Stack, typ string, atLeast int64) {
	t.Helper()
	for {
		n, _, err := s.Manager.Count(t.Context(), typ, resource.ListOptions{Consistency: resource.Strong})
		if err != nil && fault.CodeOf(err) != fault.IndexLag {
			t.Fatal(err)
		}
		if err == nil && n >= atLeast {
			return
		}
	}
}

func changeUnderLoad(t *testing.T, dir string, index func() storage.Index) {
	s := testenv.Open(t, dir, testenv.Types(t, after, others), testenv.StackOptions{Index: index()})
	defer s.Stop()
	var made, lagged, answered atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	run := func(fn func(i int) error) {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := fn(i); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	run(func(i int) error { // new ones are in the list at once
		id := fmt.Sprintf("new-%s-%d", t.Name()[len(t.Name())-6:], i)
		doc := map[string]any{"title": "Film fresh", "year": int64(1000 + i)}
		if _, err := s.Manager.Create(ctx, "films", doc, resource.CreateOptions{ID: id}); err != nil {
			return err
		}
		made.Add(1)
		l, err := s.Manager.List(ctx, "films", resource.ListOptions{Filter: fmt.Sprintf("year = %d", 1000+i), Page: resource.PageOptions{Size: 1}, OrderBy: "meta.seq desc"})
		if err == nil && (len(l.Items) != 1 || l.Items[0].ID != id) {
			err = fmt.Errorf("%s is not found", id)
		}
		return err
	})
	run(func(i int) error { // what both know never lacks
		_, err := s.Manager.Patch(ctx, "films", fmt.Sprintf("f%05d", i%films), resource.Patch{Kind: resource.MergePatch, Body: map[string]any{"title": "Film changed"}}, resource.UpdateOptions{})
		if err != nil {
			return err
		}
		n, _, err := s.Manager.Count(ctx, "films", resource.ListOptions{Filter: "year < 100"})
		if err == nil && n != int64(films) {
			err = fmt.Errorf("%d films of %d", n, films)
		}
		return err
	})
	done := false
	for !done {
		before := made.Load()
		n, _, err := s.Manager.Count(ctx, "films", resource.ListOptions{Filter: `startsWith(title, "Film")`, Text: "film", Consistency: resource.Eventual})
		switch {
		case fault.CodeOf(err) == fault.IndexLag:
			lagged.Add(1)
			if !strings.Contains(err.Error(), "entries of the log are read") {
				t.Errorf("no progress in %v", err)
			}
		case err != nil:
			t.Fatal(err)
		default:
			answered.Add(1)
			if n < int64(films) {
				t.Fatalf("%d films of %d", n, films)
			}
			done = answered.Load() > 20 && before > 20
		}
	}
	cancel()
	wg.Wait()
	if lagged.Load() == 0 {
		t.Log("the new table was full before it was asked")
	}
	page, err := s.Manager.Aggregate(t.Context(), "films", resource.AggregateOptions{ListOptions: resource.ListOptions{Text: `film fresh`}})
	if err != nil || page.Groups[0].Count < made.Load() {
		t.Fatalf("%v of %d new ones, %v", page, made.Load(), err)
	}
	if _, err := s.Manager.List(t.Context(), "films", resource.ListOptions{Filter: `tags:"x"`}); fault.CodeOf(err) != fault.InvalidFilter {
		t.Errorf("a field that is no longer indexed: %v", err)
	}
	if n, _, err := s.Manager.Count(t.Context(), "actors", resource.ListOptions{}); n != 0 || err != nil {
		t.Errorf("a type without events: %d, %v", n, err)
	}
}

// TestAReplayGoesOnWhereItWas ends the process in the middle of a replay.
func TestAReplayGoesOnWhereItWas(t *testing.T) {
	dir := t.TempDir()
	s := testenv.Open(t, dir, testenv.Types(t, before), testenv.StackOptions{})
	fillFilms(t, s)
	s.Stop()
	seen := []string{""}
	for range 4 {
		s = testenv.Open(t, dir, testenv.Types(t, after), testenv.StackOptions{})
		for { // until it has come further
			_, err := s.Manager.List(t.Context(), "films", resource.ListOptions{Text: "film", Consistency: resource.Eventual})
			if err == nil {
				break
			}
			if now := err.Error(); now != seen[len(seen)-1] {
				seen = append(seen, now)
				break
			}
		}
		s.Stop()
	}
	s = testenv.Open(t, dir, testenv.Types(t, after), testenv.StackOptions{})
	n, _, err := s.Manager.Count(t.Context(), "films", resource.ListOptions{Text: "film"})
	if n != int64(films) || err != nil {
		t.Fatalf("%d of %d after %q, %v", n, films, seen, err)
	}
}
