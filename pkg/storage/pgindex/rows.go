package pgindex

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// check refuses values that are not of the definition's kinds.
func check(d storage.Definition, c *storage.IndexChange) error {
	if len(c.Values) != len(d.Fields) && c.Damaged == "" && c.Event.Action != storage.Purged {
		return fmt.Errorf("%d values for %d fields", len(c.Values), len(d.Fields))
	}
	for i, v := range c.Values {
		if v == nil || i >= len(d.Fields) {
			continue
		}
		f := d.Fields[i]
		list, isList := v.([]query.Value)
		if !isList && !f.List {
			list = []query.Value{v}
		} else if isList != f.List {
			return fmt.Errorf("field %s: a list is needed or too much, not %T", f.Name, v)
		}
		for _, e := range list {
			if e != nil && !fits(f.Kind, e) {
				return fmt.Errorf("field %s of kind %s cannot hold %T", f.Name, f.Kind, e)
			}
		}
	}
	return nil
}

func fits(k query.Kind, v query.Value) bool {
	switch v.(type) {
	case string:
		return k == query.Text
	case int64:
		return k == query.Integer || k == query.Number
	case float64:
		return k == query.Number
	case bool:
		return k == query.Boolean
	case time.Time:
		return k == query.Time
	}
	return false
}

// args are the arrays of an upsert, one for each column. Second rows are those of
// states that are shown in the place of others.
func (w *writable) args(changes []*storage.IndexChange, second bool) ([]any, error) {
	arrays := make([]array, len(w.columns))
	for i, c := range w.columns {
		arrays[i].kind = c.kind
	}
	for _, c := range changes {
		state := stateOf(c.Event)
		if second {
			state = apart
		}
		values, err := w.rowValues(c, state)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", c.Event.Seq, err)
		}
		for i, v := range values {
			arrays[i].add(v)
		}
	}
	out := make([]any, len(arrays))
	for i := range arrays {
		out[i] = arrays[i].arg()
	}
	return out, nil
}

// stateOf is the state of the first row of a change.
func stateOf(e *storage.Event) int {
	switch {
	case e.Action == storage.Purged:
		return purged
	case e.Meta.Deleted:
		return deleted
	case e.ShowsItself():
		return live
	}
	return ahead
}

// rowValues are the values of table.columns.
func (w *writable) rowValues(c *storage.IndexChange, state int) ([]any, error) {
	e := c.Event
	m := e.PublishedMeta()
	meta, revision := m.AppendJSON(make([]byte, 0, 700)), e.Revision.AppendJSON(make([]byte, 0, 500))
	second := int64(0)
	if state == apart {
		second = 1
	}
	out := make([]any, 0, len(w.columns))
	out = append(out, m.ID, second, e.ID, int64(e.Seq), int64(state), query.Micros(m.CreatedAt), m.CreatedBy,
		query.Micros(m.UpdatedAt), m.UpdatedBy, string(m.Status), int64(m.RevisionCount), m.SchemaVersion)
	if w.def.Marks {
		out = append(out, c.Unfit && state != purged)
	}
	if w.def.Job {
		if j := m.Job; j != nil {
			out = append(out, string(j.State), int64(j.Attempts), j.Queue, query.Micros(j.RunAt), int64(j.Priority))
		} else {
			out = append(out, make([]any, len(jobColumns))...)
		}
	}
	if s := m.Scheduled; s != nil {
		out = append(out, query.Micros(s.At), string(s.Action), s.By)
	} else {
		out = append(out, make([]any, len(scheduleColumns))...)
	}
	for i, f := range w.def.Fields {
		var v query.Value
		if at := w.fields[i]; at >= 0 && at < len(c.Values) && state != purged {
			v = c.Values[at]
		}
		out = append(out, columnValue(f, v))
		if f.Kind == query.Text && !f.List {
			if s, ok := v.(string); ok {
				out = append(out, query.Fold(s))
			} else {
				out = append(out, nil)
			}
		}
	}
	if len(w.def.FullText) > 0 {
		out = append(out, w.wordValues(c, state == purged)...)
	}
	var content any
	if c.Content != nil && state != purged {
		content = c.Content
	}
	return append(out, e.Ref, string(meta), string(revision), content), nil
}

// columnValue is the value in the column; a list travels as the text of an array.
func columnValue(f query.Field, v query.Value) any {
	switch x := v.(type) {
	case int64:
		if f.Kind == query.Number {
			return float64(x)
		}
	case time.Time:
		return query.Micros(x)
	case []query.Value:
		return arrayText(f, x)
	}
	return v
}

var arrayEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arrayText writes an array as Postgres reads one.
func arrayText(f query.Field, list []query.Value) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		switch x := columnValue(query.Field{Kind: f.Kind}, v).(type) {
		case nil:
			b.WriteString("NULL")
		case string:
			b.WriteByte('"')
			b.WriteString(arrayEscape.Replace(clean(x)))
			b.WriteByte('"')
		case int64:
			b.WriteString(strconv.FormatInt(x, 10))
		case float64:
			b.WriteString(strconv.FormatFloat(x, 'g', -1, 64))
		case bool:
			b.WriteString(strconv.FormatBool(x))
		}
	}
	b.WriteByte('}')
	return b.String()
}

// clean makes text of what Postgres would refuse as such. Nothing that passed
// the checks of a write has it, and what did not must not stop the projection.
func clean(s string) string {
	if strings.IndexByte(s, 0) < 0 {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// array gathers a column of a batch.
type array struct {
	kind     kind
	texts    []*string
	integers []*int64
	numbers  []*float64
	booleans []*bool
	bytes    [][]byte
}

func (a *array) add(v any) {
	switch a.kind {
	case kText:
		var p *string
		if s, ok := v.(string); ok {
			s = clean(s)
			p = &s
		}
		a.texts = append(a.texts, p)
	case kInteger:
		a.integers = append(a.integers, pointer[int64](v))
	case kNumber:
		a.numbers = append(a.numbers, pointer[float64](v))
	case kBoolean:
		a.booleans = append(a.booleans, pointer[bool](v))
	case kBytes:
		b, _ := v.([]byte)
		a.bytes = append(a.bytes, b)
	}
}

func pointer[T any](v any) *T {
	if x, ok := v.(T); ok {
		return &x
	}
	return nil
}

func (a *array) arg() any {
	switch a.kind {
	case kText:
		return a.texts
	case kInteger:
		return a.integers
	case kNumber:
		return a.numbers
	case kBoolean:
		return a.booleans
	}
	return a.bytes
}

// growth counts the changes of a table since its statistics were made.
type growth struct{ changed, next int }

// analyze makes statistics of tables that have grown much: the server does so
// by itself only now and then, and plans badly until then. No request waits for it.
func (x *Index) analyze(ctx context.Context, w *writes) {
	for _, r := range w.rows {
		g := x.analyzed[r.to.name]
		if g == nil {
			g = &growth{next: 500}
			x.analyzed[r.to.name] = g
		}
		if g.changed += len(r.changes); g.changed < g.next || !x.analyzing.CompareAndSwap(false, true) {
			continue
		}
		g.changed, g.next = 0, g.next*2
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
		go func() {
			defer cancel()
			defer x.analyzing.Store(false)
			_, _ = x.pool.Exec(ctx, "ANALYZE "+r.to.view.Name) // a matter of speed only; Close waits for it
		}()
	}
}
