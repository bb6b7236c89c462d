package resources

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// Create makes resources.
type Create struct {
	Connection
	Output
	Type    string   `arg:"" optional:"" complete:"type" help:"Type of what --data gives."`
	ID      string   `arg:"" optional:"" help:"Its id; without one the server makes it."`
	File    []string `short:"f" complete:"file" help:"Files of documents {type, id, data}; - is stdin."`
	Data    string   `short:"d" help:"The data as JSON or YAML."`
	Status  string   `enum:",draft,stable" default:"" help:"draft or stable, instead of the type's own."`
	Message string   `short:"m" help:"Why, for the history."`
}

// Run creates, and stops at the first refusal.
func (c *Create) Run(e *Env) error {
	if _, err := c.path(); err != nil {
		return err
	}
	var docs []document
	switch {
	case len(c.File) > 0 && c.Type == "":
		var err error
		if docs, err = readDocuments(c.File, e.In); err != nil {
			return &Failure{exitUsage, err.Error()}
		}
	case len(c.File) == 0 && c.Type != "":
		data, err := dataOf(c.Data)
		if err != nil {
			return err
		}
		docs = []document{{target: target{c.Type, c.ID}, data: data}}
	default:
		return usage("either -f FILE, or TYPE [ID] --data JSON")
	}
	s, err := c.Server()
	if err != nil {
		return err
	}
	for _, d := range docs {
		q := url.Values{}
		for name, value := range map[string]string{"id": d.id, "status": firstOf(c.Status, d.status), "message": c.Message} {
			if value != "" {
				q.Set(name, value)
			}
		}
		a, err := s.Do(e.Ctx, remote.Request{Method: http.MethodPost, Path: typePath(d.typ), Query: q, Body: d.body()})
		if err == nil {
			err = c.resource(e.Out, a.Body, created)
		}
		if err != nil && d.place != "" {
			return fmt.Errorf("%s: %w", d.place, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// dataOf reads the data of a flag.
func dataOf(text string) (any, error) {
	if strings.TrimSpace(text) == "" {
		return nil, usage("the data is missing: --data '{\"name\": \"...\"}'")
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if tree, err := model.DecodeJSON([]byte(text)); err == nil {
			return tree, nil
		}
	}
	read, err := model.ReadYAML([]byte(text), false)
	if err != nil {
		_, reason := model.LineOf(err)
		return nil, usage("--data: %s", reason)
	}
	return read.Tree, nil
}

// Patch changes parts of resources.
type Patch struct {
	Connection
	Output
	Target  []string `arg:"" name:"type" complete:"resource" help:"TYPE ID..., or TYPE/ID...."`
	Patch   string   `short:"p" help:"Merge patch as JSON or YAML: members to set, null removes; or a list of operations of RFC 6902."`
	Status  string   `enum:",draft,stable" default:"" help:"draft or stable, of the new revision."`
	Message string   `short:"m" help:"Why, for the history."`
	IfMatch string   `name:"if-match" help:"ETag of the state that the patch is for."`
}

// Run patches.
func (c *Patch) Run(e *Env) error {
	if _, err := c.path(); err != nil {
		return err
	}
	patch, media, err := c.read()
	if err != nil {
		return err
	}
	s, which, err := c.some(c.Target)
	if err != nil {
		return err
	}
	for _, t := range which {
		q, h := url.Values{}, http.Header{}
		if c.Status != "" {
			q.Set("status", c.Status)
		}
		if c.Message != "" {
			q.Set("message", c.Message)
		}
		if c.IfMatch != "" {
			h.Set("If-Match", c.IfMatch)
		}
		var before envelope
		state, err := s.Get(e.Ctx, t.path(), nil, &before)
		if err != nil {
			return err
		}
		a, err := s.Do(e.Ctx, remote.Request{Method: http.MethodPatch, Path: t.path(), Query: q, Header: h, Body: patch, Media: media})
		if remote.Code(err) == "precondition_required" {
			return fmt.Errorf("%w; the newest state has --if-match '%s'", err, state.ETag())
		}
		if err != nil {
			return err
		}
		said := changed
		if a.ETag() == state.ETag() {
			said = unchanged
		}
		if err := c.resource(e.Out, a.Body, said); err != nil {
			return err
		}
	}
	return nil
}

func (c *Patch) read() (json.RawMessage, string, error) {
	text := strings.TrimSpace(c.Patch)
	if text == "" {
		return nil, "", usage("the patch is missing: --patch '{\"name\": \"...\"}'")
	}
	read, err := model.ReadYAML([]byte(text), strings.HasPrefix(text, "{") && json.Valid([]byte(text)))
	if err != nil {
		_, reason := model.LineOf(err)
		return nil, "", usage("--patch: %s", reason)
	}
	media := "application/merge-patch+json"
	if _, list := read.Tree.([]any); list {
		media = "application/json-patch+json"
	}
	return model.AppendCanonical(nil, read.Tree), media, nil
}

// verb is a write without a body that resources answer to.
func verb(e *Env, c *Connection, o *Output, words []string, said string, request func(target) remote.Request) error {
	if _, err := o.path(); err != nil {
		return err
	}
	s, which, err := c.some(words)
	if err != nil {
		return err
	}
	for _, t := range which {
		a, err := changing(e, s, t, request(t))
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		if err := o.resource(e.Out, a.Body, said); err != nil {
			return err
		}
	}
	return nil
}

// changing sends a write. Where the type asks what state it is for, that is the newest.
func changing(e *Env, s remote.Server, t target, r remote.Request) (*remote.Answer, error) {
	a, err := s.Do(e.Ctx, r)
	if remote.Code(err) != "precondition_required" {
		return a, err
	}
	state, err := s.Do(e.Ctx, remote.Request{Path: t.path(), Query: url.Values{"include_deleted": {"true"}}})
	if err != nil {
		return nil, err
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("If-Match", state.ETag())
	return s.Do(e.Ctx, r)
}

func post(verb string, body any) func(target) remote.Request {
	return func(t target) remote.Request {
		return remote.Request{Method: http.MethodPost, Path: t.path() + ":" + verb, Body: body}
	}
}

// Delete deletes resources; they can be restored.
type Delete struct {
	Connection
	Output
	Target []string `arg:"" name:"type" complete:"resource" help:"TYPE ID..., or TYPE/ID...."`
}

// Run deletes.
func (c *Delete) Run(e *Env) error {
	return verb(e, &c.Connection, &c.Output, c.Target, "deleted", func(t target) remote.Request {
		return remote.Request{Method: http.MethodDelete, Path: t.path()}
	})
}

// Undelete restores them.
type Undelete struct {
	Connection
	Output
	Target []string `arg:"" name:"type" complete:"deleted" help:"TYPE ID..., or TYPE/ID...."`
}

// Run restores.
func (c *Undelete) Run(e *Env) error {
	return verb(e, &c.Connection, &c.Output, c.Target, "restored", post("restore", nil))
}

// Rollback makes an earlier revision the current one.
type Rollback struct {
	Connection
	Output
	Target []string `arg:"" name:"type" complete:"resource" help:"TYPE ID, or TYPE/ID."`
	To     int      `help:"Number of the revision; without one that before the current one."`
}

// Run switches.
func (c *Rollback) Run(e *Env) error {
	s, t, err := c.one(c.Target)
	if err != nil {
		return err
	}
	to := c.To
	if to == 0 {
		var x struct {
			Revision struct {
				Parent string `json:"parent"`
			} `json:"revision"`
		}
		if _, err := s.Get(e.Ctx, t.path(), nil, &x); err != nil {
			return err
		}
		_, number, _ := strings.Cut(x.Revision.Parent, ":")
		if to, err = strconv.Atoi(number); err != nil {
			return failed("%s has no revision before this one", t)
		}
	}
	return verb(e, &c.Connection, &c.Output, []string{t.String()}, fmt.Sprintf("is at revision %d", to), post("switch", map[string]int{"revision": to}))
}

// Publish publishes resources.
type Publish struct {
	Connection
	Output
	Target []string `arg:"" name:"type" complete:"resource" help:"TYPE ID..., or TYPE/ID...."`
	Undo   bool     `help:"Take back what is published instead."`
}

// Run publishes.
func (c *Publish) Run(e *Env) error {
	if c.Undo {
		return verb(e, &c.Connection, &c.Output, c.Target, "unpublished", post("unpublish", nil))
	}
	return verb(e, &c.Connection, &c.Output, c.Target, "published", post("publish", nil))
}

// Cancel cancels jobs.
type Cancel struct {
	Connection
	Output
	Target []string `arg:"" name:"type" complete:"job" help:"TYPE ID..., or TYPE/ID..., of jobs."`
}

// Run cancels.
func (c *Cancel) Run(e *Env) error {
	return verb(e, &c.Connection, &c.Output, c.Target, "cancelled", post("cancel", nil))
}

// Rerun queues jobs again that are finished.
type Rerun struct {
	Connection
	Output
	Target []string `arg:"" name:"type" complete:"job" help:"TYPE ID..., or TYPE/ID..., of jobs."`
}

// Run queues.
func (c *Rerun) Run(e *Env) error {
	return verb(e, &c.Connection, &c.Output, c.Target, "queued", post("rerun", nil))
}
