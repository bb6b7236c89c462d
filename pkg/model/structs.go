package model

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TypeOf makes a type from a Go struct. Fields are named by their json tag;
// a pointer may be null and be left out, omitempty and omitzero may be left
// out, everything else is required. A nil slice or map, which encoding/json
// writes as null, is allowed where it is required. The tags
//
//	autocrud:"index,unique,fulltext,ref=studios,onDelete=cascade"
//	jsonschema:"minLength=1,maxLength=500,enum=a|b,default=a,description=free text"
//
// say the rest; autocrud also knows revision (the reference holds a revision
// id) and, on a Blob, maxBytes and contentTypes. Of a list of scalars the
// constraints on text and numbers hold for its elements.
func TypeOf[T any](name string, opts ...TypeOption) (*Type, error) {
	t := Type{Name: name}
	s := structs{t: &t, p: &Problems{Source: Source{File: "type " + name}}, defs: map[string]any{}}
	goType := reflect.TypeFor[T]()
	for goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	if goType.Kind() != reflect.Struct {
		s.p.Add("", "%v is no struct", goType)
		return nil, s.p.List.Sorted()
	}
	root := s.object(goType, "")
	if len(s.defs) > 0 {
		root["$defs"] = s.defs
	}
	t.Schema = AppendCanonical(nil, root)
	for _, opt := range opts {
		opt(&t)
	}
	if err := s.p.List.Sorted(); err != nil {
		return nil, err
	}
	return NewType(t)
}

// TypeOption says more about a type than the tags of its struct.
type TypeOption func(*Type)

// WithTitle names the type for readers.
func WithTitle(title string) TypeOption { return func(t *Type) { t.Title = title } }

// WithDescription explains the type to readers.
func WithDescription(text string) TypeOption { return func(t *Type) { t.Description = text } }

// WithVersion sets the schema version and how older data becomes of it.
func WithVersion(version string, migrations ...Migration) TypeOption {
	return func(t *Type) { t.Version, t.Migrations = version, migrations }
}

// WithAuditReads has the audit record the reads of the type.
func WithAuditReads() TypeOption { return func(t *Type) { t.AuditReads = true } }

// WithDefaultStatus sets the status of revisions that name none.
func WithDefaultStatus(s storage.Status) TypeOption { return func(t *Type) { t.DefaultStatus = s } }

// WithRequireIfMatch refuses writes without If-Match.
func WithRequireIfMatch() TypeOption { return func(t *Type) { t.RequireIfMatch = true } }

// WithRetention limits what is kept.
func WithRetention(r Retention) TypeOption { return func(t *Type) { t.Retention = r } }

// WithJob makes the resources jobs.
func WithJob(j JobSpec) TypeOption { return func(t *Type) { t.Job = &j } }

// WithUnique adds one constraint over all the given fields together.
func WithUnique(fields ...string) TypeOption {
	return func(t *Type) { t.Unique = append(t.Unique, fields) }
}

// WithIndex adds indexed fields.
func WithIndex(fields ...string) TypeOption {
	return func(t *Type) { t.Index = append(t.Index, fields...) }
}

// WithCompositeIndex adds an index over several fields: lists that are filtered by equal
// values of the first ones and ordered by the others find their page at once. A minus
// before a field is for the descending order.
func WithCompositeIndex(fields ...string) TypeOption {
	return func(t *Type) { t.Composite = append(t.Composite, fields) }
}

// WithSchema replaces the schema of the struct.
func WithSchema(schema json.RawMessage) TypeOption { return func(t *Type) { t.Schema = schema } }

// WithBuiltin allows the names that are reserved for built-in types.
func WithBuiltin() TypeOption { return func(t *Type) { t.Builtin = true } }

// Blob is how data refers to a binary, the Go form of x-binary.
type Blob struct {
	Digest      string `json:"digest"` // "sha256:<hex>"
	Size        int64  `json:"size,omitempty"`
	ContentType string `json:"content_type,omitempty"`
}

