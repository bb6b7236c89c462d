package model

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// mode is how the schema of a value is made effective.
type mode uint8

const (
	whole mode = iota // it describes a value alone: unknown properties are refused
	part              // it describes a value together with others (a branch of allOf): its reader refuses
	open              // another schema describes the same value: neither refuses
	asIs              // it is a question, not a description (if, not): unchanged
)

// Keywords by what they hold.
var (
	schemaKeywords = map[string]mode{
		"items": whole, "additionalProperties": whole, "unevaluatedProperties": whole, "unevaluatedItems": whole,
		"then": part, "else": part,
		"if": asIs, "not": asIs, "contains": asIs, "propertyNames": asIs, "contentSchema": asIs,
	}
	listKeywords  = map[string]mode{"prefixItems": whole, "allOf": part, "anyOf": part, "oneOf": part}
	mapKeywords   = map[string]mode{"properties": whole, "patternProperties": whole, "dependentSchemas": part, "$defs": part}
	otherKeywords = []string{"type", "const", "enum", "$ref", "$schema", "$id", "$comment", "title", "description", "default",
		"examples", "deprecated", "readOnly", "writeOnly", "format", "pattern", "minLength", "maxLength", "minimum", "maximum",
		"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains",
		"required", "dependentRequired", "minProperties", "maxProperties", "contentEncoding", "contentMediaType"}
	knownKeywords = slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]mode{schemaKeywords, listKeywords, mapKeywords} {
			for k := range m {
				if !yield(k) {
					return
				}
			}
		}
		for _, k := range otherKeywords {
			if !yield(k) {
				return
			}
		}
	})
	knownFormats = []string{"json-pointer", "relative-json-pointer", "uuid", "duration", "period", "ipv4", "ipv6", "hostname", "idn-hostname", "email", "idn-email",
		"date", "time", "date-time", "uri", "iri", "uri-reference", "iri-reference", "uri-template", "semver", "regex"}
	// otherFormats say something to readers of the OpenAPI document; they are not
	// enforced.
	otherFormats = []string{"byte", "binary", "password", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double",
		"decimal", "char", "html", "markdown", "color", "media-range", "http-date", "base64url"}
	refusedKeywords = map[string]string{
		"nullable":       `use type: [..., "null"] instead`,
		"definitions":    "use $defs instead",
		"$dynamicRef":    "use $ref instead",
		"$recursiveRef":  "use $ref instead",
		"$anchor":        "refer by #/$defs/... instead",
		"$dynamicAnchor": "refer by #/$defs/... instead",
		"$vocabulary":    "it has no place in a model",
	}
)

// effective makes the schema that is in force from the one of the model, and
// reports what is wrong with it.
type effective struct {
	p      *Problems
	root   map[string]any    // of the model
	seen   map[uintptr]bool  // the schemas of it that were made effective
	places []schemaPlace     // the same, in their order
	refs   map[string]string // what is referred to, and from where
}

// schemaPlace is a schema and where it is.
type schemaPlace struct {
	node map[string]any
	ptr  string
}

// schema returns the effective form of v, which is at pointer ptr. shared holds
// the properties that more than one schema of the same value describes.
func (e *effective) schema(v any, ptr string, m mode, shared map[string]bool) any {
	in, ok := v.(map[string]any)
	if !ok {
		return v // true and false; the metaschema refuses the rest
	}
	e.check(in, ptr)
	e.seen[reflect.ValueOf(in).Pointer()] = true
	e.places = append(e.places, schemaPlace{in, ptr})
	if bin, ok := in["x-binary"]; ok {
		return e.binary(in, bin, ptr)
	}
	if m == whole {
		shared = e.shared(in)
	}
	out := maps.Clone(in)
	for k, sub := range in {
		e.keyword(out, k, sub, ptr, m, shared)
	}
	delete(out, "$schema")
	delete(out, "$id")
	if m == asIs {
		return out
	}
	if t := typesOf(in["type"]); t.has(integers) && !t.has(numbers) {
		if !hasAny(in, "minimum", "exclusiveMinimum") {
			out["minimum"] = int64(math.MinInt64)
		}
		if !hasAny(in, "maximum", "exclusiveMaximum") {
			out["maximum"] = int64(math.MaxInt64)
		}
	}
	if m == whole && !hasAny(in, "additionalProperties", "unevaluatedProperties", "patternProperties") {
		if hasAny(in, "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "$ref") {
			if len(shared) > 0 {
				out["unevaluatedProperties"] = false
			}
		} else if hasAny(in, "properties") {
			out["additionalProperties"] = false
		}
	}
	return out
}

func (e *effective) keyword(out map[string]any, k string, sub any, ptr string, m mode, shared map[string]bool) {
	inherit := func(own mode) mode {
		if m == asIs || m == open {
			return m
		}
		return own
	}
	at := PointerTo(ptr, k)
	if own, ok := schemaKeywords[k]; ok {
		out[k] = e.schema(sub, at, inherit(own), shared)
	}
	if own, ok := listKeywords[k]; ok {
		if list, ok := sub.([]any); ok {
			made := make([]any, len(list))
			for i, x := range list {
				made[i] = e.schema(x, PointerTo(at, i), inherit(own), shared)
			}
			out[k] = made
		}
	}
	if own, ok := mapKeywords[k]; ok {
		if members, ok := sub.(map[string]any); ok {
			made := make(map[string]any, len(members))
			for name, x := range members {
				mm, sh := inherit(own), shared
				switch {
				case k == "properties" && m != asIs && shared[name]:
					mm = open
				case k == "$defs":
					sh = e.shared(x)
				}
				made[name] = e.schema(x, PointerTo(at, name), mm, sh)
			}
			out[k] = made
		}
	}
}

