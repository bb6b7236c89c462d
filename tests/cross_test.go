package tests_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The cross asks every operation for every promise. Its rows are all operations,
// by whichever way in; the program's own lists of them (the document, the table of
// batches, the methods of the Manager) say which there have to be. Its columns are
// the promises. Each cell is a real request that is judged, or has a reason why
// there is none, which follows from what the operation can do.
//
// A new operation gets a row in one of the cross_*operations files, a new promise a
// column in one of the cross_*promises files.

// operation is a row: one way to do something, of one type.
type operation struct {
	name string   // "things PATCH merge"
	kind *kind    // of resource; nil: it is about none
	of   []string // operations of the document, entries of a table or methods that it stands for
	form          // exactly one of its parts
}

// form is what an operation is by nature.
type form struct {
	change *change // writes a resource
	look   *look   // reads resources
	whole  *whole  // is about the server or a type as a whole
}

// promise is a column. For each form of operation there is a judge or the reason
// why there is none; one that is about some operations of a form only tells by why.
type promise struct {
	name   string
	change func(c *cell)
	look   func(c *cell)
	whole  func(c *cell)
	// why is the reason that an operation cannot be asked; empty: it can be.
	why func(o *operation) string
}

// The reasons of many.
const (
	writesNothing = "it writes nothing"
	noResource    = "it is about no resource"
)

// judged finds the judge of a cell, or the reason why there is none.
func (p *promise) judged(o *operation) (judge func(*cell), reason string) {
	switch {
	case o.change != nil:
		judge = p.change
	case o.look != nil:
		judge, reason = p.look, writesNothing
	case o.whole != nil:
		judge, reason = p.whole, noResource
	}
	if judge == nil {
		return nil, reason
	}
	if p.why != nil {
		if reason := p.why(o); reason != "" {
			return nil, reason
		}
	}
	return judge, ""
}

// open cells are known to fail: "operation / promise" and why. It is empty when
// everything that is known has been mended.
type openCells map[string]string

// tally is what became of the cells.
type tally struct {
	mu       sync.Mutex
	judged   int
	reasons  map[string]int
	took     map[string]time.Duration // by operation and by promise
	failures []string
}

// cellShare is of how many cells one is judged (AUTOCRUD_TEST_CELLS), all without it.
func cellShare() int { return max(envInt("AUTOCRUD_TEST_CELLS"), 1) }

// walk judges one cell of share, drawn by the seed, several operations at a time.
func walk(t *testing.T, w *world, rows []*operation, columns []*promise, open openCells, share int) *tally {
	t.Helper()
	sum := &tally{reasons: map[string]int{}, took: map[string]time.Duration{}}
	only := regexp.MustCompile(os.Getenv("AUTOCRUD_TEST_CROSS")) // of "operation / promise"
	todo := make(chan func())
	var workers sync.WaitGroup
	for range 3 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for judge := range todo {
				judge()
			}
		})
	}
	for _, o := range rows {
		for _, p := range columns {
			name := o.name + " / " + p.name
			judge, _ := p.judged(o)
			if only.MatchString(name) && (judge == nil || drawn(name, share)) {
				todo <- func() { sum.add(t, name, &cell{w: w, op: o, promise: p}, open) }
			}
		}
	}
	close(todo)
	workers.Wait()
	return sum
}

// add judges one cell and counts it.
func (sum *tally) add(t *testing.T, name string, c *cell, open openCells) {
	t.Helper()
	o, p := c.op, c.promise
	judge, reason := p.judged(o)
	if judge == nil {
		sum.mu.Lock()
		defer sum.mu.Unlock()
		if sum.reasons[reason]++; reason == "" {
			sum.failures = append(sum.failures, name+": has neither a judge nor a reason")
		}
		return
	}
	begun := time.Now()
	faults := try(t, func(tb testing.TB) {
		c.TB = tb
		judge(c)
	})
	sum.mu.Lock()
	defer sum.mu.Unlock()
	sum.judged++
	sum.took[o.name] += time.Since(begun)
	sum.took[p.name] += time.Since(begun)
	_, known := open[name]
	switch {
	case len(faults) > 0 && !known:
		sum.failures = append(sum.failures, name+": "+strings.Join(faults, "\n    "))
	case len(faults) == 0 && known:
		sum.failures = append(sum.failures, name+": holds; take it out of the open ones")
	}
}

// try runs a judge and returns what it found wrong.
func try(t testing.TB, judge func(testing.TB)) []string {
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if x := recover(); x != nil {
				v.Errorf("panic: %v", x)
			}
		}()
		judge(v)
	}()
	<-done
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.faults
}

// verdict is the testing.TB of one cell: what fails in it is kept, so that the walk
// decides what it means.
type verdict struct {
	testing.TB
	mu     sync.Mutex
	faults []string
}

func (v *verdict) Helper() {}

func (v *verdict) Errorf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

func (v *verdict) Error(args ...any) { v.Errorf("%s", fmt.Sprint(args...)) }

func (v *verdict) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	runtime.Goexit()
}

func (v *verdict) Fatal(args ...any) { v.Fatalf("%s", fmt.Sprint(args...)) }

func (v *verdict) FailNow() { v.Fatalf("failed") }

// missing compares what the rows stand for with what there is.
func missing(there []string, rows []*operation, beside map[string]string) (faults []string) {
	have := map[string]bool{}
	for name := range beside {
		have[name] = true
	}
	for _, o := range rows {
		for _, name := range o.of {
			have[name] = true
		}
	}
	for _, name := range there {
		if !have[name] {
			faults = append(faults, name+" is an operation without a row in the cross")
		}
	}
	for name := range have {
		if !slices.Contains(there, name) {
			faults = append(faults, "the cross has a row for "+name+", which is no operation")
		}
	}
	slices.Sort(faults)
	return faults
}

// Every operation keeps every promise.
func TestEveryOperationKeepsEveryPromise(t *testing.T) {
	oneAfterTheOther()
	for _, row := range crossStorages() {
		t.Run(row.Name, func(t *testing.T) {
			w := newWorld(t, row)
			rows, columns := w.operations(t), promises()
			for _, fault := range missing(w.there(t), rows, w.besides(t)) {
				t.Error(fault)
			}
			sum := walk(t, w, rows, columns, openNow, cellShare())
			sum.failures = append(sum.failures, append(w.keptBinaries(t), w.audited(t)...)...)
			sum.report(t, len(rows), len(columns))
		})
	}
}

// report tells the size of the cross and what failed in it.
func (sum *tally) report(t *testing.T, rows, columns int) {
	t.Helper()
	slices.Sort(sum.failures)
	for _, f := range sum.failures {
		t.Error(f)
	}
	cannot := 0
	for _, n := range sum.reasons {
		cannot += n
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d operations x %d promises: %d cells judged, %d cannot be:", rows, columns, sum.judged, cannot)
	for _, reason := range slices.SortedFunc(maps.Keys(sum.reasons), func(a, b string) int { return sum.reasons[b] - sum.reasons[a] }) {
		fmt.Fprintf(&text, "\n%7d %s", sum.reasons[reason], reason)
	}
	t.Log(text.String())
	if testing.Verbose() {
		names := slices.SortedFunc(maps.Keys(sum.took), func(a, b string) int { return int(sum.took[b] - sum.took[a]) })
		for _, name := range names[:min(30, len(names))] {
			t.Logf("%8s %s", sum.took[name].Round(time.Millisecond), name)
		}
	}
}
