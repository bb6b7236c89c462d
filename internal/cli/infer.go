package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/infer"
	"github.com/autocrud-go/autocrud/pkg/tabular"
)

type modelsSchemaCmd struct{}

// Run prints the JSON Schema of model files.
func (c *modelsSchemaCmd) Run(e *env) error {
	_, err := e.Out.Write(model.FileSchema)
	return err
}

type modelsInferCmd struct {
	Name   string `arg:"" help:"Name of the type."`
	File   string `arg:"" help:"NDJSON, a JSON array, or CSV with a header (.csv, .tsv)."`
	Models string `default:"models" help:"Folder that the model is written to, as NAME.yaml."`
	Print  bool   `help:"Print the model and write nothing."`
}

// Run writes a first model of the rows of a file. A model that is there stays.
func (c *modelsInferCmd) Run(e *env) error {
	name := filepath.Join(c.Models, c.Name+".yaml")
	if _, err := os.Lstat(name); !c.Print && !errors.Is(err, fs.ErrNotExist) {
		return &exitError{exitUsage, name + " is there already; nothing was written"}
	}
	m, err := inferred(c.Name, c.File)
	if err != nil {
		return &exitError{exitFailed, fmt.Sprintf("%s: %v", c.File, err)}
	}
	if m.Rows() == 0 {
		return &exitError{exitFailed, c.File + " has no rows"}
	}
	text := m.YAML(filepath.Base(c.File), model.FileSchemaName)
	if _, problems := model.ParseType(name, text); len(problems) > 0 {
		return problems.Sorted()
	}
	if c.Print {
		_, err := e.Out.Write(text)
		return err
	}
	schema := filepath.Join(c.Models, model.FileSchemaName)
	if _, err := os.Lstat(schema); errors.Is(err, fs.ErrNotExist) {
		if err := writeNew(schema, model.FileSchema); err != nil {
			return err
		}
	}
	if err := writeNew(name, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Out, "%s: from %d rows; look at what it guessed\n", name, m.Rows())
	return err
}

// inferred reads a file, CSV twice: the kinds of columns are known at its end.
func inferred(name, file string) (*infer.Model, error) {
	m, format := infer.New(name), tabular.FormatOf(file)
	var columns tabular.Columns
	if format == tabular.CSV {
		err := eachRow(file, format, func(_ int, row any) error {
			columns.Look(row.(map[string]any))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return m, eachRow(file, format, func(_ int, row any) error {
		if format == tabular.CSV {
			columns.Convert(row.(map[string]any))
		}
		return m.Add(row)
	})
}

func eachRow(file string, format tabular.Format, fn func(n int, row any) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return tabular.Read(f, format, fn)
}
