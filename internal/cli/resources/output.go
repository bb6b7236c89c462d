package resources

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// Output is the flag that says how an answer is written.
type Output struct {
	Output string `short:"o" default:"table" complete:"output" help:"table, json, yaml, name, or jsonpath=TEMPLATE."`
}

var outputs = []string{"table", "json", "yaml", "name", "jsonpath="}

// path reads the template of jsonpath=; nil: it is something else.
func (o *Output) path() (*show.Path, error) {
	template, ok := strings.CutPrefix(o.Output, "jsonpath=")
	switch o.Output {
	case "table", "json", "yaml", "name":
		return nil, nil
	}
	if !ok {
		return nil, usage("--output is table, json, yaml, name or jsonpath=TEMPLATE, not %q", o.Output)
	}
	p, err := show.ParsePath(template)
	if err != nil {
		return nil, &Failure{exitUsage, err.Error()}
	}
	return p, nil
}

// document writes a whole answer, unless a table or names are asked for.
func (o *Output) document(w io.Writer, doc []byte) (written bool, err error) {
	p, err := o.path()
	if err != nil {
		return false, err
	}
	var b []byte
	switch {
	case p != nil:
		return true, p.Write(w, doc)
	case o.Output == "json":
		b, err = show.JSON(doc)
	case o.Output == "yaml":
		b, err = show.YAML(doc)
	default:
		return false, nil
	}
	if err == nil {
		_, err = w.Write(b)
	}
	return true, err
}

// resource writes one resource, or its name when a table is asked for.
func (o *Output) resource(w io.Writer, doc []byte, said string) error {
	written, err := o.document(w, doc)
	if written || err != nil {
		return err
	}
	var x envelope
	if err := json.Unmarshal(doc, &x); err != nil {
		return err
	}
	name := target{x.Meta.Type, x.Meta.ID}.String()
	if o.Output == "table" && said != "" {
		name += " " + said
	}
	_, err = fmt.Fprintln(w, name)
	return err
}

// list writes the pages of a list. Documents are one {"items": [...]}.
type list struct {
	out     *Output
	w       io.Writer
	table   *show.Table
	columns []string
	begun   bool
	rest    bytes.Buffer // for what needs the whole list
}

// newList makes one with a table of columns, each with its name if it says name:path.
func newList(w io.Writer, out *Output, columns []string, width int) *list {
	l := &list{out: out, w: w, table: &show.Table{Width: width}}
	for _, c := range columns {
		name, path, ok := strings.Cut(c, ":")
		if !ok {
			path, name = c, heading(c)
		}
		if path == "id" {
			path = "meta.id"
		}
		l.columns = append(l.columns, path)
		l.table.Columns = append(l.table.Columns, show.Column{Name: name, Whole: path == "meta.id" || path == "meta.job.state" || isInstant(path)})
	}
	return l
}

// heading is the name of a column.
func heading(path string) string {
	for _, prefix := range []string{"meta.job.", "meta."} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return strings.TrimSuffix(rest, "_at")
		}
	}
	return path
}

// page writes the next items.
func (l *list) page(items []json.RawMessage) error {
	switch l.out.Output {
	case "table":
		return l.rows(items)
	case "name":
		for _, item := range items {
			var x envelope
			if err := json.Unmarshal(item, &x); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(l.w, "%s/%s\n", x.Meta.Type, x.Meta.ID); err != nil {
				return err
			}
		}
		return nil
	}
	for _, item := range items {
		if l.begun {
			l.rest.WriteByte(',')
		}
		l.begun = true
		l.rest.Write(item)
	}
	return nil
}

func (l *list) rows(items []json.RawMessage) error {
	rows := make([][]string, len(items))
	for i, item := range items {
		d := json.NewDecoder(bytes.NewReader(item))
		d.UseNumber()
		var tree map[string]any
		if err := d.Decode(&tree); err != nil {
			return err
		}
		for c, path := range l.columns {
			v := lookup(tree, path)
			if _, number := v.(json.Number); number && !l.begun && i == 0 {
				l.table.Columns[c].Right, l.table.Columns[c].Whole = true, true // a number that is cut is another
			}
			cell := instant(path, show.Cell(v))
			if l.table.Columns[c].Name == "age" {
				cell = age(show.Cell(v))
			}
			rows[i] = append(rows[i], cell)
		}
	}
	if len(items) == 0 && !l.begun {
		return nil
	}
	l.begun = true
	return l.table.Write(l.w, rows)
}

func isInstant(path string) bool {
	return strings.HasPrefix(path, "meta.") && strings.HasSuffix(path, "_at")
}

// age is how long ago an instant was, in one unit.
func age(instant string) string {
	at, err := time.Parse(time.RFC3339Nano, instant)
	if err != nil {
		return instant
	}
	switch d := time.Since(at); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// instant is short: to the second.
func instant(path, cell string) string {
	if isInstant(path) && len(cell) > 20 && cell[len(cell)-1] == 'Z' {
		return cell[:19] + "Z"
	}
	return cell
}

// lookup finds a dotted path in the data, or in meta. A name with dots is found too.
func lookup(tree map[string]any, path string) any {
	var at any = tree
	if !strings.HasPrefix(path, "meta.") && !strings.HasPrefix(path, "revision.") {
		path = strings.TrimPrefix(path, "data.")
		at = tree["data"]
	}
	return inside(at, path)
}

func inside(at any, path string) any {
	switch v := at.(type) {
	case map[string]any:
		if found, ok := v[path]; ok {
			return found
		}
		for i := 0; i < len(path); i++ {
			if path[i] == '.' {
				if member, ok := v[path[:i]]; ok {
					return inside(member, path[i+1:])
				}
			}
		}
	case []any:
		var out []any
		for _, e := range v {
			if found := inside(e, path); found != nil {
				out = append(out, found)
			}
		}
		if out != nil {
			return out
		}
	}
	return nil
}

// finish writes what was kept for the end.
func (l *list) finish(errs io.Writer, what string) error {
	if l.out.Output == "table" || l.out.Output == "name" {
		if !l.begun && l.out.Output == "table" {
			_, err := fmt.Fprintln(errs, "no "+what)
			return err
		}
		return nil
	}
	_, err := l.out.document(l.w, []byte(`{"items":[`+l.rest.String()+`]}`))
	return err
}
