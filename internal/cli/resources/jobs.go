package resources

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/term"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// Logs reads what a job's handler wrote.
type Logs struct {
	Connection
	Target []string `arg:"" name:"job" complete:"job" help:"TYPE ID, or TYPE/ID, of a job."`
	Follow bool     `short:"f" help:"Go on until the job is finished."`
}

// logLine is a line of a log.
type logLine struct {
	Text string `json:"text"`
}

func (l logLine) write(e *Env) error {
	_, err := fmt.Fprintln(e.Out, show.Text(l.Text))
	return err
}

// Run writes the lines.
func (c *Logs) Run(e *Env) error {
	s, t, err := c.one(c.Target)
	if err != nil {
		return err
	}
	if !c.Follow {
		return each(e, s, t.path()+"/logs", url.Values{"page_size": {"1000"}}, func(items []json.RawMessage, _ *remote.Answer) error {
			for _, item := range items {
				var l logLine
				if err := json.Unmarshal(item, &l); err != nil {
					return err
				}
				if err := l.write(e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return followed(e, s, t.path()+"/logs", url.Values{"follow": {"true"}}, func(ev remote.Event) error {
		if ev.Name == "end" {
			return remote.ErrStop
		}
		var l logLine
		if err := json.Unmarshal(ev.Data, &l); err != nil {
			return err
		}
		return l.write(e)
	})
}

// Run creates a job and waits for its end.
type Run struct {
	Connection
	Output
	Type   string `arg:"" complete:"jobtype" help:"Job type."`
	Data   string `short:"d" default:"{}" help:"The payload as JSON or YAML."`
	ID     string `help:"Its id; without one the server makes it."`
	NoWait bool   `name:"no-wait" help:"Only queue it."`
}

// Run queues and waits; it exits 1 if the job fails or is cancelled.
func (c *Run) Run(e *Env) error {
	if _, err := c.path(); err != nil {
		return err
	}
	data, err := dataOf(c.Data)
	if err != nil {
		return err
	}
	s, err := c.Server()
	if err != nil {
		return err
	}
	q := url.Values{}
	if c.ID != "" {
		q.Set("id", c.ID)
	}
	d := document{target: target{typ: c.Type}, data: data}
	a, err := s.Do(e.Ctx, remote.Request{Method: http.MethodPost, Path: typePath(c.Type), Query: q, Body: d.body()})
	if err != nil {
		return err
	}
	var x envelope
	if err := a.Into(&x); err != nil {
		return err
	}
	if x.Meta.Job == nil {
		return failed("%s/%s was made, but its type is no job: there is nothing to wait for", c.Type, x.Meta.ID)
	}
	if c.NoWait {
		return c.resource(e.Out, a.Body, "queued")
	}
	return c.wait(e, s, target{c.Type, x.Meta.ID}, x)
}

// wait follows the job to its end.
func (c *Run) wait(e *Env, s remote.Server, t target, x envelope) error {
	said := ""
	tell := func(x *envelope) {
		line := fmt.Sprintf("%s %s", t, x.Meta.Job.State)
		if p := x.Meta.Job.Progress; p != nil {
			line += fmt.Sprintf(" %d of %d %s", p.Done, p.Total, p.Message)
		}
		if line != said && isTerminal(e) {
			fmt.Fprintf(e.Err, "\r\x1b[K%s", show.Line(line))
		}
		said = line
	}
	last := []byte(nil)
	err := s.Follow(e.Ctx, t.path()+":watch", url.Values{"from_seq": {fmt.Sprint(x.Meta.Seq - 1)}}, "", func(ev remote.Event) error {
		var now envelope
		if err := json.Unmarshal(ev.Data, &now); err != nil || now.Meta.Job == nil {
			return err
		}
		tell(&now)
		x, last = now, ev.Data
		if now.Meta.Job.finished() || ev.Name == "deleted" || ev.Name == "purged" {
			return remote.ErrStop
		}
		return nil
	})
	if isTerminal(e) {
		fmt.Fprint(e.Err, "\r\x1b[K")
	}
	if err != nil {
		return fmt.Errorf("%s goes on: %w", t, err)
	}
	if written, err := c.document(e.Out, last); err != nil {
		return err
	} else if !written {
		result := ""
		if c.Output.Output == "table" {
			result = " " + x.Meta.Job.State
			if len(x.Meta.Job.Result) > 0 && string(x.Meta.Job.Result) != "null" {
				result += " " + show.Line(string(x.Meta.Job.Result))
			}
		}
		fmt.Fprintf(e.Out, "%s%s\n", t, result)
	}
	if state := x.Meta.Job.State; state != "succeeded" {
		return failed("%s %s: %s", t, state, firstOf(x.Meta.Job.Error, "no reason is recorded"))
	}
	return nil
}

func isTerminal(e *Env) bool {
	f, ok := e.Err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
