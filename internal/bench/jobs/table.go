package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// table gathers the values of each cell by program.
type table struct {
	names  []string
	values map[string]map[string][]float64
}

func newTable() *table { return &table{values: map[string]map[string][]float64{}} }

func (t *table) cell(program, name string, fn func() (float64, error)) error {
	if !strings.Contains(name, *only) {
		return nil
	}
	v, err := fn()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(os.Stderr, "%s: %s: %.2f\n", program, name, v)
	t.add(program, name, v)
	return nil
}

func (t *table) add(program, name string, v float64) {
	if t.values[name] == nil {
		t.values[name] = map[string][]float64{}
		t.names = append(t.names, name)
	}
	t.values[name][program] = append(t.values[name][program], v)
}

// print writes the table in Markdown. The ratio is that of the best rounds.
func (t *table) print(w io.Writer) {
	fmt.Fprintln(w, "| | autocrud | river | ratio |\n| --- | --- | --- | --- |")
	for _, name := range t.names {
		ours, theirs := t.values[name]["autocrud"], t.values[name]["river"]
		ratio := ""
		if len(ours) > 0 && len(theirs) > 0 {
			best := slices.Max[[]float64]
			if strings.HasSuffix(name, "ms") {
				best = slices.Min[[]float64]
			}
			ratio = fmt.Sprintf("%.2f", best(ours)/best(theirs))
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", name, list(ours), list(theirs), ratio)
	}
}

func list(values []float64) string {
	var out []string
	for _, v := range values {
		if v < 100 {
			out = append(out, fmt.Sprintf("%.2f", v))
		} else {
			out = append(out, fmt.Sprintf("%.0f", v))
		}
	}
	return strings.Join(out, " / ")
}

func peerCommand(ctx context.Context) *exec.Cmd {
	return exec.CommandContext(ctx, *river, "-dsn", *dsn, "-n", fmt.Sprint(*backlog), "-seconds", fmt.Sprint(*seconds), "-only", *only)
}
