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
	"unicode/utf8"

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
	t, err := NewTable(r)
	if err != nil {
		return err
	}
	t.csv.ReuseRecord = true
	for n := 1; ; n++ {
		cells, err := t.csv.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && len(cells) != len(t.Header) {
			err = csv.ErrFieldCount
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		row := make(map[string]any, len(cells))
		for i, cell := range cells {
			if cell != "" {
				row[t.Header[i]] = strings.ToValidUTF8(cell, "\uFFFD")
			}
		}
		if err := fn(n, row); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
}

// Table reads CSV row by row.
type Table struct {
	Header []string
	csv    *csv.Reader
	comma  rune
	before int // lines before what the reader counts
}

// NewTable reads the header. What divides columns is what most often does in it, or what a
// first line says as spreadsheets write it: sep=;
func NewTable(r *bufio.Reader) (*Table, error) {
	first, err := r.Peek(r.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	t := &Table{comma: divider(first)}
	line, _, _ := bytes.Cut(first, []byte("\n"))
	if said, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r"), []byte("sep=")); ok && len(said) == 1 {
		t.comma, t.before = rune(said[0]), 1
		if _, err := r.Discard(min(len(line)+1, len(first))); err != nil {
			return nil, err
		}
	}
	t.csv = csv.NewReader(r)
	t.csv.Comma, t.csv.FieldsPerRecord = t.comma, -1
	header, err := t.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	t.Header = slices.Clone(header)
	for i, name := range t.Header {
		t.Header[i] = strings.TrimSpace(name)
		if t.Header[i] == "" || slices.Contains(t.Header[:i], t.Header[i]) {
			return nil, fmt.Errorf("the header: column %d has no name of its own", i+1)
		}
	}
	return t, nil
}

// Read reads a row and the line at which it begins. A *RowError is about this row only;
// others follow.
func (t *Table) Read() (cells []string, line int, err error) {
	cells, err = t.csv.Read()
	var wrong *csv.ParseError
	switch {
	case errors.As(err, &wrong):
		return nil, wrong.StartLine + t.before, &RowError{wrong.Err.Error()}
	case err != nil:
		return nil, 0, err
	}
	line, _ = t.csv.FieldPos(0)
	line += t.before
	if len(cells) != len(t.Header) {
		return cells, line, &RowError{fmt.Sprintf("it has %d cells, the header has %d", len(cells), len(t.Header))}
	}
	for i, cell := range cells {
		if !utf8.ValidString(cell) {
			return cells, line, &RowError{fmt.Sprintf("column %s is no UTF-8", t.Header[i])}
		}
	}
	return cells, line, nil
}

// RowError is a mistake of one row.
type RowError struct{ reason string }

func (e *RowError) Error() string { return e.reason }

// Line writes cells as they would be read.
func (t *Table) Line(cells []string) []byte { return line(cells, t.comma) }

// Line is a line of CSV.
func Line(cells []string) []byte { return line(cells, ',') }

func line(cells []string, comma rune) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = comma
	_ = w.Write(cells) // a buffer takes everything
	w.Flush()
	if b.Len() == 1 {
		return []byte("\"\"\n") // an empty line would be none
	}
	return b.Bytes()
}

// divider is what most often divides a header, outside of quotes.
func divider(head []byte) rune {
	counts, within := map[rune]int{}, false
	for _, c := range string(head) {
		if c == '"' {
			within = !within
		} else if c == '\n' && !within {
			break
		} else if !within {
			counts[c]++
		}
	}
	best := ','
	for _, d := range ",;\t|" {
		if counts[d] > counts[best] {
			best = d
		}
	}
	return best
}