// shared has a member for every property of a value, true for those that more
// than one schema describes.
func (e *effective) shared(v any) map[string]bool {
	shared := map[string]bool{}
	for name, n := range e.names(v, 0) {
		shared[name] = n > 1
	}
	return shared
}

// names counts how many schemas that hold at the same time describe each
// property of a value; alternatives count once together.
func (e *effective) names(v any, depth int) map[string]int {
	count := map[string]int{}
	node, ok := v.(map[string]any)
	if !ok || depth > 16 {
		return count
	}
	add := func(sub any) {
		for name, n := range e.names(sub, depth+1) {
			count[name] += n
		}
	}
	if props, ok := node["properties"].(map[string]any); ok {
		for name := range props {
			count[name]++
		}
	}
	if ref, ok := node["$ref"].(string); ok {
		if target, ok := LookupRef(e.root, ref); ok {
			add(target)
		}
	}
	for _, x := range listOf(node["allOf"]) {
		add(x)
	}
	for _, alternatives := range [][]any{listOf(node["anyOf"]), listOf(node["oneOf"]), {node["then"], node["else"]}} {
		most := map[string]int{}
		for _, x := range alternatives {
			for name, n := range e.names(x, depth+1) {
				most[name] = max(most[name], n)
			}
		}
		for name, n := range most {
			count[name] += n
		}
	}
	if subs, ok := node["dependentSchemas"].(map[string]any); ok {
		for _, x := range subs {
			add(x)
		}
	}
	return count
}

// check reports what the metaschema does not know to be wrong.
func (e *effective) check(node map[string]any, ptr string) {
	for _, k := range slices.Sorted(maps.Keys(node)) {
		at, v := PointerTo(ptr, k), node[k]
		if why, ok := refusedKeywords[k]; ok {
			e.p.Add(at, "schema: %s is not supported: %s", k, why)
			continue
		}
		switch k {
		case "$ref":
			e.checkRef(v, at)
		case "$id":
			if ptr != "/schema" {
				e.p.Add(at, "schema: $id is allowed at the root only")
			}
		case "$schema":
			if s, _ := v.(string); strings.TrimSuffix(s, "#") != "https://json-schema.org/draft/2020-12/schema" {
				e.p.Add(at, "schema: only JSON Schema 2020-12 is understood")
			}
		case "pattern":
			if s, ok := v.(string); ok {
				e.checkPattern(s, at)
			}
		case "patternProperties":
			if m, ok := v.(map[string]any); ok {
				for s := range m {
					e.checkPattern(s, PointerTo(at, s))
				}
			}
		case "format":
			if s, ok := v.(string); ok && !slices.Contains(knownFormats, s) && !slices.Contains(otherFormats, s) {
				if n := Nearest(s, knownFormats); n != "" {
					e.p.Add(at, "schema: unknown format %q; did you mean %q?", s, n)
				}
			}
		default:
			if !strings.HasPrefix(k, "x-") && !slices.Contains(knownKeywords, k) {
				if n := Nearest(k, knownKeywords); n != "" {
					e.p.Add(at, "schema: unknown keyword %q; did you mean %q?", k, n)
				}
			}
		}
	}
}

func (e *effective) checkPattern(s, at string) {
	if _, err := compilePattern(s); err != nil {
		e.p.Add(at, "schema: bad regular expression %q: %v", s, err)
	}
}

func (e *effective) checkRef(v any, at string) {
	ref, ok := v.(string)
	switch {
	case !ok: // the metaschema says so
	case !strings.HasPrefix(ref, "#"):
		e.p.Add(at, "schema: $ref %q: only references within the schema are followed (#/$defs/...)", ref)
	default:
		target, ok := LookupRef(e.root, ref)
		if !ok {
			e.p.Add(at, "schema: $ref %q leads nowhere", ref)
			return
		}
		e.refs[ref] = at
		for range 32 {
			node, _ := target.(map[string]any)
			next, ok := node["$ref"].(string)
			if !ok {
				return
			}
			if target, ok = LookupRef(e.root, next); !ok {
				return
			}
		}
		e.p.Add(at, "schema: $ref %q leads in a circle", ref)
	}
}

func hasAny(m map[string]any, keys ...string) bool {
	for _, k := range keys {
		if _, ok := m[k]; ok {
			return true
		}
	}
	return false
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

func dotted(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// PointerTo appends a key or an index to a pointer.
func PointerTo[K string | int](ptr string, key K) string {
	switch k := any(key).(type) {
	case int:
		return ptr + "/" + strconv.Itoa(k)
	case string:
		return ptr + "/" + EscapePointer(k)
	}
	return ptr
}
