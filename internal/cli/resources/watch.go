package resources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// Watch follows what happens.
type Watch struct {
	Connection
	Output
	Target []string `arg:"" name:"type" optional:"" complete:"resource" help:"TYPE, TYPE ID or TYPE/ID; without one everything."`
	Filter string   `complete:"filter" help:"Only resources that match; one that stops to arrives as left."`
	View   string   `enum:",head,published" default:"" help:"Changes of head, the newest state, or of what is published. Without it of what the credential is shown."`
	From   string   `name:"from-seq" help:"Begin after this sequence; 0 is the beginning."`
	Until  int      `name:"max" help:"End after so many events."`
}

// Run writes a line for each event.
func (c *Watch) Run(e *Env) error {
	if _, err := c.path(); err != nil {
		return err
	}
	path := "/v1:watch"
	if len(c.Target) > 0 {
		which, err := targets(c.Target)
		switch {
		case err != nil:
			return err
		case len(which) > 1:
			return usage("watch follows a type or one resource")
		case which[0].id == "":
			path = typePath(which[0].typ) + ":watch"
		default:
			path = which[0].path() + ":watch"
		}
	}
	s, err := c.Server()
	if err != nil {
		return err
	}
	q := url.Values{}
	if c.Filter != "" {
		q.Set("filter", c.Filter)
	}
	if c.View != "" {
		q.Set("view", c.View)
	}
	if c.From != "" {
		q.Set("from_seq", c.From)
	}
	n := 0
	return followed(e, s, path, q, func(ev remote.Event) error {
		if err := writeEvent(e, &c.Output, ev); err != nil {
			return err
		}
		if n++; n == c.Until {
			return remote.ErrStop
		}
		return nil
	})
}

// followed follows until the person interrupts, which is no failure.
func followed(e *Env, s remote.Server, path string, q url.Values, fn func(remote.Event) error) error {
	err := s.Follow(e.Ctx, path, q, "", fn)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// writeEvent writes a line, or a document a line.
func writeEvent(e *Env, o *Output, ev remote.Event) error {
	var x envelope
	if err := json.Unmarshal(ev.Data, &x); err != nil {
		return fmt.Errorf("event %s: %w", ev.ID, err)
	}
	var err error
	switch o.Output {
	case "name":
		_, err = fmt.Fprintf(e.Out, "%s/%s\n", x.Meta.Type, x.Meta.ID)
	case "json":
		var line []byte
		if line, err = show.OneLine(fmt.Appendf(nil, `{"seq":%s,"action":%q,%s`, ev.ID, ev.Name, ev.Data[1:])); err == nil {
			_, err = e.Out.Write(line)
		}
	case "yaml":
		if _, err = fmt.Fprintln(e.Out, "---"); err == nil {
			_, err = o.document(e.Out, fmt.Appendf(nil, `{"seq":%s,"action":%q,%s`, ev.ID, ev.Name, ev.Data[1:]))
		}
	case "table":
		at := x.Meta.UpdatedAt
		if t, err := time.Parse(time.RFC3339Nano, at); err == nil {
			at = t.UTC().Format("2006-01-02T15:04:05Z")
		}
		_, err = fmt.Fprintln(e.Out, show.Line(fmt.Sprintf("%s %-14s %s/%s %s", at, ev.Name, x.Meta.Type, x.Meta.ID, x.Meta.Current)))
	default:
		if _, err = o.document(e.Out, ev.Data); err == nil {
			_, err = fmt.Fprintln(e.Out)
		}
	}
	return err
}
