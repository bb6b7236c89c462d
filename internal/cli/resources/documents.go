package resources

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// document is a resource as a file declares it.
type document struct {
	target
	status string // empty: nothing is said
	data   any
	place  string // file and line, or number
}

// body is the data as it is sent.
func (d *document) body() json.RawMessage { return model.AppendCanonical(nil, d.data) }

// readDocuments reads files, folders with all that is in them, and - for stdin.
func readDocuments(names []string, in io.Reader) (docs []document, err error) {
	for _, name := range names {
		if name == "-" {
			b, err := io.ReadAll(in)
			if err != nil {
				return nil, err
			}
			if docs, err = appendDocuments(docs, "stdin", b); err != nil {
				return nil, err
			}
			continue
		}
		err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path != name && !slices.Contains([]string{".yaml", ".yml", ".json", ".ndjson", ".jsonl"}, strings.ToLower(filepath.Ext(path))) {
				return err
			}
			b, err := os.ReadFile(path)
			if err == nil {
				docs, err = appendDocuments(docs, path, b)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// appendDocuments reads JSON, one document after the other, or YAML.
func appendDocuments(docs []document, name string, b []byte) ([]document, error) {
	b = bytes.TrimPrefix(b, []byte("\uFEFF"))
	text := bytes.TrimLeft(b, " \t\r\n")
	ext := strings.ToLower(filepath.Ext(name))
	if ext == ".yaml" || ext == ".yml" || len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return appendYAML(docs, name, b)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		var raw json.RawMessage
		at := d.InputOffset()
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		line := func() string {
			skipped := len(b[at:]) - len(bytes.TrimLeft(b[at:], " \t\r\n"))
			return fmt.Sprintf("%s:%d", name, 1+bytes.Count(b[:int(at)+skipped], []byte("\n")))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line(), err)
		}
		tree, err := model.DecodeJSON(raw)
		if err == nil {
			docs, err = declared(docs, line(), tree)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line(), err)
		}
	}
}

func appendYAML(docs []document, name string, b []byte) ([]document, error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if len(n.Content) == 0 || n.Content[0].ShortTag() == "!!null" {
			continue // nothing between two lines of ---
		}
		place := fmt.Sprintf("%s:%d", name, n.Content[0].Line)
		one, err := yaml.Marshal(&n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
		read, err := model.ReadYAML(one, false)
		if err == nil {
			docs, err = declared(docs, place, read.Tree)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
	}
}

// declared takes {type, id, data, status}, an envelope as get writes it, a list of those,
// and {items: [...]}.
func declared(docs []document, place string, tree any) ([]document, error) {
	if all, ok := tree.([]any); ok {
		return declaredAll(docs, place, all)
	}
	m, ok := tree.(map[string]any)
	if !ok {
		return nil, errors.New("a document is {type, id, data}")
	}
	if all, ok := m["items"].([]any); ok && len(m) == 1 {
		return declaredAll(docs, place, all)
	}
	from, known := m, []string{"type", "id", "data", "status"}
	if inner, ok := m["meta"].(map[string]any); ok {
		from, known = inner, []string{"data", "meta", "revision"}
	}
	for name := range m {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown member %q; a document is {type, id, data}, and may have status", name)
		}
	}
	d := document{place: place, data: m["data"]}
	for name, to := range map[string]*string{"type": &d.typ, "id": &d.id, "status": &d.status} {
		if v, there := from[name]; there {
			if *to, ok = v.(string); !ok {
				return nil, fmt.Errorf("%s is a text", name)
			}
		}
	}
	switch {
	case d.typ == "":
		return nil, errors.New("the type is missing; a document is {type, id, data}")
	case m["data"] == nil:
		return nil, errors.New("the data is missing; a document is {type, id, data}")
	case d.id != "" && !idPattern.MatchString(d.id):
		return nil, fmt.Errorf("%q is no id", d.id)
	case d.status != "" && d.status != "draft" && d.status != "stable":
		return nil, fmt.Errorf("the status is draft or stable, not %q", d.status)
	}
	return append(docs, d), nil
}

func declaredAll(docs []document, place string, all []any) (_ []document, err error) {
	for i, tree := range all {
		if docs, err = declared(docs, fmt.Sprintf("%s[%d]", place, i), tree); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return docs, nil
}