// structs turns Go types into schemas.
type structs struct {
	t     *Type
	p     *Problems
	stack []reflect.Type
	defs  map[string]any
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	blobType      = reflect.TypeFor[Blob]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	integerBounds = map[reflect.Kind][2]int64{
		reflect.Int8: {math.MinInt8, math.MaxInt8}, reflect.Int16: {math.MinInt16, math.MaxInt16}, reflect.Int32: {math.MinInt32, math.MaxInt32},
		reflect.Uint8: {0, math.MaxUint8}, reflect.Uint16: {0, math.MaxUint16}, reflect.Uint32: {0, math.MaxUint32},
		reflect.Uint: {0, math.MaxInt64}, reflect.Uint64: {0, math.MaxInt64},
	}
)

// object is the schema of a struct; path is where its data is.
func (s *structs) object(t reflect.Type, path string) map[string]any {
	s.stack = append(s.stack, t)
	props, required := map[string]any{}, []any{}
	s.members(t, path, props, &required)
	s.stack = s.stack[:len(s.stack)-1]
	out := map[string]any{"type": "object", "properties": props}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (s *structs) members(t reflect.Type, path string, props map[string]any, required *[]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case name == "-" && options == "":
			continue
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct && inner != timeType && inner != blobType:
			s.members(inner, path, props, required)
			continue
		case !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		optional := f.Type.Kind() == reflect.Pointer || hasOption(options, "omitempty") || hasOption(options, "omitzero")
		at := dotted(path, name)
		schema := s.schema(f.Type, at)
		if k := f.Type.Kind(); !optional && (k == reflect.Slice || k == reflect.Map) {
			nullable(schema)
		}
		if s.constraints(schema, f.Tag.Get("jsonschema"), at) {
			optional = false
		}
		s.promises(schema, f.Tag.Get("autocrud"), at)
		props[name] = schema
		if !optional {
			*required = append(*required, name)
		}
	}
}

func hasOption(options, want string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == want {
			return true
		}
	}
	return false
}

// schema is the schema of any Go type.
func (s *structs) schema(t reflect.Type, path string) map[string]any {
	switch {
	case t.Kind() == reflect.Pointer:
		return nullable(s.schema(t.Elem(), path))
	case t == timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	case t == blobType:
		return map[string]any{"x-binary": map[string]any{}}
	case t.Implements(jsonMarshaler) || reflect.PointerTo(t).Implements(jsonMarshaler):
		return map[string]any{} // only its author knows
	case t.Implements(textMarshaler) || reflect.PointerTo(t).Implements(textMarshaler):
		return map[string]any{"type": "string"}
	}
	switch k := t.Kind(); k {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int64, reflect.Int8, reflect.Int16, reflect.Int32,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		out := map[string]any{"type": "integer"}
		if b, ok := integerBounds[k]; ok {
			out["minimum"], out["maximum"] = b[0], b[1]
		}
		return out
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && k == reflect.Slice {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		out := map[string]any{"type": "array", "items": s.schema(t.Elem(), path)}
		if k == reflect.Array {
			out["minItems"], out["maxItems"] = int64(t.Len()), int64(t.Len())
		}
		return out
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return map[string]any{"type": "object", "additionalProperties": s.schema(t.Elem(), path)}
		}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Struct:
		return s.structure(t, path)
	}
	s.p.Add("", "field %q: Go type %v has no JSON form", path, t)
	return map[string]any{}
}

// structure is the schema of a struct inside another one; one that holds
// itself becomes a definition.
func (s *structs) structure(t reflect.Type, path string) map[string]any {
	for i, outer := range s.stack {
		if outer != t {
			continue
		}
		if i == 0 {
			return map[string]any{"$ref": "#"}
		}
		if _, made := s.defs[t.Name()]; !made {
			s.defs[t.Name()] = true // a second meeting on the way finds it
			s.defs[t.Name()] = s.object(t, path)
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	}
	return s.object(t, path)
}

// nullable allows null besides what a schema allows.
func nullable(schema map[string]any) map[string]any {
	if k, ok := schema["type"].(string); ok {
		schema["type"] = []any{k, "null"}
	} else if ref, ok := schema["$ref"]; ok {
		delete(schema, "$ref")
		schema["anyOf"] = []any{map[string]any{"$ref": ref}, map[string]any{"type": "null"}}
	} else if _, ok := schema["x-binary"]; ok {
		schema["type"] = []any{"object", "null"}
	}
	return schema
}
