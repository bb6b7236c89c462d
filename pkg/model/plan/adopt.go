package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Adopt makes the type that a recorded model is of, for a process that has another
// model of it, or none: base, which may be nil. Handlers of jobs, and functions in Go,
// are those of base. A model that cannot be made whole is an error.
func Adopt(w *Written, base *model.Type) (*model.Type, error) {
	if w.Schema == nil {
		return nil, fmt.Errorf("the recorded model of %s has a schema too large to be recorded", w.Type)
	}
	schema, err := authored(w.Schema)
	if err != nil {
		return nil, err
	}
	m := model.Type{Name: w.Type, Title: w.Options["title"], Description: w.Options["description"], Schema: schema, FullText: w.FullText, Unique: w.Unique, Refs: w.Refs,
		Access: w.Options["access"], DefaultStatus: storage.Status(w.Options["defaultStatus"]), RequireIfMatch: w.Options["requireIfMatch"] == "true", AuditReads: w.Options["auditReads"] == "true",
		Version: w.Version, Retention: w.Retention}
	for _, f := range w.Index {
		if group := compositeOf(f); group != nil {
			m.Composite = append(m.Composite, group)
			continue
		}
		path, _, _ := strings.Cut(f, " ")
		m.Index = append(m.Index, path)
	}
	for _, s := range w.Migrations {
		step := model.Migration{From: s.From, Patch: s.Patch}
		if len(s.Patch) == 0 {
			i := -1
			if base != nil {
				i = slices.IndexFunc(base.Migrations, func(m model.Migration) bool { return m.From == s.From })
			}
			if i < 0 {
				return nil, fmt.Errorf("the recorded model of %s has a migration from %q in Go, which this program has not", w.Type, s.From)
			}
			step = base.Migrations[i]
		}
		m.Migrations = append(m.Migrations, step)
	}
	if err := adoptJob(&m, w, base); err != nil {
		return nil, err
	}
	if base != nil {
		m.Check = base.Check
	}
	t, err := model.NewType(m)
	if err != nil {
		return nil, fmt.Errorf("the recorded model of %s: %w", w.Type, err)
	}
	if !Describe(t).Same(w) {
		return nil, fmt.Errorf("the recorded model of %s says something else to this program than to the one that recorded it", w.Type)
	}
	if w.Marks() {
		t = model.Marking(t)
	}
	return t, nil
}

// authored is an effective schema as its author may write it: what x-binary stands for is
// made of it again.
func authored(schema json.RawMessage) (json.RawMessage, error) {
	tree, err := model.DecodeJSON(schema)
	if err != nil {
		return nil, err
	}
	bare(tree)
	return model.AppendCanonical(nil, tree), nil
}

func bare(tree any) {
	switch x := tree.(type) {
	case []any:
		for _, v := range x {
			bare(v)
		}
	case map[string]any:
		needs := listOf(x["required"])
		if _, is := x["x-binary"]; is && len(needs) == 1 && needs[0] == "digest" {
			delete(x, "required")
			delete(x, "properties")
			delete(x, "additionalProperties")
		}
		for _, v := range x {
			bare(v)
		}
	}
}

// adoptJob reads the settings of jobs as a model file has them.
func adoptJob(m *model.Type, w *Written, base *model.Type) error {
	if w.Job == nil {
		return nil
	}
	file, err := json.Marshal(map[string]any{"name": w.Type, "schema": m.Schema, "job": w.Job})
	if err != nil {
		return err
	}
	t, mistakes := model.ParseType("recorded.json", file)
	if t == nil || t.Job == nil {
		return fmt.Errorf("the jobs of the recorded model of %s: %w", w.Type, mistakes.Sorted())
	}
	m.Job = t.Job
	if base != nil && base.Job != nil {
		m.Job.Handler = base.Job.Handler
	}
	return nil
}
