package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

type importCmd struct {
	server     `embed:""`
	Type       string `arg:"" help:"Type to import into."`
	File       string `arg:"" help:"NDJSON (one document a line) or a JSON array; - is stdin."`
	IDField    string `name:"id-field" help:"Property to take each row's id from. Without it ids are made from position and content, the same each time."`
	OnConflict string `default:"skip" enum:"skip,replace,fail" help:"When an id exists: skip, replace or fail."`
	Parallel   int    `default:"32" help:"Requests at the same time."`
}

// row is one document of the file.
type row struct {
	n    int // from 1
	data json.RawMessage
}

// maxShown bounds how many refused rows are listed.
const maxShown = 20

// Run imports. Rows that the server refuses are listed and do not stop the
// others; the exit code tells of them.
func (c *importCmd) Run(e *env) error {
	if c.Parallel < 1 || c.Parallel > 256 {
		return &exitError{exitUsage, "--parallel is from 1 to 256"}
	}
	in, size, err := openInput(c.File, e.In)
	if err != nil {
		return &exitError{exitUsage, err.Error()}
	}
	defer in.Close()
	counted := &countingReader{r: in}
	bar := newProgress(e.Err, size, "importing "+c.Type)
	defer bar.finish()
	g, ctx := errgroup.WithContext(e.ctx)
	rows := make(chan row, c.Parallel)
	var unread error // the rows before it go in all the same
	g.Go(func() error {
		defer close(rows)
		unread = readRows(ctx, counted, rows)
		return nil
	})
	t := &tally{}
	for range c.Parallel {
		g.Go(func() error {
			for r := range rows {
				if err := c.send(ctx, r, t); err != nil {
					return err
				}
				bar.set(counted.n.Load())
			}
			return nil
		})
	}
	if err = g.Wait(); err == nil {
		err = unread
	}
	bar.finish()
	fmt.Fprintf(e.Out, "%d imported, %d replaced, %d there already, %d refused\n", t.made.Load(), t.replaced.Load(), t.there.Load(), len(t.refused))
	for i, line := range t.refused {
		if i == maxShown {
			fmt.Fprintf(e.Err, "... and %d more\n", len(t.refused)-maxShown)
			break
		}
		fmt.Fprintln(e.Err, line)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &exitError{exitFailed, "interrupted; run the same command again to go on"}
	case err != nil:
		return err
	case len(t.refused) > 0:
		return &exitError{exitFailed, ""}
	}
	return nil
}

// tally counts what became of the rows.
type tally struct {
	made, replaced, there atomic.Int64
	mu                    sync.Mutex
	refused               []string
}

func (t *tally) refuse(n int, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = append(t.refused, fmt.Sprintf("row %d: %s", n, why))
}

// send creates one row. A create that was sent twice because its answer got
// lost finds its own first one and counts it as there.
func (c *importCmd) send(ctx context.Context, r row, t *tally) error {
	id, err := c.id(r)
	if err != nil {
		t.refuse(r.n, err.Error())
		return nil
	}
	base := "/v1/" + url.PathEscape(c.Type)
	a, err := c.do(ctx, http.MethodPost, base+"?returns=meta&id="+url.QueryEscape(id), nil, r.data)
	if err != nil {
		return err
	}
	if a.status == http.StatusConflict && c.OnConflict != "skip" {
		if c.OnConflict == "fail" {
			return &exitError{exitFailed, fmt.Sprintf("row %d: %s", r.n, a.problem())}
		}
		if a, err = c.do(ctx, http.MethodPut, base+"/"+url.PathEscape(id)+"?returns=meta", nil, r.data); err != nil {
			return err
		}
		if a.status == http.StatusOK {
			t.replaced.Add(1)
			return nil
		}
	}
	switch {
	case a.status == http.StatusCreated:
		t.made.Add(1)
	case a.status == http.StatusConflict && isExisting(a):
		t.there.Add(1)
	case a.status == http.StatusNotFound, a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return &exitError{exitFailed, a.problem()}
	default:
		t.refuse(r.n, a.problem())
	}
	return nil
}

func isExisting(a answer) bool {
	var p struct {
		Code string `json:"code"`
	}
	return json.Unmarshal(a.body, &p) == nil && p.Code == "already_exists"
}

// id of a row: the named property, or a digest of position and content, so that
// the same file gives the same ids each time.
func (c *importCmd) id(r row) (string, error) {
	if c.IDField == "" {
		h := sha256.New()
		fmt.Fprintf(h, "%d\n", r.n)
		var compact bytes.Buffer
		if err := json.Compact(&compact, r.data); err != nil {
			return "", err
		}
		h.Write(compact.Bytes())
		return "row-" + hex.EncodeToString(h.Sum(nil)[:16]), nil
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(r.data, &doc); err != nil {
		return "", errors.New("it is not an object")
	}
	var text string
	if json.Unmarshal(doc[c.IDField], &text) == nil && text != "" {
		return text, nil
	}
	var number json.Number
	if json.Unmarshal(doc[c.IDField], &number) == nil {
		if _, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
			return number.String(), nil
		}
	}
	return "", fmt.Errorf("its %s is no id", c.IDField)
}

func openInput(name string, stdin io.Reader) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(stdin), -1, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// maxRow is the most bytes of one line.
const maxRow = 16 << 20

// readRows reads lines, or the elements of an array, one at a time.
func readRows(ctx context.Context, in io.Reader, rows chan<- row) error {
	r := bufio.NewReaderSize(in, 1<<20)
	give := func(n int, data []byte) error {
		select {
		case rows <- row{n, data}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if isArray(r) {
		return readArray(r, give)
	}
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1<<20), maxRow)
	n, line := 0, 1
	for ; s.Scan(); line++ {
		text := bytes.TrimSpace(s.Bytes())
		if len(text) == 0 {
			continue
		}
		if !json.Valid(text) {
			return &exitError{exitFailed, fmt.Sprintf("line %d is no JSON document; rows before it were imported", line)}
		}
		n++
		if err := give(n, bytes.Clone(text)); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return &exitError{exitFailed, fmt.Sprintf("line %d is longer than %d bytes, which is the most of a row; rows before it were imported", line, maxRow)}
	}
	return s.Err()
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

func readArray(r io.Reader, give func(int, []byte) error) error {
	d := json.NewDecoder(r)
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
		if err := give(n, data); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return &exitError{exitFailed, fmt.Sprintf("the array does not end after element %d; what it has was imported", n)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &exitError{exitFailed, fmt.Sprintf("something follows the array of %d elements, which were imported", n)}
	}
	return nil
}
