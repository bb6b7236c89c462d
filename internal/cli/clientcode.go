package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/resources"
	"github.com/autocrud-go/autocrud/internal/clients"
	"github.com/autocrud-go/autocrud/internal/wiring"
	"github.com/autocrud-go/autocrud/pkg/model"
)

type clientCmd struct {
	Language string `arg:"" help:"go or ts (TypeScript)."`
	Out      string `help:"Folder that the client is written to; it is made if it is not there."`
	URL      string `help:"Address of a running server, whose types it is for."`
	Token    string `help:"Credential, if the server asks for one."`
	Models   string `help:"Folder with the model files, instead of a server. Default: models."`
	Types    string `help:"Only these types, separated by commas. Default: all but the program's own."`
	Package  string `help:"Name of the package in Go; default: that of the folder."`
}

// Run writes a client. Files that are not its own stay as they are.
func (c *clientCmd) Run(e *env) error {
	if c.Out == "" {
		return &exitError{exitUsage, "--out is missing: name the folder of the client"}
	}
	models, err := c.models(e)
	if err != nil {
		return err
	}
	if models, err = c.chosen(models); err != nil {
		return err
	}
	var files []clients.File
	switch c.Language {
	case "go":
		if c.Package != "" && !token.IsIdentifier(c.Package) {
			return &exitError{exitUsage, fmt.Sprintf("--package: %q cannot be the name of a package in Go", c.Package)}
		}
		files, err = clients.Go(models, c.packageName())
	case "ts":
		files, err = clients.TypeScript(models)
	default:
		return &exitError{exitUsage, fmt.Sprintf("a client is in go or ts, not in %q", c.Language)}
	}
	if err != nil {
		return err
	}
	return c.write(e, files)
}

// models are those of a server, or of a folder and this program.
func (c *clientCmd) models(e *env) (out []clients.Model, err error) {
	if c.Models == "" && c.URL != "" {
		a, err := server{URL: c.URL, Token: c.Token}.do(e.ctx, http.MethodGet, "/v1/types", nil, nil)
		if err != nil {
			return nil, err
		}
		if a.status != http.StatusOK {
			return nil, &exitError{exitFailed, a.problem()}
		}
		var page struct{ Items []clients.Model }
		err = json.Unmarshal(a.body, &page)
		return page.Items, err
	}
	dir := c.Models
	if dir == "" {
		dir = "models"
	}
	types, err := wiring.ServedTypes(dir, e.app)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(types)
	if err != nil {
		return nil, err
	}
	return out, json.Unmarshal(b, &out)
}

// chosen are the types that are asked for.
func (c *clientCmd) chosen(models []clients.Model) ([]clients.Model, error) {
	if c.Types == "" {
		return slices.DeleteFunc(models, func(m clients.Model) bool { return resources.IsBuiltin(m.Name) }), nil
	}
	names := strings.Split(c.Types, ",")
	var known []string
	for _, m := range models {
		known = append(known, m.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, &exitError{exitUsage, fmt.Sprintf("--types: there is no type %q%s", name, model.Hint(name, known))}
		}
	}
	return slices.DeleteFunc(models, func(m clients.Model) bool { return !slices.Contains(names, m.Name) }), nil
}

// packageName is the name of the folder, as far as Go takes it for a package.
func (c *clientCmd) packageName() string {
	if c.Package != "" {
		return c.Package
	}
	dir, err := filepath.Abs(c.Out)
	if err != nil {
		dir = c.Out
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(filepath.Base(dir)))
	if !token.IsIdentifier(name) { // as go, which is a keyword
		name = "client" + name
	}
	return name
}

// write writes the files, over none that a person wrote.
func (c *clientCmd) write(e *env, files []clients.File) error {
	for _, f := range files {
		name := filepath.Join(c.Out, f.Name)
		switch there, err := os.ReadFile(name); { //nolint:gosec // the folder that the user names
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case err == nil && !bytes.HasPrefix(there, []byte(clients.Mark)):
			return &exitError{exitUsage, name + " is there and was not made by this command; nothing was written"}
		}
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil { //nolint:gosec // as any folder of a project
		return err
	}
	for _, f := range files {
		name := filepath.Join(c.Out, f.Name)
		if err := os.WriteFile(name, f.Text, 0o644); err != nil { //nolint:gosec // as any file of a project
			return err
		}
		fmt.Fprintln(e.Out, name)
	}
	return nil
}
