package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

type reindexCmd struct {
	place `embed:""`
	Type  string `arg:"" optional:"" help:"Type to index anew; all types without it."`
}

// Run begins it and returns when the new index answers. Interrupted, the server
// goes on alone.
func (c *reindexCmd) Run(e *env) error {
	if !c.isOffline() {
		path := "/v1:reindex"
		if c.Type != "" {
			path = "/v1/" + url.PathEscape(c.Type) + ":reindex"
		}
		if err := c.begin(e, path); err != nil {
			return err
		}
		return c.await(e, func() (admin.Indexing, error) { return c.indexing(e) })
	}
	return c.offline(e, func(ctx context.Context, m *resource.Domain) error {
		if err := m.Admin.Reindex(ctx, c.Type); err != nil {
			return err
		}
		return c.await(e, func() (admin.Indexing, error) { return m.Admin.Indexing(ctx) })
	})
}

func (c *reindexCmd) begin(e *env, path string) error {
	a, err := c.long(e.ctx, path)
	if err == nil && a.status != http.StatusAccepted {
		err = &exitError{exitFailed, a.problem()}
	}
	return err
}

func (c *reindexCmd) indexing(e *env) (out admin.Indexing, err error) {
	a, err := c.do(e.ctx, http.MethodGet, "/v1:reindex", nil, nil)
	if err != nil {
		return out, err
	}
	if a.status != http.StatusOK {
		return out, &exitError{exitFailed, a.problem()}
	}
	return out, json.Unmarshal(a.body, &out)
}

// asking is how often the progress is asked for.
const asking = 200 * time.Millisecond

// patience is how long the index may be missing entirely, while removed tables are
// made again.
const patience = time.Minute

// await shows the progress until nothing is being built.
func (c *reindexCmd) await(e *env, ask func() (admin.Indexing, error)) error {
	begun := time.Now()
	bar := newProgress(e.Err, -1, "reading the log")
	defer bar.finish()
	for seen := begun; ; {
		now, err := ask()
		if err != nil {
			if fault.CodeOf(err) != fault.IndexLag || time.Since(seen) > patience {
				return err
			}
		} else {
			seen = time.Now()
			if len(now.Building) == 0 {
				break
			}
			read := uint64(0)
			for _, b := range now.Building {
				read = max(read, b.Read)
			}
			bar.set(int64(read))
		}
		select {
		case <-time.After(asking):
		case <-e.ctx.Done():
			return e.ctx.Err()
		}
	}
	_, err := fmt.Fprintf(e.Out, "the new index answers after %s\n", time.Since(begun).Round(time.Millisecond))
	return err
}
