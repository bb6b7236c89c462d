package tests_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// told lists events as "action id".
func told(events []apitest.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.Action+" "+e.ID())
	}
	return out
}

func wantTold(t *testing.T, events []apitest.Event, want ...string) {
	t.Helper()
	if got := told(events); !reflect.DeepEqual(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// story makes one event of each kind of the movie and returns how many.
func story(t *testing.T, c *apitest.Client, id string) int {
	t.Helper()
	c.Post(t, "/v1/movies?status=draft&id="+id, `{"title":"One","year":1990}`).Want(t, 201)
	c.Do(t, "PUT", "/v1/movies/"+id+"?mode=modify", `{"title":"Two","year":1990}`).Want(t, 200)
	c.Post(t, "/v1/movies/"+id+":status", `{"status":"stable"}`).Want(t, 200)
	c.Put(t, "/v1/movies/"+id, `{"title":"Three","year":1991}`).Want(t, 200)
	c.Post(t, "/v1/movies/"+id+":switch", `{"revision":1}`).Want(t, 200)
	c.Delete(t, "/v1/movies/"+id).Want(t, 200)
	c.Post(t, "/v1/movies/"+id+":restore", nil).Want(t, 200)
	return 7
}

func TestWatchTellsWhatHistoryTells(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		live := c.MustWatch(t, "/v1/movies:watch")
		all := c.MustWatch(t, "/v1:watch")
		n := story(t, c, "m1")
		c.Post(t, "/v1/studios?id=s1", `{"name":"x"}`).Want(t, 201)
		want := []string{"created m1", "modified m1", "status_changed m1", "updated m1", "switched m1", "deleted m1", "restored m1"}
		first := live.Take(t, n)
		wantTold(t, first, want...)
		wantTold(t, all.Take(t, n+1), append(want, "created s1")...)
		wantTold(t, c.MustWatch(t, "/v1/movies/m1:watch?from_seq=0").Take(t, n), want...)
		replayed := c.MustWatch(t, "/v1/movies:watch?from_seq=0").Take(t, n)
		for i, item := range c.Get(t, "/v1/movies/m1/history").Want(t, 200).Items() {
			h := item.(map[string]any)
			if replayed[i].Seq != uint64(h["seq"].(float64)) || replayed[i].Action != h["action"] || replayed[i].Raw != first[i].Raw || replayed[i].Seq != first[i].Seq {
				t.Errorf("event %d is %+v, live %+v, history says %v", i, replayed[i], first[i], h)
			}
		}
		envelope := c.Get(t, "/v1/movies/m1").Want(t, 200)
		if !apitest.SameJSON(t, envelope.Value(""), first[n-1].Raw) {
			t.Errorf("told %s, a read answers %s", first[n-1].Raw, envelope.Body)
		}
	})
}

func TestAWatchGoesOnWhereItWas(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		n := story(t, c, "m1")
		events := c.MustWatch(t, "/v1/movies:watch?from_seq=0").Take(t, n)
		for i := range n - 1 {
			for _, w := range []*apitest.Watch{
				c.MustWatch(t, fmt.Sprint("/v1/movies:watch?from_seq=", events[i].Seq)),
				c.MustWatch(t, "/v1/movies:watch", apitest.Header("Last-Event-ID", fmt.Sprint(events[i].Seq))),
				c.MustWatch(t, "/v1/movies:watch?from_seq=0", apitest.Header("Last-Event-ID", fmt.Sprint(events[i].Seq))),
			} {
				if got := w.Take(t, n-1-i); !reflect.DeepEqual(got, events[i+1:]) {
					t.Errorf("after %d: %v, want %v", events[i].Seq, got, events[i+1:])
				}
			}
		}
	})
}

