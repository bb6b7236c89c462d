package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const (
	// MaxIndexedText is how many bytes an indexed string may have.
	MaxIndexedText = 2000
	// MaxFullText is how many bytes of a field full text looks at.
	MaxFullText = 256 << 10
	// tableFormat is part of every Definition.Hash: raising it rebuilds every
	// index table.
	tableFormat = 1
)

// Definition is what the index keeps of the type: the indexed, unique and
// referring fields by name.
func (t *Type) Definition() storage.Definition { return t.definition }

// fieldPath is a dotted path into the data, split.
type fieldPath struct {
	field query.Field
	names []string
}

// compileFields resolves every path that the model names.
func (t *Type) compileFields(p *Problems) {
	s := shapes{t.tree}
	fields, days := map[string]query.Field{}, map[string]bool{}
	add := func(at, what, path string) (query.Field, place, bool) {
		f, pl, err := s.field(path)
		if err != nil {
			p.Add(at, "%s: %v", what, err)
			return f, pl, false
		}
		fields[path] = f
		if pl.day {
			days[path] = true
		}
		return f, pl, true
	}
	for i, path := range t.Index {
		add(placeOf("/index", t.indexAt, i), "index", path)
	}
	composite := compileComposite(t, p, add)
	for i, group := range t.Unique {
		at := PointerTo("/unique", i)
		if len(group) == 0 {
			p.Add(at, "unique: an empty list of fields")
		}
		for j, path := range group {
			if f, _, ok := add(PointerTo(at, j), "unique", path); ok && f.List {
				p.Add(at, "unique: field %q is a list; only single values can be unique", path)
			}
			if slices.Contains(group[:j], path) {
				p.Add(at, "unique: field %q twice in one constraint", path)
			}
		}
		if slices.ContainsFunc(t.Unique[:i], func(g []string) bool { return slices.Equal(g, group) }) {
			p.Add(at, "unique: %s is there twice", strings.Join(group, ", "))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(t.Refs)) {
		t.compileRef(path, add, p)
	}
	t.compileText(s, p)
	if t.Job != nil && t.Job.ConcurrencyKey != "" {
		if f, _, err := s.field(t.Job.ConcurrencyKey); err != nil {
			p.Add("/job/concurrencyKey", "job.concurrencyKey: %v", err)
		} else if f.List {
			p.Add("/job/concurrencyKey", "job.concurrencyKey: field %q is a list", t.Job.ConcurrencyKey)
		}
	}
	d := storage.Definition{Type: t.Name, Job: t.Job != nil, Owned: t.Access == OwnerAccess, Days: slices.Sorted(maps.Keys(days)), Composite: composite}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		d.Fields = append(d.Fields, fields[name])
		t.fields = append(t.fields, fieldPath{fields[name], strings.Split(name, ".")})
	}
	for _, x := range t.text {
		d.FullText = append(d.FullText, x.field.Name)
	}
	d.Hash = definitionHash(d, t.migratedVersion(), len(t.Binaries) > 0)
	t.definition = d
}

// compileComposite checks the indexes over several fields, whose fields are indexed each
// for itself as well.
func compileComposite(t *Type, p *Problems, add func(at, what, path string) (query.Field, place, bool)) (out [][]string) {
	if len(t.Composite) > storage.MaxComposite {
		p.Add("/index", "index: %d indexes over several fields, at most %d", len(t.Composite), storage.MaxComposite)
	}
	for i, group := range t.Composite {
		at := placeOf("/index", t.compositeAt, i)
		if len(group) < 2 || len(group) > storage.MaxCompositeFields {
			p.Add(at, "index: one over several fields has 2 to %d of them", storage.MaxCompositeFields)
		}
		var paths []string
		for j, term := range group {
			path := strings.TrimPrefix(term, "-")
			if slices.Contains(paths, path) {
				p.Add(at, "index: field %q twice in one index", path)
			}
			paths = append(paths, path)
			if storage.Composable(path) {
				continue
			}
			if f, _, ok := add(PointerTo(at, j), "index", path); ok && f.List {
				p.Add(PointerTo(at, j), "index: field %q is a list; an index over several fields takes single values", path)
			}
		}
		if slices.ContainsFunc(t.Composite[:i], func(g []string) bool { return slices.Equal(g, group) }) {
			p.Add(at, "index: %s is there twice", strings.Join(group, ", "))
		}
		out = append(out, slices.Clone(group))
	}
	return out
}

