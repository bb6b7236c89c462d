package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/autocrud-go/autocrud/internal/disk"
)

type exportCmd struct {
	server `embed:""`
	Type   string `arg:"" complete:"type" help:"Type to export."`
	File   string `arg:"" complete:"file" default:"-" help:"File to write; - is stdout."`
	Filter string `complete:"filter" help:"Only resources that match, as in a list."`
	View   string `help:"The state of each that is written: head, the newest, or published. Default: what the credential is shown."`

	csvFlags `embed:""`
	WithMeta bool `name:"with-meta" help:"Write data and meta of each, and its binaries before it: an import elsewhere keeps ids, statuses, references and binaries."`
}

// TypeName is for the completion of fields.
func (c *exportCmd) TypeName() string { return c.Type }

// Run writes the data of every live resource, oldest first, one a line, or as CSV. The
// file appears only when it is whole.
func (c *exportCmd) Run(e *env) error {
	asCSV, err := c.isCSV(c.File)
	if err != nil {
		return err
	}
	if asCSV && c.WithMeta {
		return &exitError{exitUsage, "CSV has the data alone; --with-meta is for JSON"}
	}
	pages := c.pages
	if asCSV {
		pages = c.csvPages
	}
	if c.File == "-" {
		w := bufio.NewWriterSize(e.Out, 1<<20)
		if _, err := pages(e, w, nil); err != nil {
			return err
		}
		return w.Flush()
	}
	f, err := os.CreateTemp(filepath.Dir(c.File), ".export-*")
	if err != nil {
		return &exitError{exitUsage, err.Error()}
	}
	defer os.Remove(f.Name()) // gone already when it was renamed
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	n, err := pages(e, w, e.Err)
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	f.Close() // it is synced; Windows renames no file that is open
	if err := disk.Replace(f.Name(), c.File); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Out, "%d exported to %s\n", n, c.File)
	return err
}

func (c *exportCmd) pages(e *env, w io.Writer, terminal io.Writer) (n int64, err error) {
	var bar *progress
	token, written := "", map[string]bool{}
	returns := "data"
	if c.WithMeta {
		returns = "data,meta"
	}
	for {
		q := url.Values{"page_size": {"1000"}, "order_by": {"meta.created_at"}, "returns": {returns}}
		if c.Filter != "" {
			q.Set("filter", c.Filter)
		}
		if c.View != "" {
			q.Set("view", c.View)
		}
		if token != "" {
			q.Set("page_token", token)
		} else {
			q.Set("total", "true")
		}
		a, err := c.do(e.ctx, http.MethodGet, "/v1/"+url.PathEscape(c.Type)+"?"+q.Encode(), nil, nil)
		if err != nil {
			return n, err
		}
		if a.status != http.StatusOK {
			return n, &exitError{exitFailed, a.problem()}
		}
		var page struct {
			Items []struct {
				Data    json.RawMessage `json:"data"`
				Meta    json.RawMessage `json:"meta"`
				Problem struct {
					Detail string `json:"detail"`
				} `json:"problem"`
			} `json:"items"`
			Next  string `json:"next_page_token"`
			Total int64  `json:"total"`
		}
		if err := json.Unmarshal(a.body, &page); err != nil {
			return n, fmt.Errorf("the server's answer cannot be read: %w", err)
		}
		if token == "" && terminal != nil {
			bar = newProgress(terminal, page.Total, "exporting "+c.Type)
		}
		for _, item := range page.Items {
			if item.Data == nil {
				return n, &exitError{exitFailed, "a resource cannot be exported: " + item.Problem.Detail}
			}
			line := item.Data
			if c.WithMeta {
				if err := c.binaries(e.ctx, w, item.Data, item.Meta, written); err != nil {
					return n, err
				}
				line = fmt.Appendf(nil, `{"data":%s,"meta":%s}`, item.Data, item.Meta)
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return n, err
			}
			n++
		}
		bar.set(n)
		if token = page.Next; token == "" {
			bar.finish()
			return n, nil
		}
	}
}

// binaries writes those of a row that were not written yet.
func (c *exportCmd) binaries(ctx context.Context, w io.Writer, data, meta json.RawMessage, written map[string]bool) error {
	var doc any
	var of struct{ ID string }
	if err := errors.Join(json.Unmarshal(data, &doc), json.Unmarshal(meta, &of)); err != nil {
		return err
	}
	found := map[string]string{}
	blobsIn(doc, found)
	for _, d := range slices.Sorted(maps.Keys(found)) {
		if written[d] {
			continue
		}
		was, err := c.writeBlob(ctx, w, c.Type, of.ID, d, found[d])
		if err != nil {
			return err
		}
		written[d] = was
	}
	return nil
}