func TestWhatCannotBeWatched(t *testing.T) {
	c := start(t, nil, autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}, nil)
	story(t, c, "m1")
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/v1/movies:watch?from_seq=-1":              {400, "invalid_request"},
		"/v1/movies:watch?from_seq=x":               {400, "invalid_request"},
		"/v1/movies:watch?from=1":                   {400, "invalid_request"},
		"/v1/movies:watch?filter=nothing%20%3D%201": {400, "invalid_filter"},
		"/v1:watch?filter=year%20%3D%201":           {400, "invalid_filter"},
		"/v1/movies:watch?from_seq=1000000":         {410, "gone"},
		"/v1/movies/none:watch":                     {404, "not_found"},
		"/v1/nothing:watch":                         {404, "unknown_type"},
	} {
		c.Get(t, path).WantProblem(t, want.status, want.code)
	}
	c.Get(t, "/v1/movies:watch", apitest.Header("Last-Event-ID", "abc")).WantProblem(t, 400, "invalid_request")
	c.Get(t, "/v1/movies:watch", func(r *http.Request) { r.Header["Last-Event-Id"] = []string{"1", "2"} }).WantProblem(t, 400, "invalid_request")
	c.Post(t, "/v1/movies:watch", nil).WantProblem(t, 405, "invalid_request")
	if r := c.Do(t, "HEAD", "/v1/movies:watch", nil); r.Status != 200 || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", r.Status, r.Header)
	}
}

// TestAWatchWithAFilter tells of what begins to match by its action and of what
// stops by left, from whatever point it begins.
func TestAWatchWithAFilter(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		const filter = "/v1/movies:watch?filter=year%20%3E%3D%202000"
		live := c.MustWatch(t, filter)
		put := func(id string, year int) uint64 {
			r := c.Do(t, "PUT", "/v1/movies/"+id, fmt.Sprintf(`{"title":"T","year":%d}`, year))
			if r.Status == 404 {
				r = c.Do(t, "PUT", "/v1/movies/"+id, fmt.Sprintf(`{"title":"T","year":%d}`, year), apitest.Header("If-None-Match", "*")).Want(t, 201)
			}
			seq, err := strconv.ParseUint(r.Header.Get("Autocrud-Seq"), 10, 64)
			if err != nil || r.Status > 201 {
				t.Fatal(r.Status, err)
			}
			return seq
		}
		put("a", 2001)
		put("b", 1990)              // never matched
		put("b", 1991)              //
		put("b", 2002)              // begins to
		inside := put("a", 1980)    // stops
		put("a", 1981)              // is out
		c.Delete(t, "/v1/movies/a") // is out
		c.Delete(t, "/v1/movies/b") // matched
		put("last", 2020)           //
		want := []string{"created a", "updated b", "left a", "deleted b", "created last"}
		events := live.Take(t, len(want))
		wantTold(t, events, want...)
		if got := c.MustWatch(t, filter+"&from_seq=0").Take(t, len(want)); !reflect.DeepEqual(got, events) {
			t.Errorf("from the beginning %q, live %q", told(got), told(events))
		}
		wantTold(t, c.MustWatch(t, fmt.Sprint(filter, "&from_seq=", inside-1)).Take(t, 3), want[2:]...)
		wantTold(t, c.MustWatch(t, fmt.Sprint(filter, "&from_seq=", inside)).Take(t, 2), want[3:]...)
	})
}

// purged purges a resource. Where another process erases and is slow, a job is awaited.
func purged(t *testing.T, c *apitest.Client, path string) {
	t.Helper()
	r := c.Post(t, path+":purge", nil)
	if r.Status == 202 {
		job := "/v1/bulk-jobs/" + r.Text("/meta/id")
		apitest.Eventually(t, time.Minute, "the end of the purge", func() bool { return c.Get(t, job).Text("/meta/job/state") == "succeeded" })
		return
	}
	r.Want(t, 204)
}

