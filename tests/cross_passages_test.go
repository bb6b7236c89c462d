package tests_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// A passage is what all data goes through at once: a restart, a backup that is
// restored elsewhere, another model. What was promised on this side holds on the
// other. So the cells of the cross are asked here with a passage in the middle: each
// cell arranges what it needs, waits, and goes on where all data has arrived.

// passage is one of them.
type passage struct {
	name    string
	storage string
	open    openCells
	asked   bool // it comes after the cell asked, not before
	// renumbers tells that events have other sequences afterwards.
	renumbers bool
	through   func(t *testing.T, w *world)
}

// why is the reason that a promise cannot be asked through the passage; empty: it
// can be.
func (p *passage) why(o *operation, column *promise) string {
	switch limit := strings.HasPrefix(column.name, "limits: "); {
	case limit && p.asked:
		return "nothing is kept of what is wrong with a request"
	case limit && o.name != "things PATCH merge":
		return "what is wrong with a request is told as before, and asked of one operation"
	case p.renumbers && column.name == "events: exactly one, at its place":
		return "the events have other sequences there"
	case p.renumbers && p.asked && column.name == "audit: an entry for what was refused":
		return "a backup holds the writes and not the audit of what was refused"
	}
	return ""
}

// passages are all of them, each before and after what is asked.
func passages() (all []passage) {
	for _, p := range []passage{
		{name: "restart", storage: "disk", through: func(t *testing.T, w *world) { w.again(t, crossModels()) }},
		{name: "restart with another model", storage: "disk", through: func(t *testing.T, w *world) { w.again(t, laterModels()) }},
		{name: "backup and restore", storage: "memory", renumbers: true, through: func(t *testing.T, w *world) { w.moves(t) }},
	} {
		all = append(all, p)
		p.name, p.asked = p.name+" after the request", true
		all = append(all, p)
	}
	return all
}

// again stops the program and starts one with the same data.
func (w *world) again(t *testing.T, models map[string]string) {
	t.Helper()
	w.stop()
	w.stop = w.begin(t, w.settings, models)
	w.meets(t)
}

// laterModels are those of the cross in a version that has a field more and is
// searched by it.
func laterModels() map[string]string {
	out := maps.Clone(crossModels())
	for name, text := range out {
		text = strings.Replace(text, "    name:   {type: string}\n", "    name:   {type: string}\n    later:  {type: string, default: yet}\n", 1)
		out[name] = strings.Replace(text, "index: [name,", "index: [later, name,", 1)
	}
	return out
}

// moves makes a backup and restores it into a program that has nothing.
func (w *world) moves(t *testing.T) {
	t.Helper()
	req := func(method, path string, body io.Reader) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, w.admin.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+adminKey)
		r.Header.Set("Content-Type", "application/octet-stream")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	r := req("GET", "/v1:backup", nil)
	file, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("the backup: %d, %v", r.StatusCode, err)
	}
	w.stop()
	w.stop = w.begin(t, local(autocrud.Settings{Storage: w.settings.Storage, Policies: w.settings.Policies}), crossModels())
	r = req("POST", "/v1:restore", bytes.NewReader(file))
	said, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("the restore: %d %s, %v", r.StatusCode, said, err)
	}
	w.meets(t)
}

// carried are the operations that are asked through a passage: each kind of
// write and of look once, of the types that keep something of their own.
func (w *world) carried(t testing.TB) (rows []*operation) {
	names := []string{"things POST", "things PUT", "things PATCH merge", "things DELETE", "things :restore", "things :switch", "things :purge", "things PATCH mode=modify",
		"things GET one", "things GET history", "things GET list", "things :watch", "things GET a binary",
		"tasks :cancel", "api-keys POST", "api-keys PATCH merge", "webhooks PATCH merge"}
	for _, o := range w.operations(t) {
		if slices.Contains(names, o.name) {
			rows = append(rows, o)
		}
	}
	if len(rows) != len(names) {
		t.Fatalf("%d of the operations %v are there", len(rows), names)
	}
	return rows
}

// Every promise of every kind of operation holds over every passage.
func TestEveryPassageKeepsEveryPromise(t *testing.T) {
	for _, p := range passages() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.carries(t)
		})
	}
}

// carries judges every cell with the passage in the middle of it.
func (p *passage) carries(t *testing.T) {
	w := newWorld(t, apitest.Storage{Name: p.storage, Settings: func(t testing.TB) autocrud.Settings {
		return autocrud.Settings{Storage: p.storage, DataDir: t.TempDir()}
	}})
	rows, columns := w.carried(t), promises()
	sum := &tally{reasons: map[string]int{}, took: map[string]time.Duration{}}
	only := regexp.MustCompile(os.Getenv("AUTOCRUD_TEST_CROSS"))
	places := make(chan struct{}, 3*runtime.GOMAXPROCS(0)) // so many cells at a time
	arrived := make(chan struct{})
	var arranging, all sync.WaitGroup
	var cells []*cell
	var begin []func()
	for _, o := range rows {
		for _, column := range columns {
			name := o.name + " / " + column.name
			if !only.MatchString(name) || !drawn(name, cellShare()) {
				continue
			}
			if why := p.why(o, column); why != "" {
				sum.reasons[why]++ // before any cell begins to count
				continue
			}
			ready := sync.OnceFunc(arranging.Done)
			c := &cell{w: w, op: o, promise: column, passes: func(c *cell, asked bool) {
				if asked != p.asked || c.passed {
					return
				}
				c.passed = true
				<-places
				ready()
				<-arrived
				places <- struct{}{}
				if c.renumbered = p.renumbers; p.renumbers {
					c.from = 0
				}
			}}
			arranging.Add(1)
			begin = append(begin, func() {
				places <- struct{}{}
				sum.add(t, name, c, p.open)
				<-places
				ready()
			})
			cells = append(cells, c)
		}
	}
	for _, judge := range begin {
		all.Go(judge)
	}
	arranging.Wait()
	p.through(t, w)
	close(arrived)
	all.Wait()
	for _, c := range cells {
		if judge, _ := c.promise.judged(c.op); judge != nil && !c.passed && len(sum.failures) == 0 {
			sum.judged--
			sum.reasons["it is asked nothing where the passage comes"]++
		}
	}
	sum.failures = append(sum.failures, append(w.keptBinaries(t), w.audited(t)...)...)
	sum.report(t, len(rows), len(columns))
}
