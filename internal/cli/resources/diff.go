package resources

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// Diff compares files with the server, or two revisions.
type Diff struct {
	Connection
	Target []string `arg:"" name:"type" optional:"" complete:"resource" help:"TYPE ID or TYPE/ID, for two of its revisions."`
	File   []string `short:"f" complete:"file" help:"Files and folders to compare with what is served; - is stdin."`
	From   int      `help:"Revision to begin with; the one before --to unless it is said."`
	To     int      `help:"Revision to end with; the newest state unless it is said."`
}

// Run exits 1 if anything differs.
func (c *Diff) Run(e *Env) error {
	if (len(c.File) > 0) == (len(c.Target) > 0) {
		return usage("either -f FILE or a resource")
	}
	var differs bool
	var err error
	if len(c.File) > 0 {
		differs, err = c.files(e)
	} else {
		differs, err = c.revisions(e)
	}
	if err == nil && differs {
		return &Failure{exitFailed, ""}
	}
	return err
}

func (c *Diff) files(e *Env) (differs bool, err error) {
	docs, err := declaredIn(e, c.File)
	if err != nil {
		return false, err
	}
	s, err := c.Server()
	if err != nil {
		return false, err
	}
	a := &applying{e: e, s: s}
	if err := a.prepare(docs); err != nil {
		return false, err
	}
	for _, x := range a.docs {
		outcome := a.outcome(x)
		if outcome == unchanged {
			continue
		}
		differs = true
		now, was := "", "nothing"
		if outcome == changed {
			data, err := model.DecodeJSON(x.is.Data)
			if err != nil {
				return false, err
			}
			if now, err = shown(data); err != nil {
				return false, err
			}
			was = x.is.Meta.Status + " " + x.is.Meta.Current
			if x.is.Meta.Deleted {
				was = "deleted " + x.is.Meta.Current
			}
		}
		then, err := shown(a.filled(x))
		if err != nil {
			return false, err
		}
		if _, err := fmt.Fprintf(e.Out, "--- %s (%s)\n+++ %s (%s)\n%s", x.target, was, x.target, show.Line(firstOf(x.status, "as declared")+" in "+x.place), lines(now, then)); err != nil {
			return false, err
		}
	}
	return differs, nil
}

// shown is data as YAML, with sorted members.
func shown(data any) (string, error) {
	b, err := show.YAML(model.AppendCanonical(nil, data))
	return string(b), err
}

func (c *Diff) revisions(e *Env) (differs bool, err error) {
	s, t, err := c.one(c.Target)
	if err != nil {
		return false, err
	}
	to, toName, number, err := revisionOf(e, s, t, c.To)
	if err != nil {
		return false, err
	}
	if c.From == 0 {
		if c.From = number - 1; c.From < 1 {
			return false, failed("%s is the first revision; nothing is before it", toName)
		}
	}
	from, fromName, _, err := revisionOf(e, s, t, c.From)
	if err != nil || from == to {
		return false, err
	}
	_, err = fmt.Fprintf(e.Out, "--- %s/%s\n+++ %s/%s\n%s", t.typ, fromName, t.typ, toName, lines(from, to))
	return true, err
}

// revisionOf reads a revision, or the newest state.
func revisionOf(e *Env, s remote.Server, t target, n int) (text, name string, number int, err error) {
	path, q := t.path(), url.Values{}
	if n != 0 {
		path += "/revisions/" + strconv.Itoa(n)
	}
	var x envelope
	if _, err = s.Get(e.Ctx, path, q, &x); err != nil {
		return "", "", 0, err
	}
	data, err := model.DecodeJSON(x.Data)
	if err != nil {
		return "", "", 0, err
	}
	if x.Revision != nil {
		name, number = x.Revision.ID, x.Revision.Number
	}
	text, err = shown(data)
	return text, name, number, err
}