func TestAPurgeIsTold(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		live := c.MustWatch(t, "/v1/movies:watch")
		filtered := c.MustWatch(t, "/v1/movies:watch?filter=year%20%3C%202000")
		n := story(t, c, "m1")
		purged(t, c, "/v1/movies/m1")
		events := live.Take(t, n+1)
		if last := events[n]; last.Action != "purged" || last.ID() != "m1" || last.Envelope.Data != nil || last.Envelope.Revision != nil {
			t.Errorf("told %+v", last)
		}
		if got := told(filtered.Take(t, n+1)); got[n] != "purged m1" {
			t.Errorf("with a filter told %q", got)
		}
		wantTold(t, c.MustWatch(t, "/v1/movies:watch?from_seq=0").Take(t, 1), "purged m1")
		wantTold(t, c.MustWatch(t, "/v1/movies/m1:watch?from_seq=0").Take(t, 1), "purged m1")
		for _, path := range []string{"/v1/movies:watch", "/v1/movies/m1:watch", "/v1:watch"} { // what watches share is erased as well
			wantTold(t, c.MustWatch(t, fmt.Sprint(path, "?from_seq=", events[1].Seq)).Take(t, 1), "purged m1")
		}
	})
}

// TestAWatchThatIsToldOfNothingGetsOn: a client that comes back again and again,
// without an event for it, learns from where to go on all the same.
func TestAWatchThatIsToldOfNothingGetsOn(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		seq := uint64(c.Post(t, "/v1/movies", `{"title":"T","year":1990}`).Want(t, 201).Int("/meta/seq"))
		w := c.MustWatch(t, "/v1/movies:watch?from_seq=0&filter=year%20%3E%3D%202000")
		begun := time.Now()
		for w.Last < seq {
			if _, err := w.Alive(); err != nil || time.Since(begun) > 10*time.Second {
				t.Fatalf("at %d, not at %d after %s: %v", w.Last, seq, time.Since(begun), err)
			}
		}
	})
}

// mirror follows a list: it lists, watches from there, and comes back whenever
// the connection ends, until it was told of a sequence.
type mirror struct {
	who    string
	c      *apitest.Client
	filter string
	rows   map[string]any
	seq    uint64
	breaks int
}

func (m *mirror) list(t *testing.T) {
	m.rows = map[string]any{}
	query := "?page_size=1000&returns=data,meta,revision" + m.filter
	for token := ""; ; {
		r := m.c.Get(t, "/v1/movies"+query+token).Want(t, 200)
		if token == "" { // the oldest page: what the others have too is told again
			m.seq, _ = strconv.ParseUint(r.Header.Get("Autocrud-Index-Seq"), 10, 64)
		}
		for _, item := range r.Items() {
			m.rows[item.(map[string]any)["meta"].(map[string]any)["id"].(string)] = item
		}
		if r.Text("/next_page_token") == "" {
			return
		}
		token = "&page_token=" + r.Text("/next_page_token")
	}
}

func (m *mirror) follow(t *testing.T, until func() uint64) {
	rnd := rand.New(rand.NewPCG(uint64(len(m.who)), uint64(len(m.filter))))
	for m.seq < until() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(50+rnd.IntN(400))*time.Millisecond)
		w, r, err := m.c.Watch(ctx, fmt.Sprint("/v1/movies:watch?from_seq=", m.seq, m.filter))
		if err == nil && w == nil {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		for err == nil && w != nil {
			var e apitest.Event
			if e, err = w.Next(); err == nil {
				m.apply(t, e)
			}
			m.seq = max(m.seq, w.Last)
			if m.seq >= until() {
				break
			}
		}
		if w != nil {
			w.Close()
		}
		cancel()
		m.breaks++
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, context.DeadlineExceeded) && t.Context().Err() == nil {
			t.Error(err)
			return
		}
	}
}

func (m *mirror) apply(t *testing.T, e apitest.Event) {
	switch e.Action {
	case "deleted", "purged", "left":
		delete(m.rows, e.ID())
	case "resume":
	default:
		var v any
		if err := json.Unmarshal([]byte(e.Raw), &v); err != nil {
			t.Error(err)
		}
		m.rows[e.ID()] = v
	}
}

