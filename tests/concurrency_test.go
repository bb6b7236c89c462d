package tests_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// together runs n requests at the same time.
func together(n int, fn func(i int) *apitest.Response) []*apitest.Response {
	out := make([]*apitest.Response, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			out[i] = fn(i)
		})
	}
	done.Wait()
	return out
}

func count(rs []*apitest.Response, status int) (n int) {
	for _, r := range rs {
		if r != nil && r.Status == status {
			n++
		}
	}
	return n
}

// request is Do for goroutines other than the test's own.
func request(t *testing.T, c *apitest.Client, method, path string, body any, opts ...apitest.Option) *apitest.Response {
	r, err := c.Try(t, method, path, body, opts...)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return &apitest.Response{}
	}
	return r
}

func TestConcurrentPutsAllBecomeRevisions(t *testing.T) {
	const n = 64
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=hot", `{"title":"start","year":2000}`).Want(t, 201)
		all := together(n, func(i int) *apitest.Response {
			return request(t, c, "PUT", "/v1/movies/hot", map[string]any{"title": fmt.Sprint("t", i), "year": 2000})
		})
		if got := count(all, 200); got != n {
			t.Fatalf("%d of %d were taken", got, n)
		}
		var seen []int
		for i, r := range all {
			number := r.Int("/revision/number")
			seen = append(seen, number)
			r.Equal(t, "/data/title", fmt.Sprintf(`"t%d"`, i)).Equal(t, "/revision/parent", fmt.Sprintf(`"hot:%d"`, number-1))
			c.Get(t, fmt.Sprint("/v1/movies/hot/revisions/", number)).Want(t, 200).Equal(t, "/data/title", fmt.Sprintf(`"t%d"`, i))
		}
		slices.Sort(seen)
		for i, number := range seen {
			if number != i+2 {
				t.Fatalf("the numbers have a gap or a repetition: %v", seen)
			}
		}
		c.Get(t, "/v1/movies/hot").Equal(t, "/meta/revision_count", fmt.Sprint(n+1)).Equal(t, "/revision/number", fmt.Sprint(n+1))
		if got := len(c.Get(t, "/v1/movies/hot/history?page_size=1000").Items()); got != n+1 {
			t.Errorf("%d events in the history", got)
		}
	})
}

func TestOfConcurrentPutsOnOneStateOneWins(t *testing.T) {
	const n = 64
	each(t, func(t *testing.T, c *apitest.Client) {
		tag := c.Post(t, "/v1/movies?id=hot", `{"title":"start","year":2000}`).Want(t, 201).ETag()
		all := together(n, func(i int) *apitest.Response {
			return request(t, c, "PUT", "/v1/movies/hot", map[string]any{"title": fmt.Sprint("t", i), "year": 2000}, apitest.IfMatch(tag))
		})
		if ok, refused := count(all, 200), count(all, 412); ok != 1 || refused != n-1 {
			t.Errorf("%d won and %d were refused of %d", ok, refused, n)
		}
		c.Get(t, "/v1/movies/hot").Equal(t, "/meta/revision_count", "2")
	})
}

func TestConcurrentPatchesAreNotLost(t *testing.T) {
	const n = 32
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/notes?id=hot", `{"text":"x","pages":[]}`).Want(t, 201)
		all := together(n, func(i int) *apitest.Response {
			return request(t, c, "PATCH", "/v1/notes/hot?mode=modify", []any{map[string]any{"op": "add", "path": "/pages/-", "value": i}},
				apitest.Header("Content-Type", apitest.JSONPatch))
		})
		if got := count(all, 200); got != n {
			t.Fatalf("%d of %d were taken", got, n)
		}
		var pages []int
		for _, p := range c.Get(t, "/v1/notes/hot").Want(t, 200).Equal(t, "/meta/revision_count", "1").Value("/data/pages").([]any) {
			pages = append(pages, int(p.(float64)))
		}
		slices.Sort(pages)
		if len(slices.Compact(pages)) != n {
			t.Errorf("pages %v", pages)
		}
	})
}

func TestOfConcurrentCreatesAtOneIdOneWins(t *testing.T) {
	const n = 32
	each(t, func(t *testing.T, c *apitest.Client) {
		all := together(n, func(int) *apitest.Response { return request(t, c, "POST", "/v1/movies?id=one", heat) })
		if made, there := count(all, 201), count(all, 409); made != 1 || there != n-1 {
			t.Errorf("%d made, %d there of %d", made, there, n)
		}
		all = together(n, func(int) *apitest.Response {
			return request(t, c, "PUT", "/v1/movies/two", heat, apitest.Header("If-None-Match", "*"))
		})
		if made, there := count(all, 201), count(all, 412); made != 1 || there != n-1 {
			t.Errorf("%d made, %d there of %d", made, there, n)
		}
		all = together(n, func(int) *apitest.Response { return request(t, c, "DELETE", "/v1/movies/two", nil) })
		if gone, there := count(all, 200), count(all, 410); gone != 1 || there != n-1 {
			t.Errorf("%d deletes, %d too late of %d", gone, there, n)
		}
		c.Get(t, "/v1/movies?total=true").Equal(t, "/total", "1")
		c.Get(t, "/v1/movies?total=true&include_deleted=true").Equal(t, "/total", "2")
	})
}
