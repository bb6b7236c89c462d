package tests_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// planned is what is scheduled of one resource.
type planned struct {
	path string
	at   time.Time
}

// Schedules within a time in which the server is killed again and again.
// AUTOCRUD_TEST_SCHEDULES=1000 is the full size: a minute, and 20 kills.
func TestSchedulesAreDoneOnceThoughTheServerIsKilled(t *testing.T) {
	t.Parallel()
	n, kills, window := 60, 2, 4*time.Second
	if all := envInt("AUTOCRUD_TEST_SCHEDULES"); all > 0 {
		n, kills, window = all, 20, time.Minute
	}
	args := []string{"--models", apitest.WriteModels(t, models), "--data-dir", t.TempDir(), "--log-level", "error"}
	p := apitest.Launch(t, args...)
	all := schedule(t, apitest.NewClient(t, p.URL), n, window)
	g := rand.New(rand.NewPCG(draw(t.Name()), 0))
	up := [][2]time.Time{}
	from := time.Now()
	for range kills {
		time.Sleep(window/time.Duration(2*kills) + time.Duration(g.Int64N(int64(window)/int64(kills)))/2)
		up = append(up, [2]time.Time{from, time.Now()})
		p.Kill()
		p = apitest.Launch(t, args...)
		from = time.Now()
	}
	up = append(up, [2]time.Time{from, time.Now().Add(time.Hour)})
	c := apitest.NewClient(t, p.URL)
	eventually(t, "the time of all schedules", func() bool {
		return !time.Now().Before(all[len(all)-1].at) && c.Get(t, "/v1/movies:count?filter=meta.scheduled.at:*").Want(t, 200).Int("/count") == 0
	})
	var late []time.Duration
	for _, x := range all {
		when := doneOnce(t, c, x)
		if slices.ContainsFunc(up, func(ran [2]time.Time) bool { return x.at.After(ran[0]) && x.at.Before(ran[1]) }) {
			late = append(late, when.Sub(x.at))
		}
	}
	if len(late) == 0 {
		t.Fatal("no time came while a server ran")
	}
	slices.Sort(late)
	t.Logf("%d of %d times came while a server ran: the median was %s late, the last %s", len(late), n, late[len(late)/2], late[len(late)-1])
	most := 10 * time.Second // beside other tests
	if envInt("AUTOCRUD_TEST_SCHEDULES") > 0 {
		most = time.Second
	}
	if median := late[len(late)/2]; median > most {
		t.Errorf("the median is %s late", median)
	}
}

// schedule makes drafts, and schedules each within a time that begins when all are
// scheduled, the earliest first.
func schedule(t *testing.T, c *apitest.Client, n int, window time.Duration) []planned {
	t.Helper()
	g := rand.New(rand.NewPCG(draw(t.Name()), 1))
	all := make([]planned, n)
	each := func(do func(i int)) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := w; i < n; i += 8 {
					do(i)
				}
			})
		}
		wg.Wait()
	}
	begun := time.Now()
	each(func(i int) { c.Post(t, fmt.Sprint("/v1/movies?status=draft&id=k", i), heat).Want(t, 201) })
	start := time.Now().Add(2*time.Since(begun) + time.Second) // scheduling takes as long as creating
	for i := range all {
		all[i] = planned{fmt.Sprint("/v1/movies/k", i), start.Add(time.Duration(g.Int64N(int64(window)))).Truncate(time.Microsecond)}
	}
	each(func(i int) {
		for {
			r := c.Post(t, all[i].path+":publish", whenBody(all[i].at.UTC().Format(time.RFC3339Nano)))
			if r.Status != 422 {
				r.Want(t, 200)
				return
			}
			all[i].at = time.Now().Add(window).Truncate(time.Microsecond) // its time has passed already
		}
	})
	slices.SortFunc(all, func(a, b planned) int { return a.at.Compare(b.at) })
	time.Sleep(time.Until(start))
	return all
}

// doneOnce is when something was published, which has to be once and not early.
func doneOnce(t *testing.T, c *apitest.Client, x planned) (when time.Time) {
	t.Helper()
	times := 0
	for _, e := range events(t, c, x.path) {
		if e["action"] == "status_changed" {
			when, _ = time.Parse(time.RFC3339Nano, fmt.Sprint(e["at"]))
			times++
		}
	}
	if times != 1 || when.Before(x.at) {
		t.Errorf("%s was published %d times, at %s; it was due at %s", x.path, times, when, x.at)
	}
	return when
}

// What came while no server ran is done at once when one does, at its real time.
func TestWhatWasDueWhileNoServerRanIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	args := []string{"--models", apitest.WriteModels(t, models), "--data-dir", t.TempDir(), "--log-level", "error"}
	p := apitest.Launch(t, args...)
	c := apitest.NewClient(t, p.URL)
	var due time.Time
	var ids [2]string
	for margin := 2 * time.Second; ; margin *= 2 { // until it is killed in time
		ids = [2]string{fmt.Sprint("a-", int(margin.Seconds())), fmt.Sprint("b-", int(margin.Seconds()))}
		for _, id := range ids {
			c.Post(t, "/v1/movies?status=draft&id="+id, heat).Want(t, 201)
		}
		due = time.Now().Add(margin)
		r := c.Post(t, "/v1:publish", fmt.Sprintf(`{"at":%q,"items":[{"type":"movies","id":%q},{"type":"movies","id":%q}]}`, due.UTC().Format(time.RFC3339Nano), ids[0], ids[1]))
		p.Kill()
		if r.Status == 200 && time.Now().Before(due) {
			break
		}
		p = apitest.Launch(t, args...)
		c = apitest.NewClient(t, p.URL)
	}
	time.Sleep(time.Until(due) + 100*time.Millisecond)
	p = apitest.Launch(t, args...)
	again := time.Now().Add(-p.Began)
	c = apitest.NewClient(t, p.URL)
	for _, id := range ids {
		unscheduled(t, c, "/v1/movies/"+id).Equal(t, "/meta/published", "1")
		if when := doneOnce(t, c, planned{"/v1/movies/" + id, due.Truncate(time.Microsecond)}); when.Before(again) {
			t.Errorf("it was published at %s, before the server began at %s", when, again)
		}
	}
}
