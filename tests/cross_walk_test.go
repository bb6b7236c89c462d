package tests_test

import (
	"slices"
	"strings"
	"testing"
)

// The cross is only as good as its walk: what it must not let pass.

func TestAnOperationWithoutARowFailsTheCross(t *testing.T) {
	rows := []*operation{{name: "a row", of: []string{"things.create", "things.gone"}}}
	faults := missing([]string{"things.create", "things.invented", "Go Manager.Get"}, rows, map[string]string{"Go Manager.Get": "it writes nothing"})
	want := []string{"the cross has a row for things.gone, which is no operation", "things.invented is an operation without a row in the cross"}
	if !slices.Equal(faults, want) {
		t.Errorf("%q, want %q", faults, want)
	}
}

func TestACellWithNeitherJudgeNorReasonFailsTheCross(t *testing.T) {
	write := &operation{name: "a write", form: form{change: &change{}}}
	read := &operation{name: "a read", form: form{look: &look{}}}
	good, bad := func(*cell) {}, func(c *cell) { c.Error("it does not hold") }
	for _, x := range []struct {
		what   string
		op     *operation
		column promise
		open   openCells
		want   string // in the only failure; empty: there is none
		judged int
	}{
		{"it holds", write, promise{name: "p", change: good}, nil, "", 1},
		{"it does not hold", write, promise{name: "p", change: bad}, nil, "it does not hold", 1},
		{"a judge that stops", write, promise{name: "p", change: func(c *cell) { c.Fatal("no further") }}, nil, "no further", 1},
		{"a judge that panics", write, promise{name: "p", change: func(*cell) { panic("at once") }}, nil, "at once", 1},
		{"nobody judges it and nothing says why", write, promise{name: "p"}, nil, "neither a judge nor a reason", 0},
		{"a read that is not judged writes nothing", read, promise{name: "p", change: bad}, nil, "", 0},
		{"a rule says why not", write, promise{name: "p", change: bad, why: func(*operation) string { return "a reason" }}, nil, "", 0},
		{"it is known to fail", write, promise{name: "p", change: bad}, openCells{"a write / p": "being mended"}, "", 1},
		{"it is said to fail and holds", write, promise{name: "p", change: good}, openCells{"a write / p": "being mended"}, "take it out", 1},
	} {
		sum := walk(t, nil, []*operation{x.op}, []*promise{&x.column}, x.open, 1)
		failures := strings.Join(sum.failures, "; ")
		if x.want == "" && failures != "" || !strings.Contains(failures, x.want) || sum.judged != x.judged {
			t.Errorf("%s: %d judged, failures %q, want %q", x.what, sum.judged, failures, x.want)
		}
	}
}