// TestAPurgeIsToldToWhoSawTheRow purges a row that a rule lets through and one
// that it does not, before and after a client comes back.
func TestAPurgeIsToldToWhoSawTheRow(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		if row.Split {
			continue // guardModels starts one program
		}
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := guardModels(t, nil, row.Settings(t), mirrorPolicy, models)
			some, _ := key(t, c, "some", "")
			c.Post(t, "/v1/movies?id=seen", `{"title":"A","year":2000}`).Want(t, 201)
			c.Post(t, "/v1/movies?id=hidden", `{"title":"B","year":1950}`).Want(t, 201)
			c.Put(t, "/v1/movies/hidden", `{"title":"B","year":1951}`).Want(t, 200)
			from := c.Post(t, "/v1/movies?id=first", `{"title":"C","year":2001}`).Want(t, 201).Int("/meta/seq")
			live := some.MustWatch(t, "/v1/movies:watch")
			filtered := some.MustWatch(t, "/v1/movies:watch?filter=year%20%3E%202000")
			for _, id := range []string{"hidden", "seen", "first"} {
				purged(t, c, "/v1/movies/"+id)
			}
			c.Post(t, "/v1/movies?id=last", `{"title":"D","year":2002}`).Want(t, 201)
			want := []string{"purged seen", "purged first", "created last"}
			wantTold(t, live.Take(t, 3), want...)
			wantTold(t, filtered.Take(t, 2), want[1:]...)
			events := some.MustWatch(t, fmt.Sprint("/v1/movies:watch?from_seq=", from)).Take(t, 3)
			wantTold(t, events, want...)
			if strings.Contains(events[0].Raw, "year") || strings.Contains(events[0].Raw, "created_by") {
				t.Errorf("the purge tells %s", events[0].Raw)
			}
		})
	}
}

const mirrorPolicy = `
roles:
  some:
    - types: [movies]
      actions: [read, list, watch]
      where: 'year >= 1995 AND year < 2007'
      fields: {hide: [title]}
bindings: [{role: some, subjects: ["key:some"]}]
`

// TestAMirrorStaysExact lists while others write, and follows with connections
// that end at random, with and without a filter, as who may read everything and
// as who may not; at the end each has what a list has.
func TestAMirrorStaysExact(t *testing.T) {
	rows, writers, seconds := 400, 4, 2*time.Second
	if n := envInt("AUTOCRUD_TEST_MIRROR_ROWS"); n > 0 {
		rows, seconds = n, 30*time.Second
	}
	c := guardModels(t, nil, autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}, mirrorPolicy, models)
	some, _ := key(t, c, "some", "")
	fill(t, c, rows)
	var last sync.Map
	var marked sync.Once
	done := make(chan struct{})
	var wg, readers sync.WaitGroup
	for w := range writers {
		wg.Go(func() { write1(t, c, w, rows, done, &last) })
	}
	end := func() uint64 { // what has to be told, once the writers are done
		select {
		case <-done:
		default:
			return ^uint64(0)
		}
		wg.Wait()
		marked.Do(func() { // after the last purge, whose answer names no sequence
			last.Store("end", uint64(c.Post(t, "/v1/movies?id=end", `{"title":"end","year":2001}`).Want(t, 201).Int("/meta/seq")))
		})
		var high uint64
		last.Range(func(_, v any) bool { high = max(high, v.(uint64)); return true })
		return high
	}
	const filter = "&filter=year%20%3E%3D%202000"
	mirrors := []*mirror{{who: "all", c: c}, {who: "all", c: c, filter: filter}, {who: "some", c: some}, {who: "some", c: some, filter: filter}}
	for _, m := range mirrors {
		m.list(t)
		readers.Go(func() { m.follow(t, end) })
	}
	time.AfterFunc(seconds, func() { close(done) })
	readers.Wait()
	for _, m := range mirrors {
		want := &mirror{c: m.c, filter: m.filter}
		want.list(t)
		if len(want.rows) != len(m.rows) {
			t.Errorf("%d rows, the list has %d", len(m.rows), len(want.rows))
		}
		differ := 0
		for id, row := range want.rows {
			if !reflect.DeepEqual(row, m.rows[id]) {
				if differ++; differ < 4 {
					t.Errorf("%s is %v, the list has %v", id, m.rows[id], row)
				}
			}
		}
		if len(m.rows) == 0 {
			t.Error("nothing is mirrored")
		}
		t.Logf("%s, filter %q: %d rows, %d connections, %d differ", m.who, m.filter, len(m.rows), m.breaks, differ)
	}
}

