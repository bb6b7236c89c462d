package tests_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// version is what a client knows of a resource: every revision's title in
// order, and whether it is deleted. No titles: it does not exist.
type version struct {
	titles  []string
	deleted bool
}

// tracked is a resource of one writer. next is the version that a request
// without an answer may have made.
type tracked struct {
	id      string
	now     version
	next    *version
	touched bool
}

func TestNoAcknowledgedWriteIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	const writers = 16
	args := []string{"--models", apitest.WriteModels(t, models), "--data-dir", t.TempDir(), "--log-level", "error"}
	all := make([][]*tracked, writers)
	var slowest time.Duration
	acknowledged := 0
	for round := range rounds {
		p := apitest.Launch(t, args...)
		c := apitest.NewClient(t, p.URL)
		var wg sync.WaitGroup
		counts := make([]int, writers)
		for w := range writers {
			rnd := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			wg.Go(func() { all[w], counts[w] = write(t, c, rnd, fmt.Sprintf("w%d-%d-", w, round), all[w]) })
		}
		time.AfterFunc(time.Duration(40+rand.N(160))*time.Millisecond, p.Kill)
		wg.Wait()
		p.Kill()
		for _, n := range counts {
			acknowledged += n
		}
		p = apitest.Launch(t, args...)
		slowest = max(slowest, p.Began)
		c = apitest.NewClient(t, p.URL)
		verify(t, c, all, round == rounds-1)
		p.Kill()
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("%d acknowledged writes in %d rounds; the slowest start took %s", acknowledged, rounds, slowest)
	if slowest > 10*time.Second {
		t.Errorf("a start took %s", slowest)
	}
	if acknowledged < 20*rounds {
		t.Errorf("only %d writes were acknowledged: the kill was not in the middle of them", acknowledged)
	}
}

// write works on its own resources until the program does not answer.
func write(t *testing.T, c *apitest.Client, rnd *rand.Rand, name string, mine []*tracked) ([]*tracked, int) {
	done := 0
	for n := 0; ; n++ {
		var x *tracked
		if len(mine) == 0 || rnd.IntN(4) == 0 {
			x = &tracked{id: fmt.Sprint(name, n)}
			mine = append(mine, x)
		} else {
			x = mine[rnd.IntN(len(mine))]
		}
		x.touched = true
		title := fmt.Sprintf("title %s%d of %s", name, n, x.id)
		body := map[string]any{"title": title, "year": 2000}
		next := version{titles: append(x.now.titles[:len(x.now.titles):len(x.now.titles)], title)}
		var r *apitest.Response
		var err error
		switch {
		case len(x.now.titles) == 0:
			r, err = c.Try(t, "POST", "/v1/movies?id="+x.id, body)
		case x.now.deleted:
			next = version{titles: x.now.titles}
			r, err = c.Try(t, "POST", "/v1/movies/"+x.id+":restore", nil)
		case rnd.IntN(6) == 0:
			next = version{titles: x.now.titles, deleted: true}
			r, err = c.Try(t, "DELETE", "/v1/movies/"+x.id, nil)
		default:
			r, err = c.Try(t, "PUT", "/v1/movies/"+x.id, body)
		}
		if err != nil {
			x.next = &next
			return mine, done
		}
		if r.Status != 200 && r.Status != 201 {
			t.Errorf("%s: %d %s", r.What, r.Status, r.Body)
			return mine, done
		}
		x.now = next
		done++
	}
}

// verify compares every resource that was written to since the last time, or
// all, with what was acknowledged, and the list with all of them.
func verify(t *testing.T, c *apitest.Client, all [][]*tracked, everything bool) {
	t.Helper()
	var wg sync.WaitGroup
	for _, mine := range all {
		wg.Go(func() {
			for _, x := range mine {
				if x.touched || everything {
					verifyOne(t, c, x)
				}
				x.touched = false
			}
		})
	}
	wg.Wait()
	want := map[string]version{}
	for _, mine := range all {
		for _, x := range mine {
			if len(x.now.titles) > 0 {
				want[x.id] = x.now
			}
		}
	}
	live, listed := 0, 0
	for token := ""; ; {
		r := c.Get(t, "/v1/movies?include_deleted=true&total=true&page_size=1000"+token).Want(t, 200)
		if got := r.Int("/total"); got != len(want) {
			t.Errorf("the list counts %d, reads find %d", got, len(want))
		}
		for _, item := range r.Items() {
			listed++
			checkItem(t, item, want)
		}
		if r.Text("/next_page_token") == "" {
			break
		}
		token = "&page_token=" + r.Text("/next_page_token")
	}
	for _, v := range want {
		if !v.deleted {
			live++
		}
	}
	if listed != len(want) {
		t.Errorf("the list has %d, reads find %d", listed, len(want))
	}
	c.Get(t, "/v1/movies?total=true&page_size=1").Want(t, 200).Equal(t, "/total", fmt.Sprint(live))
}

func checkItem(t *testing.T, item any, want map[string]version) {
	t.Helper()
	m := item.(map[string]any)
	meta, data := m["meta"].(map[string]any), m["data"].(map[string]any)
	v, ok := want[meta["id"].(string)]
	if !ok {
		t.Errorf("the list has %v, which does not exist", meta["id"])
		return
	}
	if meta["deleted"] != v.deleted || data["title"] != v.titles[len(v.titles)-1] || int(meta["revision_count"].(float64)) != len(v.titles) {
		t.Errorf("the list has %v, want %v", item, v)
	}
}

// verifyOne reads a resource from the log and settles what a request without an
// answer did to it.
func verifyOne(t *testing.T, c *apitest.Client, x *tracked) {
	r := request(t, c, "GET", "/v1/movies/"+x.id+"?include_deleted=true&consistency=strong", nil)
	if x.next != nil && fits(r, *x.next) {
		x.now = *x.next
	}
	x.next = nil
	if !fits(r, x.now) {
		t.Errorf("%s: %d %s, want %d revisions, deleted %v", x.id, r.Status, r.Body, len(x.now.titles), x.now.deleted)
		return
	}
	n := len(x.now.titles)
	if n == 0 {
		return
	}
	revisions := request(t, c, "GET", "/v1/movies/"+x.id+"/revisions?page_size=1000", nil)
	if len(revisions.Items()) != n {
		t.Errorf("%s has %d revisions, want %d", x.id, len(revisions.Items()), n)
		return
	}
	for i, number := range numbers(revisions) {
		parent := any(nil)
		if number > 1 {
			parent = fmt.Sprintf("%s:%d", x.id, number-1)
		}
		if number != n-i || revisions.Value(fmt.Sprintf("/items/%d/revision/parent", i)) != parent {
			t.Errorf("%s: revision %d of %d: %v", x.id, n-i, n, revisions.Items()[i])
		}
	}
	for _, number := range []int{1, max(n-1, 1), n} {
		got := request(t, c, "GET", fmt.Sprintf("/v1/movies/%s/revisions/%d", x.id, number), nil)
		if got.Status != 200 || got.Text("/data/title") != x.now.titles[number-1] {
			t.Errorf("%s: revision %d is %d %s, want %q", x.id, number, got.Status, got.Body, x.now.titles[number-1])
		}
	}
}

func fits(r *apitest.Response, v version) bool {
	if len(v.titles) == 0 {
		return r.Status == 404
	}
	return r.Status == 200 && r.Int("/meta/revision_count") == len(v.titles) && r.Value("/meta/deleted") == v.deleted &&
		r.Text("/data/title") == v.titles[len(v.titles)-1]
}
