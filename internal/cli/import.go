package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/cli/show"
)

type importCmd struct {
	server     `embed:""`
	Type       string `arg:"" complete:"type" help:"Type to import into."`
	File       string `arg:"" complete:"file" help:"JSON documents, one a line or written over several, or a JSON array; or CSV with a header; - is stdin. What export --with-meta wrote keeps its ids, statuses and binaries."`
	IDField    string `name:"id-field" help:"Property to take each row's id from; it is left out of the data where the model has no such property. Without it ids are made from position and content, the same each time."`
	WithMeta   bool   `name:"with-meta" help:"Take only rows as export --with-meta writes them."`
	csvFlags   `embed:""`
	Map        []string `name:"map" help:"Fields of columns of CSV whose names differ: COLUMN=FIELD; COLUMN= leaves one out."`
	Refused    string   `complete:"file" help:"File for the rows that are refused, as they were, to be corrected and imported again."`
	OnConflict string   `default:"skip" enum:"skip,replace,fail" help:"When an id exists: skip, replace or fail."`
	Parallel   int      `default:"32" help:"Requests at the same time."`
}

// row is one document of the file.
type row struct {
	n      int // from 1
	line   int // of CSV, from 1
	source []byte
	id     string
	status string // empty: the type's default
	data   json.RawMessage
}

// maxShown bounds how many refused rows are listed.
const maxShown = 20

// importer is one import under way.
type importer struct {
	*importCmd
	csv                            bool
	made, replaced, there, deleted atomic.Int64

	mu      sync.Mutex
	refused []refusedRow
	head    []byte          // of CSV
	present map[string]bool // ids that are there now
	late    []late
	final   map[int]bool // of late rows: refused for good

	model   sync.Once
	foreign atomic.Bool // the model has no property of the name of IDField
}

// refusedRow is a row that did not go in.
type refusedRow struct {
	n      int
	said   string
	source []byte // kept for the file of refused rows
}

func (t *importer) refuse(r row, why string) {
	x := refusedRow{n: r.n, said: fmt.Sprintf("row %d: %s", r.n, why)}
	if r.line > 0 {
		x.said = fmt.Sprintf("line %d: %s", r.line, why)
	}
	if t.Refused != "" {
		x.source = r.source
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = append(t.refused, x)
}

// keepRefused writes the file of refused rows, none if there are none.
func (t *importer) keepRefused() error {
	if t.Refused == "" {
		return nil
	}
	b := bytes.Clone(t.head)
	for _, r := range t.refused {
		b = append(b, r.source...)
	}
	return os.WriteFile(t.Refused, b, 0o600)
}

func (t *importer) has(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.present[id] = true
}

// Run imports. Rows that the server refuses are listed and do not stop the
// others; the exit code tells of them. Rows that refer to what is not there yet
// are tried again when it is.
func (c *importCmd) Run(e *env) error {
	if c.Parallel < 1 || c.Parallel > 256 {
		return &exitError{exitUsage, "--parallel is from 1 to 256"}
	}
	asCSV, err := c.isCSV(c.File)
	if err != nil {
		return err
	}
	if !asCSV && len(c.Map) > 0 || asCSV && c.WithMeta {
		return &exitError{exitUsage, "--map is for CSV, and --with-meta for JSON"}
	}
	in, size, err := openInput(c.File, e.In)
	if err != nil {
		return &exitError{exitUsage, err.Error()}
	}
	defer in.Close()
	counted := &countingReader{r: in}
	bar := newProgress(e.Err, size, "importing "+c.Type)
	defer bar.finish()
	t := &importer{importCmd: c, csv: asCSV, present: map[string]bool{}, final: map[int]bool{}}
	if err = t.all(e.ctx, counted, func() { bar.set(counted.n.Load()) }); err == nil {
		err = t.again(e.ctx)
	}
	for _, l := range t.late {
		t.refuse(l.row, l.why)
	}
	slices.SortStableFunc(t.refused, func(a, b refusedRow) int { return a.n - b.n })
	bar.finish()
	t.tell(e)
	if err := t.keepRefused(); err != nil {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &exitError{exitFailed, "interrupted; run the same command again to go on"}
	case err != nil:
		return err
	case len(t.refused) > 0 || t.deleted.Load() > 0:
		return &exitError{exitFailed, ""}
	}
	return nil
}

// all sends the rows of the file.
func (t *importer) all(ctx context.Context, in io.Reader, progress func()) error {
	g, ctx := errgroup.WithContext(ctx)
	rows := make(chan row, t.Parallel)
	var unread error // the rows before it go in all the same
	g.Go(func() error {
		defer close(rows)
		if t.csv {
			unread = t.readCSV(ctx, in, rows)
		} else {
			unread = t.read(ctx, in, rows)
		}
		return nil
	})
	for range t.Parallel {
		g.Go(func() error {
			for r := range rows {
				if err := t.send(ctx, r); err != nil {
					return err
				}
				progress()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return unread
}

// tell writes what became of the rows.
func (t *importer) tell(e *env) {
	gone := ""
	if n := t.deleted.Load(); n > 0 {
		gone = fmt.Sprintf("%d deleted, ", n)
		fmt.Fprintf(e.Err, "%d rows exist and are deleted: POST /v1/%s/ID:restore brings one back, POST /v1/%s:bulk with {\"op\": \"restore\", \"filter\": ...} many\n", n, t.Type, t.Type)
	}
	fmt.Fprintf(e.Out, "%d imported, %d replaced, %d there already, %s%d refused\n", t.made.Load(), t.replaced.Load(), t.there.Load(), gone, len(t.refused))
	for i, line := range t.refused {
		if i == maxShown {
			fmt.Fprintf(e.Err, "... and %d more\n", len(t.refused)-maxShown)
			return
		}
		fmt.Fprintln(e.Err, show.Line(line.said))
	}
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
