package resources

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// served is a type as the server tells of it.
type served struct {
	Name   string          `json:"name"`
	Title  string          `json:"title"`
	Schema json.RawMessage `json:"schema"`
	Index  []any           `json:"index"`
	Refs   map[string]struct {
		Type string `json:"type"`
	} `json:"refs"`
	Job *json.RawMessage `json:"job"`

	model *model.Type // nil: this program cannot read it
}

func typeOf(e *Env, s remote.Server, name string) (t served, err error) {
	_, err = s.Get(e.Ctx, "/v1/types/"+url.PathEscape(name), nil, &t)
	return t, err
}

func allTypes(e *Env, s remote.Server) (map[string]*served, error) {
	var page struct {
		Items []*served `json:"items"`
	}
	if _, err := s.Get(e.Ctx, "/v1/types", nil, &page); err != nil {
		return nil, err
	}
	out := map[string]*served{}
	for _, t := range page.Items {
		out[t.Name] = t
	}
	return out, nil
}

// parse makes what follows from the schema: defaults and the check. The schema of a server
// that knows more than this program is none that it can read.
func (t *served) parse() *model.Type {
	if t.model != nil {
		return t.model
	}
	schema, err := model.DecodeJSON(t.Schema)
	if err != nil {
		return nil
	}
	b := model.AppendCanonical(nil, map[string]any{"name": t.Name, "schema": declaredSchema(schema)})
	if parsed, problems := model.ParseType(t.Name+".json", b); len(problems) == 0 {
		t.model = parsed
	}
	return t.model
}

// declaredSchema is a schema as a model file has it: the server writes out what a binary is.
func declaredSchema(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = declaredSchema(e)
		}
		return out
	case map[string]any:
		if binary, ok := v["x-binary"].(map[string]any); ok {
			return map[string]any{"x-binary": binary}
		}
		out := map[string]any{}
		for name, e := range v {
			out[name] = declaredSchema(e)
		}
		return out
	}
	return v
}

// fields are those that lists can be ordered by, in the order of the model.
func (t *served) fields() (names []string) {
	for _, entry := range t.Index {
		if list, ok := entry.([]any); ok {
			for _, f := range list {
				if name, ok := f.(string); ok {
					names = append(names, strings.TrimPrefix(name, "-"))
				}
			}
		} else if name, ok := entry.(string); ok {
			names = append(names, name)
		}
	}
	names = append(names, slices.Sorted(mapKeys(t.Refs))...)
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// metaFields can be shown, and most of them filtered and ordered by.
var metaFields = []string{"meta.id", "meta.status", "meta.revision_count", "meta.seq", "meta.created_at", "meta.created_by", "meta.updated_at", "meta.updated_by", "meta.published", "meta.deleted", "meta.schema_version"}

var jobFields = []string{"meta.job.state", "meta.job.attempts", "meta.job.queue", "meta.job.run_at", "meta.job.priority"}

// columns are what a table shows unless it is told.
func (t *served) columns() []string {
	out := []string{"meta.id"}
	if t.Job != nil {
		out = append(out, "meta.job.state", "meta.job.attempts")
	}
	for _, f := range t.fields() {
		if len(out) < 6 {
			out = append(out, f)
		}
	}
	return append(out, "meta.status", "age:meta.updated_at")
}