func fill(t *testing.T, c *apitest.Client, rows int) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < rows; i += 16 {
				c.Post(t, fmt.Sprint("/v1/movies?id=r", i), fmt.Sprintf(`{"title":"T%d","year":%d}`, i, 1990+i%20)).Want(t, 201)
			}
		})
	}
	wg.Wait()
}

// write1 changes resources until done and notes the last sequence it was told.
func write1(t *testing.T, c *apitest.Client, w, rows int, done <-chan struct{}, last *sync.Map) {
	rnd := rand.New(rand.NewPCG(7, uint64(w)))
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		id := fmt.Sprint("/v1/movies/r", rnd.IntN(rows))
		var r *apitest.Response
		switch rnd.IntN(12) {
		case 0:
			r = c.Delete(t, id)
		case 1, 2:
			r = c.Post(t, id+":restore", nil)
		case 3:
			r = c.Post(t, fmt.Sprintf("/v1/movies?id=w%d-%d", w, n), `{"title":"new","year":2010}`)
		case 4:
			r = c.Post(t, id+":switch", `{"revision":1}`)
		case 5:
			if n%3 == 0 { // its answer names no sequence
				c.Post(t, id+":purge", nil)
			}
			continue
		default:
			r = c.Patch(t, id, apitest.MergePatch, fmt.Sprintf(`{"year":%d}`, 1990+rnd.IntN(20)))
		}
		if seq, err := strconv.ParseUint(r.Header.Get("Autocrud-Seq"), 10, 64); err == nil && r.Status < 300 {
			if before, _ := last.Load(w); before == nil || before.(uint64) < seq { // what changed nothing tells an older one
				last.Store(w, seq)
			}
		} else if r.Status != 410 && r.Status != 409 && r.Status != 404 {
			t.Errorf("%s: %d %s", r.What, r.Status, r.Body)
		}
	}
}

// TestSlowReadersAreTold holds a connection and does not read it: memory is
// bounded, and the reader goes on elsewhere without a gap.
func TestSlowReadersAreTold(t *testing.T) {
	c := start(t, nil, memory(), map[string]string{"logs": "name: logs\nschema: {type: object, properties: {text: {type: string}}}\n"})
	slow := c.MustWatch(t, "/v1/logs:watch")
	text := strings.Repeat("x", 30_000)
	n := 0
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range 16 {
		wg.Go(func() {
			for i := range 100 {
				c.Post(t, fmt.Sprintf("/v1/logs?id=s%d-%d", w, i), map[string]any{"text": text}).Want(t, 201)
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	resumed := false
	for len(seen) < n {
		e, err := slow.Next()
		if err != nil || e.Action == "resume" {
			resumed = true // by the event, or, where not even that fits, by the end
			slow = c.MustWatch(t, fmt.Sprint("/v1/logs:watch?from_seq=", slow.Last))
			continue
		}
		if seen[e.ID()] {
			t.Fatalf("%s twice", e.ID())
		}
		seen[e.ID()] = true
	}
	if !resumed {
		t.Error("the reader that did not read was held on to")
	}
}

func TestWatchesEndWhenTheProgramStops(t *testing.T) {
	p := apitest.Launch(t, "--models", apitest.WriteModels(t, models), "--storage", "memory")
	c := apitest.NewClient(t, p.URL)
	w := c.MustWatch(t, "/v1/movies:watch")
	story(t, c, "m1")
	w.Take(t, 7)
	last := make(chan string, 1)
	go func() {
		e, err := w.Next()
		last <- fmt.Sprint(e.Action, err)
	}()
	if code, took := p.Terminate(t, 10*time.Second); code != 0 || took > 5*time.Second {
		t.Errorf("exit %d after %s", code, took)
	}
	if got := <-last; got != "resume<nil>" {
		t.Errorf("the watch ended with %q", got)
	}
}
