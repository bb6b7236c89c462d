package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/reshape"
)

// Migrate turns a document of an older schema version into one of the type's.
// One of a version that no migration begins with is returned as it is.
func (t *Type) Migrate(doc any, from string) (any, error) {
	if from == t.Version {
		return doc, nil
	}
	begun := false
	for _, step := range t.Migrations {
		if begun = begun || step.From == from; !begun {
			continue
		}
		var err error
		if doc, err = step.apply(doc); err != nil {
			return nil, fmt.Errorf("migration from version %q: %w", step.From, err)
		}
	}
	return doc, nil
}

// Migrates reports whether content of a version is another one now.
func (t *Type) Migrates(from string) bool {
	if from == t.Version {
		return false
	}
	for _, step := range t.Migrations {
		if step.From == from {
			return true
		}
	}
	return false
}

func (s Migration) apply(doc any) (any, error) {
	if s.Func != nil {
		out, err := s.Func(doc)
		if err != nil {
			return nil, err
		}
		return TreeOf(out) // a function may use any Go values
	}
	if s.Function != "" {
		return nil, fmt.Errorf("this program has no function %q", s.Function)
	}
	out, err := s.ops.Apply(jsonpatch.Clone(doc), MaxPatchCopied)
	if err != nil {
		return nil, err
	}
	return out, CheckSize(out)
}

// compile reads the patch.
func (s *Migration) compile() error {
	if len(s.Patch) == 0 {
		return nil
	}
	tree, err := DecodeJSON(s.Patch)
	if err != nil {
		return err
	}
	ops, ok := tree.([]any)
	if !ok {
		return errors.New("a patch is a list of operations")
	}
	s.ops, err = reshape.Parse(ops)
	return err
}

// MigrationFunc turns a decoded document into one of the next schema version.
type MigrationFunc = func(tree any) (any, error)

// BindMigrations gives types of model files the functions that their migrations name.
// Its error is a ModelErrors.
func BindMigrations(types []*Type, functions map[string]MigrationFunc) error {
	var list ModelErrors
	for _, t := range types {
		p := &Problems{Source: t.src}
		for i := range t.Migrations {
			m := &t.Migrations[i]
			if m.Function == "" {
				continue
			}
			if m.Func = functions[m.Function]; m.Func == nil {
				p.Add(PointerTo("/migrations", i)+"/function", "migrations: this program has no function %q%s", m.Function, Hint(m.Function, slices.Sorted(maps.Keys(functions))))
			}
		}
		list = append(list, p.List...)
	}
	return list.Sorted()
}

// MigrationFunctions are those that migrations of types name.
func MigrationFunctions(types []*Type) map[string]MigrationFunc {
	out := map[string]MigrationFunc{}
	for _, t := range types {
		for _, m := range t.Migrations {
			if m.Function != "" && m.Func != nil {
				out[m.Function] = m.Func
			}
		}
	}
	return out
}

// Current returns stored content as the type's version has it.
func (t *Type) Current(content []byte, from string) ([]byte, error) {
	if !t.Migrates(from) {
		return content, nil
	}
	doc, err := DecodeJSON(content)
	if err != nil {
		return nil, err
	}
	if doc, err = t.Migrate(doc, from); err != nil {
		return nil, unmigrated(from, err)
	}
	return AppendCanonical(nil, doc), nil
}

// migratedVersion is part of the definition of a type with migrations: content
// of older versions is indexed as the newest version has it.
func (t *Type) migratedVersion() string {
	if len(t.Migrations) == 0 {
		return ""
	}
	return t.Version
}

// unmigrated is what a reader gets instead of content that no migration fits.
func unmigrated(from string, err error) *fault.Error {
	return &fault.Error{Code: fault.InvalidState, Detail: fmt.Sprintf("it was written by schema version %q and does not fit its %v; revisions/{n}?raw=true reads it as it was stored, a PUT replaces it", from, err)}
}

// Reason is what an error says to its reader, in a line.
func Reason(err error) string {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	parts := []string{e.Detail}
	for _, f := range e.Fields {
		parts = append(parts, strings.TrimPrefix(f.Pointer+": "+f.Detail, ": "))
	}
	return strings.Join(parts, "; ")
}

// TreeOf is a Go value as a decoded document, as encoding/json writes it.
func TreeOf(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Errorf(fault.ValidationFailed, "the value cannot be written as JSON: %w", err)
	}
	return DecodeJSON(b)
}

// The caps of a patch, besides the size of its document.
const (
	MaxPatchOperations = 1000
	MaxPatchCopied     = MaxContent // bytes that "copy" operations may add
)
