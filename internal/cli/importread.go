package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
)

// maxRow is the most bytes of one document.
const maxRow = 16 << 20

// read reads documents, or the elements of an array, one at a time. What comes
// before a mistake is given.
func (t *importer) read(ctx context.Context, in io.Reader, rows chan<- row) error {
	lines := &lineReader{in: in}
	r := bufio.NewReaderSize(lines, 1<<20)
	if err := lines.skipMark(r); err != nil {
		return err
	}
	if err := checkBegin(r); err != nil {
		return err
	}
	up := &uploads{server: t.server}
	defer up.stop()
	n := 0
	give := func(data []byte) error {
		if part, ok := readPart(data); ok {
			return up.take(ctx, part)
		}
		n++
		x := row{n: n, data: data}
		if t.Refused != "" {
			x.source = append(bytes.Clone(data), '\n')
		}
		if err := t.identify(&x); err != nil {
			t.refuse(x, err.Error())
			return nil
		}
		select {
		case rows <- x:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d := json.NewDecoder(r)
	lines.begun = d.InputOffset
	if isArray(r) {
		return readArray(d, give)
	}
	for {
		var data json.RawMessage
		switch err := d.Decode(&data); {
		case errors.Is(err, io.EOF):
			return up.unfinished()
		case errors.Is(err, errLongRow):
			rest, _ := io.ReadAll(d.Buffered()) // cannot fail
			return lines.long(d.InputOffset() + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n"))))
		case err != nil:
			return lines.explain(err)
		case len(data) > maxRow:
			return lines.long(d.InputOffset() - int64(len(data)))
		}
		if err := give(data); err != nil {
			return err
		}
	}
}

// skipMark skips a byte order mark, and names one of an encoding that is not
// read.
func (l *lineReader) skipMark(r *bufio.Reader) (err error) {
	head, _ := r.Peek(3) // a short file has none
	switch {
	case bytes.Equal(head, []byte("\xEF\xBB\xBF")):
		l.mark, err = r.Discard(3)
		return err
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return &exitError{exitFailed, "the file is UTF-16; save it as UTF-8"}
	}
	return nil
}

// checkBegin refuses a file that does not begin with an object or a list, as a
// table does.
func checkBegin(r *bufio.Reader) error {
	head, _ := r.Peek(4 << 10) // a short file has less
	text := bytes.TrimLeft(head, " \t\r\n")
	if len(text) == 0 || text[0] == '{' || text[0] == '[' {
		return nil
	}
	detail := fmt.Sprintf("line %d is no JSON document", 1+bytes.Count(head[:len(head)-len(text)], []byte("\n")))
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if bytes.ContainsAny(first, ",;\t") {
		detail += "; this looks like CSV: --format csv reads it"
	}
	return &exitError{exitFailed, detail}
}

var errLongRow = errors.New("the document is too long")

// lineReader knows in which line a place is, and ends a document that does not
// end.
type lineReader struct {
	in     io.Reader
	begun  func() int64 // up to where documents were read
	read   int64
	mark   int     // bytes of a byte order mark, which documents are counted without
	passed int     // lines before those of ends
	ends   []int64 // of the lines that are not passed yet
}

// ahead is how much more than a document is read at most.
const ahead = 4 << 20

func (l *lineReader) Read(p []byte) (int, error) {
	if l.begun != nil {
		done := l.begun() + int64(l.mark)
		i := sort.Search(len(l.ends), func(i int) bool { return l.ends[i] > done })
		l.passed, l.ends = l.passed+i, l.ends[i:]
		if l.read-done > maxRow+ahead {
			return 0, errLongRow
		}
	}
	n, err := l.in.Read(p[:min(len(p), 1<<20)])
	for i, c := range p[:n] {
		if c == '\n' {
			l.ends = append(l.ends, l.read+int64(i)+1)
		}
	}
	l.read += int64(n)
	return n, err
}

// line is how many lines end before a place.
func (l *lineReader) line(at int64) int {
	at += int64(l.mark)
	return l.passed + sort.Search(len(l.ends), func(i int) bool { return l.ends[i] > at })
}

// long names the line in which a document that is too long begins.
func (l *lineReader) long(at int64) error {
	return &exitError{exitFailed, fmt.Sprintf("the document in line %d is longer than %d bytes, which is the most of a row; rows before it were imported", l.line(at)+1, maxRow)}
}

// explain names the line of what is no JSON.
func (l *lineReader) explain(err error) error {
	var syntax *json.SyntaxError
	var at int64
	switch {
	case errors.As(err, &syntax):
		at = max(syntax.Offset-1, 0)
	case errors.Is(err, io.ErrUnexpectedEOF):
		at = l.read - int64(l.mark) - 1
	default:
		return err
	}
	return &exitError{exitFailed, fmt.Sprintf("line %d is no JSON document; rows before it were imported", l.line(at)+1)}
}

func isArray(r *bufio.Reader) bool {
	for i := 1; i < 1<<16; i++ {
		b, err := r.Peek(i)
		if err != nil {
			return false
		}
		switch c := b[i-1]; c {
		case ' ', '\t', '\r', '\n':
			continue
		default:
			return c == '['
		}
	}
	return false
}

func readArray(d *json.Decoder, give func([]byte) error) error {
	if _, err := d.Token(); err != nil {
		return err
	}
	n := 0
	for d.More() {
		var data json.RawMessage
		if err := d.Decode(&data); err != nil {
			return &exitError{exitFailed, fmt.Sprintf("element %d cannot be read: %v; those before it were imported", n+1, err)}
		}
		n++
		if err := give(data); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return &exitError{exitFailed, fmt.Sprintf("the array does not end after element %d; the elements up to there were imported", n)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &exitError{exitFailed, fmt.Sprintf("something follows the array of %d elements, which were imported", n)}
	}
	return nil
}
