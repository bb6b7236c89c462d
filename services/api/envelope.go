package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled keeps a single large answer from staying in memory for ever.
const maxPooled = 1 << 20

func release(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		b.Reset()
		buffers.Put(b)
	}
}

// appendEnvelope writes the chosen parts, which are JSON already, and what the
// references were expanded to, if they were.
func appendEnvelope(b *bytes.Buffer, r *resource.Resource, p parts, only projection, expanded []byte) error {
	data, name := []byte(r.Data), `"data":`
	if r.Problem != nil {
		var err error
		if data, err = json.Marshal(asProblem(r.Problem)); err != nil {
			return err
		}
		name = `"problem":`
	} else if p.data && len(only) > 0 {
		tree, err := model.DecodeJSON(data)
		if err != nil {
			return err
		}
		data = model.AppendCanonical(nil, only.apply(tree))
	}
	sep := byte('{')
	for _, part := range []struct {
		want bool
		name string
		json []byte
	}{{p.data, name, data}, {p.meta, `"meta":`, r.Meta}, {p.revision, `"revision":`, r.Revision},
		{expanded != nil, `"expanded":`, expanded}, {r.Secret != "", `"secret":`, quoted(r.Secret)},
		{r.LastUsed != nil, `"last_used_at":`, instant(r.LastUsed)}} {
		if part.want {
			b.WriteByte(sep)
			b.WriteString(part.name)
			b.Write(part.json)
			sep = ','
		}
	}
	if sep == '{' {
		b.WriteByte(sep)
	}
	b.WriteByte('}')
	return nil
}

// quoted writes text that needs no escapes.
func quoted(s string) []byte { return []byte(`"` + s + `"`) }

func instant(t *time.Time) []byte {
	if t == nil {
		return nil
	}
	return quoted(t.Format(time.RFC3339))
}

// send answers with one resource.
func (c call) send(status int, r *resource.Resource, p parts, only projection) error {
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	if err := appendEnvelope(b, r, p, only, nil); err != nil {
		return err
	}
	c.tag(r.EventID)
	return c.write(status, b.Bytes())
}

// written answers a write.
func (c call) written(status int, r *resource.Resource, p parts) error {
	c.w.Header().Set("Autocrud-Seq", strconv.FormatUint(r.Seq, 10))
	return c.send(status, r, p, nil)
}

func (c call) tag(event string) { c.w.Header().Set("ETag", `"`+event+`"`) }

func (c call) write(status int, body []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", typeJSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a client that went away is no error of ours
	return nil
}

func (c call) json(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.write(status, b)
}

// items answers with a page of a list; next is empty on the last one.
func (c call) items(list any, next string) error {
	return c.json(http.StatusOK, map[string]any{"items": list, "next_page_token": next})
}