func (t *Type) compileRef(path string, add func(at, what, path string) (query.Field, place, bool), p *Problems) {
	at := PointerTo("/refs", path)
	ref := t.Refs[path]
	if ref.OnDelete == "" {
		ref.OnDelete = Restrict
		t.Refs[path] = ref
	}
	f, pl, ok := add(at, "refs", path)
	switch {
	case !ok:
	case f.Kind != query.Text:
		p.Add(at, "refs: field %q must be a string that holds an id", path)
	case ref.OnDelete == SetNull && !f.List && !pl.null && t.required(path):
		p.Add(at, "refs: field %q is required and never null, so onDelete cannot be set_null", path)
	}
	switch ref.OnDelete {
	case Restrict, Cascade, SetNull, Dangling:
	default:
		p.Add(at+"/onDelete", "refs: onDelete %q is none of restrict, cascade, set_null, dangling", ref.OnDelete)
	}
	if ref.Type == "" {
		p.Add(at, "refs: field %q names no type", path)
	}
}

// Nullable reports whether the field at a path may be null; one that may not is
// removed when a reference is to be let go.
func (t *Type) Nullable(path string) bool {
	p, err := shapes{t.tree}.find(path)
	return err == nil && p.null
}

// required reports whether the last name of a path is required where it is.
func (t *Type) required(path string) bool {
	var at any = t.tree
	names := strings.Split(path, ".")
	for i, name := range names {
		node, _ := at.(map[string]any)
		if i == len(names)-1 {
			return slices.Contains(listOf(node["required"]), any(name))
		}
		props, _ := node["properties"].(map[string]any)
		at = props[name]
	}
	return false
}

func (t *Type) compileText(s shapes, p *Problems) {
	for i, path := range t.FullText {
		pl, err := s.find(path)
		switch {
		case err != nil:
			p.Add(PointerTo("/fulltext", i), "fulltext: %v", err)
		case pl.kinds != texts:
			p.Add(PointerTo("/fulltext", i), "fulltext: field %q is not text", path)
		case slices.ContainsFunc(t.text, func(x fieldPath) bool { return x.field.Name == path }):
			p.Add(PointerTo("/fulltext", i), "fulltext: field %q is there twice", path)
		default:
			t.text = append(t.text, fieldPath{query.Field{Name: path, Kind: query.Text, List: pl.list}, strings.Split(path, ".")})
		}
	}
	slices.SortFunc(t.text, func(a, b fieldPath) int { return strings.Compare(a.field.Name, b.field.Name) })
}

func definitionHash(d storage.Definition, version string, binaries bool) string {
	fields, text := []any{}, []any{}
	for _, f := range d.Fields {
		fields = append(fields, []any{f.Name, f.Kind.String(), f.List})
	}
	for _, path := range d.FullText {
		text = append(text, path)
	}
	parts := []any{int64(tableFormat), fields, text, d.Job, version}
	if len(text) > 0 { // which was cut into words in another way before
		parts = append(parts, "pairs of characters")
	}
	if d.Owned { // the tables of other types stay as they are
		parts = append(parts, OwnerAccess)
	}
	for _, group := range d.Composite { // the tables of other types stay as they are
		parts = append(parts, "composite "+strings.Join(group, ","))
	}
	if binaries { // whose places an older program did not all know: they are held anew
		parts = append(parts, "binaries")
	}
	sum := sha256.Sum256(AppendCanonical(nil, parts))
	return hex.EncodeToString(sum[:])
}

// Extract gives the indexed values of a valid document in the order of
// Definition.Fields, and the text of its full-text fields. A value that cannot be
// indexed, a string over 2,000 bytes, is an *Error with code validation_failed.
func (t *Type) Extract(tree any) (values []query.Value, text []string, err error) {
	values, text, unfit := t.Project(tree)
	if err := (Projection{Unfit: unfit}).Fits(); err != nil {
		return nil, nil, err
	}
	return values, text, nil
}

