package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// late is a row that refers to what is not there yet.
type late struct {
	row
	missing []string // ids
	why     string
}

// wait keeps a row until what it refers to is there.
func (t *importer) wait(r row, p refusal, why string) {
	l := late{row: r, why: why}
	var doc any
	if json.Unmarshal(r.data, &doc) == nil {
		for _, e := range p.Errors {
			l.missing = append(l.missing, idsIn(at(doc, e.Pointer))...)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.late = append(t.late, l)
}

// idsIn are the ids that a reference holds, some of which may be there.
func idsIn(v any) (ids []string) {
	switch x := v.(type) {
	case string:
		id, _, _ := strings.Cut(x, ":") // of a revision
		return []string{id}
	case []any:
		for _, e := range x {
			ids = append(ids, idsIn(e)...)
		}
	}
	return ids
}

// at follows a pointer (RFC 6901) that the server made.
func at(v any, pointer string) any {
	if pointer == "" {
		return v
	}
	for _, token := range strings.Split(pointer[1:], "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch x := v.(type) {
		case map[string]any:
			v = x[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// again sends the late rows whose targets came meanwhile, and then those that
// wait for each other together, until nothing moves.
func (t *importer) again(ctx context.Context) error {
	for {
		var ready []late
		t.late = slices.DeleteFunc(t.late, func(l late) bool {
			is := !t.final[l.n] && !slices.ContainsFunc(l.missing, func(id string) bool { return !t.present[id] })
			if is {
				ready = append(ready, l)
			}
			return is
		})
		if len(ready) == 0 {
			if moved, err := t.circle(ctx); err != nil || !moved {
				return err
			}
			continue
		}
		g, sending := errgroup.WithContext(ctx)
		g.SetLimit(t.Parallel)
		for _, l := range ready {
			g.Go(func() error { return t.send(sending, l.row) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, l := range t.late { // a target of another type has an id of this one
			if i := slices.IndexFunc(ready, func(r late) bool { return r.n == l.n }); i >= 0 && slices.Equal(ready[i].missing, l.missing) {
				t.final[l.n] = true
			}
		}
	}
}

// maxTogether is how many rows one batch makes.
const maxTogether = 100

// circle makes rows that wait for each other, and for nothing else, at once.
func (t *importer) circle(ctx context.Context) (moved bool, err error) {
	waiting := map[string]late{}
	for _, l := range t.late {
		waiting[l.id] = l
	}
	for _, l := range t.late {
		if t.final[l.n] {
			continue
		}
		group, ok := t.group(l, waiting)
		if !ok {
			continue
		}
		if len(group) > maxTogether {
			t.end(l.n, fmt.Sprintf("%s; it is one of %d rows that refer to each other, the most is %d", l.why, len(group), maxTogether))
			continue
		}
		made, why, err := t.together(ctx, group)
		if err != nil {
			return false, err
		}
		for _, l := range group {
			if made {
				t.made.Add(1)
				t.has(l.id)
			} else {
				t.end(l.n, why)
			}
		}
		t.late = slices.DeleteFunc(t.late, func(l late) bool {
			return made && slices.ContainsFunc(group, func(g late) bool { return g.n == l.n })
		})
		if made {
			return true, nil
		}
	}
	return false, nil
}

// end gives a row up.
func (t *importer) end(n int, why string) {
	t.final[n] = true
	for i := range t.late {
		if t.late[i].n == n {
			t.late[i].why = why
		}
	}
}

// group is a row with all that it waits for, directly or not; ok is false when
// something of that is in no row.
func (t *importer) group(l late, waiting map[string]late) (out []late, ok bool) {
	seen := map[string]bool{l.id: true}
	out = []late{l}
	for i := 0; i < len(out); i++ {
		for _, id := range out[i].missing {
			next, waits := waiting[id]
			switch {
			case t.present[id] || seen[id]:
			case !waits:
				return nil, false
			default:
				seen[id] = true
				out = append(out, next)
			}
		}
	}
	return out, true
}

// together creates rows in one batch, all or none.
func (t *importer) together(ctx context.Context, group []late) (made bool, why string, err error) {
	type operation struct {
		Op     string          `json:"op"`
		Type   string          `json:"type"`
		ID     string          `json:"id"`
		Data   json.RawMessage `json:"data"`
		Status string          `json:"status,omitempty"`
	}
	var body struct {
		Operations []operation `json:"operations"`
	}
	for _, l := range group {
		body.Operations = append(body.Operations, operation{"create", t.Type, l.id, l.data, l.status})
	}
	b, err := json.Marshal(body)
	if err != nil {
		return false, "", err
	}
	a, err := t.do(ctx, http.MethodPost, "/v1:batch", nil, b)
	if err != nil {
		return false, "", err
	}
	return a.status == http.StatusOK, a.problem(), nil
}
