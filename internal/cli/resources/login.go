package resources

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// Login keeps a credential for a server.
type Login struct {
	Server  string `arg:"" optional:"" help:"Address of the server; without it that of the context."`
	Name    string `help:"Name of the context; the host of the server unless it is said."`
	Email   string `help:"Sign in with a password instead of a key."`
	Browser bool   `help:"Open the page where a key can be made."`
	Token   string `help:"The key; without it, it is asked for, or read from stdin."`
	Context string `complete:"context" help:"Context to sign in to again."`
}

// session is who a credential says its bearer is.
type session struct {
	Principal *struct {
		ID string `json:"id"`
	} `json:"principal"`
	Auth string `json:"auth"`
}

// Run asks for the secret, tries it and keeps it.
func (c *Login) Run(e *Env) error {
	contexts, err := remote.Load()
	if err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	s, err := contexts.Resolve(c.Context, c.Server, "")
	if err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	name := firstOf(c.Name, c.Context, contexts.NameOf(s.URL))
	s.Secret = c.Token
	if c.Email != "" {
		if s, err = c.password(e, s); err != nil {
			return err
		}
	} else if s.Secret == "" {
		if err := c.open(e, s); err != nil {
			return err
		}
		if s.Secret, err = secret(e, "Key of "+s.URL+": "); err != nil {
			return err
		}
	}
	var who session
	if _, err := s.Get(e.Ctx, "/auth/session", nil, &who); err != nil {
		return err
	}
	if who.Principal == nil && who.Auth != "off" {
		return failed("the server does not know this key; nothing is kept")
	}
	if err := contexts.Set(name, s.URL, s.Secret); err != nil {
		return err
	}
	id := "anyone: the server asks for no credential"
	if who.Principal != nil {
		id = who.Principal.ID
	}
	_, err = fmt.Fprintf(e.Out, "context %s: %s as %s\n", name, s.URL, show.Line(id))
	return err
}

// open shows where a key can be made.
func (c *Login) open(e *Env, s remote.Server) error {
	if !c.Browser {
		return nil
	}
	page := strings.TrimRight(s.URL, "/") + "/console/api-keys"
	fmt.Fprintf(e.Err, "Make a key at %s and paste it here.\n", page)
	opener := map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	if opener == nil {
		opener = []string{"xdg-open"}
	}
	cmd := exec.Command(opener[0], append(opener[1:], page)...)
	if cmd.Start() == nil { // without a browser the address is enough
		go func() { _ = cmd.Wait() }()
	}
	return nil
}

// password signs in, and keeps the session.
func (c *Login) password(e *Env, s remote.Server) (remote.Server, error) {
	password, err := secret(e, "Password of "+c.Email+": ")
	if err != nil {
		return s, err
	}
	a, err := s.Do(e.Ctx, remote.Request{Method: http.MethodPost, Path: "/auth/login", Body: map[string]any{"email": c.Email, "password": password, "remember": true}})
	if err != nil {
		return s, err
	}
	for _, cookie := range (&http.Response{Header: a.Header}).Cookies() {
		if cookie.Value != "" {
			s.Secret = remote.Cookie(cookie)
			return s, nil
		}
	}
	return s, failed("the server gave no session")
}

// secret asks a person without showing what is typed, or reads a line of stdin.
func secret(e *Env, prompt string) (string, error) {
	var text string
	if f, ok := e.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(e.Err, show.Line(prompt))
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(e.Err)
		if err != nil {
			return "", err
		}
		text = string(b)
	} else {
		line, err := bufio.NewReader(e.In).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		text = line
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", usage("no secret was given")
	}
	return text, nil
}

// Logout forgets a credential and ends its session.
type Logout struct {
	Context string `complete:"context" help:"Context to forget instead of the current one."`
}

// Run ends the session and forgets the context's token.
func (c *Logout) Run(e *Env) error {
	contexts, err := remote.Load()
	if err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	name := firstOf(c.Context, contexts.Current)
	if name == "" {
		return usage("there is no context to log out of")
	}
	s, err := contexts.Resolve(name, "", "")
	if err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	if s.IsSession() {
		if _, err := s.Do(e.Ctx, remote.Request{Method: http.MethodPost, Path: "/auth/logout"}); err != nil && remote.Code(err) != "unauthenticated" {
			return err
		}
	}
	if err := contexts.Set(name, s.URL, ""); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Out, "context %s: no credential is kept\n", name)
	return err
}

// Contexts works with the names of servers.
type Contexts struct {
	List   ContextList   `cmd:"" help:"List the named servers; * is the current one."`
	Use    Use           `cmd:"" help:"Make a context the current one."`
	Set    ContextSet    `cmd:"" help:"Name a server, and make it the current one."`
	Remove ContextRemove `cmd:"" help:"Forget a context and its token."`
}

// ContextList lists contexts.
type ContextList struct{}

// Run writes a table.
func (c *ContextList) Run(e *Env) error {
	contexts, err := remote.Load()
	if err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	var rows [][]string
	for _, name := range contexts.Names() {
		mark := ""
		if name == contexts.Current {
			mark = "*"
		}
		rows = append(rows, []string{mark, name, contexts.Contexts[name].Server})
	}
	table := show.Table{Width: terminalWidth(e.Out), Columns: []show.Column{{}, {Name: "name", Whole: true}, {Name: "server"}}}
	return table.Write(e.Out, rows)
}

// Use makes a context the current one.
type Use struct {
	Name string `arg:"" complete:"context" help:"Name of the context."`
}

// Run does.
func (c *Use) Run(e *Env) error {
	contexts, err := remote.Load()
	if err == nil {
		err = contexts.Use(c.Name)
	}
	if err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	_, err = fmt.Fprintf(e.Out, "context %s: %s\n", c.Name, contexts.Contexts[c.Name].Server)
	return err
}

// ContextSet names a server.
type ContextSet struct {
	Name  string `arg:"" complete:"context" help:"Name of the context."`
	URL   string `aliases:"server" help:"Address of the server."`
	Token string `help:"Credential to keep, in a file that only you can read."`
}

// Run does.
func (c *ContextSet) Run(e *Env) error {
	contexts, err := remote.Load()
	if err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	if c.URL == "" {
		return usage("which server? --server URL")
	}
	if err := contexts.Set(c.Name, c.URL, c.Token); err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	_, err = fmt.Fprintf(e.Out, "context %s: %s\n", c.Name, c.URL)
	return err
}

// ContextRemove forgets one.
type ContextRemove struct {
	Name string `arg:"" complete:"context" help:"Name of the context."`
}

// Run does.
func (c *ContextRemove) Run(e *Env) error {
	contexts, err := remote.Load()
	if err == nil {
		err = contexts.Remove(c.Name)
	}
	if err != nil {
		return &Failure{exitUsage, err.Error()}
	}
	_, err = fmt.Fprintf(e.Out, "context %s is forgotten\n", c.Name)
	return err
}