// Fits refuses what cannot be indexed.
func (p Projection) Fits() error {
	if len(p.Unfit) > 0 {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "some values cannot be indexed", Fields: p.Unfit}
	}
	return nil
}

// Project is Extract for content that may be of another model: a field, or an
// element of one, that cannot be indexed is null, and its place is in unfit. All
// else is as ever.
func (t *Type) Project(tree any) (values []query.Value, text []string, unfit []fault.FieldError) {
	x := extraction{}
	values = make([]query.Value, len(t.fields))
	for i := range t.fields {
		f := &t.fields[i]
		x.field, x.list = f.field, nil
		one := x.collect(tree, f.names)
		switch {
		case !f.field.List && x.list != nil:
			x.at = f.names
			x.refuse("is indexed as one value, and is a list")
			x.at = nil
		case !f.field.List:
			values[i] = one
		case x.list != nil:
			values[i] = x.list
		}
	}
	if len(t.text) > 0 {
		text = make([]string, len(t.text))
		for i := range t.text {
			text[i] = cut(joined(nil, tree, t.text[i].names), MaxFullText)
		}
	}
	return values, text, x.refused
}

// ParseTime reads an RFC 3339 date and time as data holds it; see
// query.ParseTime.
func ParseTime(s string) (time.Time, error) { return query.ParseTime(s) }

type extraction struct {
	field   query.Field
	list    []query.Value // of a list field; nil while no list was met
	at      []string
	refused []fault.FieldError
}

// collect follows names from v. It returns the value of a single field and
// gathers those of a list.
func (x *extraction) collect(v any, names []string) query.Value {
	if elements, ok := v.([]any); ok {
		if x.list == nil {
			x.list = []query.Value{}
		}
		for i, e := range elements {
			x.at = append(x.at, strconv.Itoa(i))
			if _, nested := e.([]any); nested || len(names) > 0 {
				x.collect(e, names)
			} else {
				x.list = append(x.list, x.value(e))
			}
			x.at = x.at[:len(x.at)-1]
		}
		return nil
	}
	if len(names) == 0 {
		one := x.value(v)
		if x.field.List && one != nil {
			x.list = append(x.list, one)
		}
		return one
	}
	m, _ := v.(map[string]any)
	inside, ok := m[names[0]]
	if !ok {
		return nil
	}
	x.at = append(x.at, names[0])
	one := x.collect(inside, names[1:])
	x.at = x.at[:len(x.at)-1]
	return one
}

func (x *extraction) refuse(detail string) query.Value {
	if len(x.refused) < MaxFieldErrors {
		x.refused = append(x.refused, fault.FieldError{Pointer: pointerOf(x.at), Detail: detail})
	}
	return nil
}

func (x *extraction) value(v any) query.Value {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		switch {
		case x.field.Kind == query.Time:
			at, err := ParseTime(v)
			if err != nil {
				return x.refuse(err.Error())
			}
			return at
		case x.field.Kind == query.Text && len(v) > MaxIndexedText:
			return x.refuse(fmt.Sprintf("is indexed and may have at most 2,000 bytes, has %d", len(v)))
		case x.field.Kind == query.Text:
			return v
		}
	case int64:
		if x.field.Kind == query.Number {
			return float64(v) // as the index keeps it
		}
		if x.field.Kind == query.Integer {
			return v
		}
	case float64:
		if x.field.Kind == query.Number {
			return v
		}
	case bool:
		if x.field.Kind == query.Boolean {
			return v
		}
	}
	return x.refuse("is indexed and must be of the kind " + x.field.Kind.String())
}

// joined gathers the strings at a path, a line for each.
func joined(b []byte, v any, names []string) []byte {
	if len(b) > MaxFullText {
		return b
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			b = joined(b, e, names)
		}
	case map[string]any:
		if len(names) > 0 {
			b = joined(b, v[names[0]], names[1:])
		}
	case string:
		if len(names) == 0 {
			if len(b) > 0 {
				b = append(b, '\n')
			}
			b = append(b, v...)
		}
	}
	return b
}

// cut takes the first n bytes at most, whole characters only.
func cut(b []byte, n int) string {
	if len(b) > n {
		for n > 0 && !utf8.RuneStart(b[n]) {
			n--
		}
		b = b[:n]
	}
	return string(b)
}
