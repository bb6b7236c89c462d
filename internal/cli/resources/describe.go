package resources

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// Describe tells everything about a resource: fields, history, referrers, job.
type Describe struct {
	Connection
	Target []string `arg:"" name:"type" complete:"resource" help:"TYPE ID..., or TYPE/ID...."`
	Events int      `default:"10" help:"How many of the newest events are shown."`
}

// Run writes a page for each.
func (c *Describe) Run(e *Env) error {
	s, which, err := c.some(c.Target)
	if err != nil {
		return err
	}
	for i, t := range which {
		if i > 0 {
			fmt.Fprintln(e.Out)
		}
		if err := c.describe(e, s, t); err != nil {
			return err
		}
	}
	return nil
}

func (c *Describe) describe(e *Env, s remote.Server, t target) error {
	a, err := s.Do(e.Ctx, remote.Request{Path: t.path(), Query: url.Values{"include_deleted": {"true"}}})
	if err != nil {
		return err
	}
	var parts struct{ Data, Meta json.RawMessage }
	var x envelope
	if err := a.Into(&parts); err != nil {
		return err
	}
	if err := a.Into(&x); err != nil {
		return err
	}
	fmt.Fprintf(e.Out, "%s\n", t)
	if err := section(e, "Meta", parts.Meta); err != nil {
		return err
	}
	if err := section(e, "Data", parts.Data); err != nil {
		return err
	}
	fmt.Fprintln(e.Out, "\nHistory:")
	if err := events(e, s, t, c.Events, "  "); err != nil {
		return err
	}
	return referrers(e, s, t)
}

func section(e *Env, name string, doc json.RawMessage) error {
	text, err := show.YAML(doc)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Out, "\n%s:\n  %s\n", name, strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\n  "))
	return err
}

// referrersShown bounds how many are listed.
const referrersShown = 20

func referrers(e *Env, s remote.Server, t target) error {
	var page struct {
		Items []struct{ Type, ID, Field string }
		Next  string `json:"next_page_token"`
	}
	if _, err := s.Get(e.Ctx, t.path()+"/referrers", url.Values{"page_size": {strconv.Itoa(referrersShown)}}, &page); err != nil {
		return err
	}
	if len(page.Items) == 0 {
		return nil
	}
	fmt.Fprintln(e.Out, "\nReferred to by:")
	for _, r := range page.Items {
		fmt.Fprintf(e.Out, "  %s/%s (%s)\n", r.Type, r.ID, show.Line(r.Field))
	}
	if page.Next != "" {
		fmt.Fprintln(e.Out, "  and others")
	}
	return nil
}

// event of a history.
type event struct {
	Seq       uint64
	Action    string
	At        string
	Principal string
	Revision  string
}

// events writes the newest events, the oldest of them first; max 0 is all of them.
func events(e *Env, s remote.Server, t target, most int, indent string) error {
	var all []event
	passed := 0
	err := each(e, s, t.path()+"/history", url.Values{"page_size": {"1000"}}, func(items []json.RawMessage, _ *remote.Answer) error {
		for _, item := range items {
			var ev event
			if err := json.Unmarshal(item, &ev); err != nil {
				return err
			}
			all = append(all, ev)
		}
		if most > 0 && len(all) > most {
			passed += len(all) - most
			all = append([]event(nil), all[len(all)-most:]...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if passed > 0 {
		fmt.Fprintf(e.Out, "%s%d before\n", indent, passed)
	}
	table := show.Table{Width: terminalWidth(e.Out) - len(indent), Columns: []show.Column{{Name: "seq", Right: true}, {Name: "action", Whole: true}, {Name: "at", Whole: true}, {Name: "principal"}, {Name: "revision"}}}
	var rows [][]string
	for _, ev := range all {
		rows = append(rows, []string{strconv.FormatUint(ev.Seq, 10), ev.Action, instant("meta.updated_at", ev.At), ev.Principal, ev.Revision})
	}
	var b strings.Builder
	if err := table.Write(&b, rows); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprint(e.Out, indent+line); err != nil {
			return err
		}
	}
	return nil
}

// History lists what happened to a resource.
type History struct {
	Connection
	Output
	Target []string `arg:"" name:"type" complete:"resource" help:"TYPE ID, or TYPE/ID."`
}

// Run lists, oldest first.
func (c *History) Run(e *Env) error {
	if _, err := c.path(); err != nil {
		return err
	}
	s, t, err := c.one(c.Target)
	if err != nil {
		return err
	}
	if c.Output.Output == "table" || c.Output.Output == "name" {
		return events(e, s, t, 0, "")
	}
	l := newList(e.Out, &c.Output, nil, 0)
	err = each(e, s, t.path()+"/history", url.Values{"page_size": {"1000"}}, func(items []json.RawMessage, _ *remote.Answer) error {
		return l.page(items)
	})
	if err != nil {
		return err
	}
	return l.finish(e.Err, "")
}
