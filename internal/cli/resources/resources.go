// Package resources is the part of the command line that works with resources of a
// running server: reading, applying, editing, following.
package resources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// Env is where a command runs.
type Env struct {
	Ctx      context.Context
	In       io.Reader
	Out, Err io.Writer
}

// Command of this package.
type Command interface{ Run(e *Env) error }

// Failure ends the program with a code; its text, if any, goes to stderr.
type Failure struct {
	Code int
	Text string
}

func (f *Failure) Error() string { return f.Text }

// The exit codes besides 0.
const (
	exitFailed = 1 // it was tried; also: there are differences, the answer is no
	exitUsage  = 2 // nothing was asked of the server
)

func usage(format string, args ...any) error {
	return &Failure{exitUsage, fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) error {
	return &Failure{exitFailed, fmt.Sprintf(format, args...)}
}

// Explain is what goes to stderr of an error.
func Explain(err error) string { return show.Line(err.Error()) }

// Connection is the flags that say which server is meant.
type Connection struct {
	URL     string `aliases:"server" help:"Address of the server; without it that of the context, else http://127.0.0.1:8080."`
	Token   string `help:"Credential; without it that of the context, which goes to no other server."`
	Context string `complete:"context" help:"Context to use instead of the current one."`
}

// Server finds it.
func (c *Connection) Server() (remote.Server, error) {
	contexts, err := remote.Load()
	if err != nil {
		return remote.Server{}, &Failure{exitUsage, err.Error()}
	}
	s, err := contexts.Resolve(c.Context, c.URL, c.Token)
	if err != nil {
		return s, &Failure{exitUsage, err.Error()}
	}
	return s, nil
}

// target is a resource, or a type if it has no id.
type target struct{ typ, id string }

func (t target) String() string { return t.typ + "/" + t.id }

func (t target) path() string { return resourcePath(t.typ, t.id) }

func resourcePath(typ, id string) string {
	return "/v1/" + url.PathEscape(typ) + "/" + url.PathEscape(id)
}

func typePath(typ string) string { return "/v1/" + url.PathEscape(typ) }

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// targets reads TYPE, TYPE ID..., or TYPE/ID....
func targets(words []string) (out []target, err error) {
	typ := ""
	for i, word := range words {
		t, id, slash := strings.Cut(word, "/")
		switch {
		case !slash && i == 0:
			typ = word
			continue
		case !slash && typ == "":
			return nil, usage("%q: either TYPE ID... or TYPE/ID...", word)
		case !slash:
			t, id = typ, word
		case typ != "":
			return nil, usage("%q: either TYPE ID... or TYPE/ID...", word)
		}
		if !idPattern.MatchString(id) {
			return nil, usage("%q is no id", id)
		}
		out = append(out, target{t, id})
	}
	if len(out) == 0 {
		out = []target{{typ: typ}}
	}
	return out, nil
}

// some reads targets that all have an id, and finds the server.
func (c *Connection) some(words []string) (remote.Server, []target, error) {
	out, err := targets(words)
	if err == nil && out[0].id == "" {
		err = usage("which one? An id is missing: %s ID, or %[1]s/ID", out[0].typ)
	}
	if err != nil {
		return remote.Server{}, nil, err
	}
	s, err := c.Server()
	return s, out, err
}

// one reads exactly one target, and finds the server.
func (c *Connection) one(words []string) (remote.Server, target, error) {
	s, out, err := c.some(words)
	if err == nil && len(out) > 1 {
		err = usage("one resource is expected, not %d", len(out))
	}
	if err != nil {
		return s, target{}, err
	}
	return s, out[0], nil
}

// envelope is a resource as an answer shows it.
type envelope struct {
	Data     json.RawMessage `json:"data,omitempty"`
	Meta     meta            `json:"meta"`
	Problem  *remote.Problem `json:"problem,omitempty"`
	Revision *struct {
		ID      string  `json:"id"`
		Number  int     `json:"number"`
		Message *string `json:"message"`
	} `json:"revision,omitempty"`
}

type meta struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Current   string `json:"current_revision"`
	Count     int    `json:"revision_count"`
	Status    string `json:"status"`
	Seq       uint64 `json:"seq"`
	UpdatedAt string `json:"updated_at"`
	Deleted   bool   `json:"deleted"`
	Job       *job   `json:"job"`
}

type job struct {
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Progress *struct {
		Done    int64  `json:"done"`
		Total   int64  `json:"total"`
		Message string `json:"message"`
	} `json:"progress"`
	Error  string          `json:"error"`
	Result json.RawMessage `json:"result"`
}

func (j *job) finished() bool {
	return j.State == "succeeded" || j.State == "failed" || j.State == "cancelled"
}

// each asks for all pages of a list and gives the items of each, as they came.
func each(e *Env, s remote.Server, path string, q url.Values, fn func(items []json.RawMessage, a *remote.Answer) error) error {
	for {
		var page struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next_page_token"`
		}
		a, err := s.Get(e.Ctx, path, q, &page)
		if err != nil {
			return err
		}
		if err := fn(page.Items, a); errors.Is(err, remote.ErrStop) {
			return nil
		} else if err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		q.Set("page_token", page.Next)
	}
}

// terminalWidth is that of the terminal, of COLUMNS, or 80.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 20 {
			return n
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 20 {
		return n
	}
	return 80
}
