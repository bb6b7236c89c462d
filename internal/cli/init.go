package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

//go:embed folder
var folder embed.FS

type initCmd struct {
	Dir     string `arg:"" default:"." help:"Folder to begin in; it is made if it is not there."`
	Compose bool   `help:"Write a compose file too."`
}

// Run writes the files of a folder that runs. Nothing is written over.
func (c *initCmd) Run(e *env) error {
	files := []struct{ name, from string }{
		{"models/notes.yaml", "notes.yaml"}, {"models/" + model.FileSchemaName, ""}, {"seed/notes.ndjson", "notes.ndjson"}, {".gitignore", "gitignore"}}
	if c.Compose {
		files = append(files, struct{ name, from string }{"compose.yaml", "compose.yaml"})
	}
	var there []string
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(c.Dir, f.name)); !errors.Is(err, fs.ErrNotExist) {
			there = append(there, f.name)
		}
	}
	if len(there) > 0 {
		return &exitError{exitUsage, fmt.Sprintf("%s has %s already; nothing was written", c.Dir, strings.Join(there, ", "))}
	}
	for _, f := range files {
		content := model.FileSchema
		if f.from != "" {
			var err error
			if content, err = folder.ReadFile("folder/" + f.from); err != nil {
				return err
			}
		}
		if err := writeNew(filepath.Join(c.Dir, f.name), content); err != nil {
			return err
		}
		fmt.Fprintln(e.Out, filepath.Join(c.Dir, f.name))
	}
	at := ""
	if c.Dir != "." {
		at = "cd " + c.Dir + " && "
	}
	_, err := fmt.Fprintf(e.Out, "next: %sautocrud dev, and then autocrud import notes seed/notes.ndjson\n", at)
	return err
}

// writeNew makes a file that is not there yet, with its folders.
func writeNew(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // as any folder of a project
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // as any file of a project
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
