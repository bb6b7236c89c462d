// Package tabular reads the rows of files, one at a time: JSON documents one after the
// other (NDJSON), a JSON array, or CSV.
package tabular

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Format is how the rows of a file are written.
type Format string

// JSON is for documents one after the other and for one array of them. CSV has a header
// and is divided by commas, semicolons, tabs or bars; its cells are texts.
const (
	JSON Format = "json"
	CSV  Format = "csv"
)

// FormatOf tells the format from the name of a file.
func FormatOf(name string) Format {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv", ".tsv", ".tab":
		return CSV
	}
	return JSON
}

// Read calls fn with each row and its number, from 1. A row of CSV has no cells that are
// empty. An error names the row that it is about.
func Read(in io.Reader, f Format, fn func(n int, row any) error) error {
	r := bufio.NewReaderSize(in, 64<<10)
	if mark, err := r.Peek(3); err == nil && string(mark) == "\uFEFF" {
		_, _ = r.Discard(3) // it was peeked at
	}
	if f == CSV {
		return readCSV(r, fn)
	}
	return readJSON(r, fn)
}

func readJSON(r *bufio.Reader, fn func(n int, row any) error) error {
	d := json.NewDecoder(r)
	within, err := beginsArray(r)
	if err != nil {
		return err
	}
	if within {
		if _, err := d.Token(); err != nil {
			return err
		}
	}
	for n := 1; ; n++ {
		if within && !d.More() {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("row %d: the array has no end", n)
			}
			return err
		}
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) && !within {
			return nil
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		row, err := model.DecodeJSON(raw)
		if err == nil {
			err = fn(n, row)
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
}

// beginsArray looks at the first character that is no space.
func beginsArray(r *bufio.Reader) (bool, error) {
	for {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(c)) {
			return c == '[', r.UnreadByte()
		}
	}
}

func readCSV(r *bufio.Reader, fn func(n int, row any) error) error {
	c := csv.NewReader(r)
	first, err := r.Peek(r.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	line, _, _ := bytes.Cut(first, []byte("\n"))
	c.Comma, c.FieldsPerRecord, c.ReuseRecord = divider(line), 0, true
	header, err := c.Read()
	if err != nil {
		return fmt.Errorf("the header: %w", err)
	}
	header = slices.Clone(header)
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		if header[i] == "" || slices.Contains(header[:i], header[i]) {
			return fmt.Errorf("the header: column %d has no name of its own", i+1)
		}
	}
	for n := 1; ; n++ {
		cells, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		row := make(map[string]any, len(cells))
		for i, cell := range cells {
			if cell != "" {
				row[header[i]] = strings.ToValidUTF8(cell, "\uFFFD")
			}
		}
		if err := fn(n, row); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
}

// divider is what most often divides a header.
func divider(header []byte) rune {
	best, most := ',', 0
	for _, d := range ",;\t|" {
		if n := bytes.Count(header, []byte(string(d))); n > most {
			best, most = d, n
		}
	}
	return best
}
