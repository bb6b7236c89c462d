package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/autocrud-go/autocrud/internal/wiring"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
)

type modelsPlanCmd struct {
	place  `embed:""`
	Dir    string `arg:"" optional:"" help:"Folder with the model files; the same as --models."`
	Format string `default:"text" enum:"text,json" help:"text or json."`
}

// Run prints what would change. That something is breaking is exit 2, as in the
// programs that would not start.
func (c *modelsPlanCmd) Run(e *env) error {
	dir := c.Models
	if c.Dir != "" {
		dir = c.Dir
	}
	load := wiring.ReadTypes // a running server has the functions of its migrations
	if c.isOffline() {
		load = wiring.LoadTypes
	}
	types, err := load(dir, e.app)
	if err != nil {
		return err
	}
	report, err := c.plan(e, dir, types)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		b, err := json.Marshal(report)
		if err != nil {
			return err
		}
		if _, err := e.Out.Write(append(b, '\n')); err != nil {
			return err
		}
	} else {
		writePlan(e.Out, report)
	}
	if report.Breaks() {
		return &exitError{exitUsage, ""}
	}
	return nil
}

func (c *modelsPlanCmd) plan(e *env, dir string, types []*model.Type) (*plan.Report, error) {
	if c.isOffline() {
		bar := newProgress(e.Err, -1, "reading the log")
		defer bar.finish()
		set := c.settings()
		set.Models = dir
		return wiring.Plan(e.ctx, set, types, func(done, total uint64) { bar.of(int64(done), int64(total)) })
	}
	if len(e.app.Types) > 0 {
		fmt.Fprintln(e.Err, "autocrud: types in Go stay as the running server has them; stop it and use --data-dir to plan them too")
	}
	return c.send(e, dir)
}

// send sends the model files to a running server. Types in Go are the server's own
// business, as it has them.
func (c *modelsPlanCmd) send(e *env, dir string) (*plan.Report, error) {
	files, err := model.ReadFiles(dir)
	if err != nil {
		return nil, err
	}
	type file struct {
		Name    string `json:"name"`
		Content string `json:"content"`
	}
	body := struct {
		Models []file   `json:"models"`
		Kept   []string `json:"kept"`
	}{[]file{}, []string{}}
	for _, f := range files {
		body.Models = append(body.Models, file{f.Name, string(f.Content)})
	}
	for _, t := range e.app.Types {
		body.Kept = append(body.Kept, t.Name)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	a, err := c.with(e.ctx, patient, http.MethodPost, "/v1/types:plan", nil, b)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, &exitError{exitFailed, a.problem()}
	}
	report := &plan.Report{}
	return report, json.Unmarshal(a.body, report)
}

// writePlan prints a plan for readers: a line for each type, below it what changes and
// the first resources that do not fit.
func writePlan(w io.Writer, r *plan.Report) {
	breaks := 0
	for _, p := range r.Types {
		fmt.Fprintln(w, plan.Line(p))
		for _, line := range plan.Lines(p) {
			fmt.Fprintln(w, "  "+line)
		}
		if p.Breaks() {
			breaks++
		}
	}
	switch {
	case breaks > 0:
		fmt.Fprintf(w, "breaking: %d of %d types\n%s\n", breaks, len(r.Types), strings.TrimSpace(plan.Advice))
	default:
		fmt.Fprintln(w, "nothing is breaking")
	}
}
