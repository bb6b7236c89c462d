package model

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// besideBinary are the keywords that x-binary may have beside it.
var besideBinary = []string{"x-binary", "type", "title", "description", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly"}

// binary is the schema of what stands for a binary in the data. Its limits are
// in the schema too, so that the validator keeps them wherever it is.
func (e *effective) binary(in map[string]any, spec any, ptr string) any {
	e.checkBinary(in, spec, ptr)
	b := binariesOf(spec)
	size := map[string]any{"type": "integer", "minimum": int64(0), "maximum": int64(math.MaxInt64)}
	if b.MaxBytes > 0 {
		size["maximum"] = b.MaxBytes
	}
	kind := map[string]any{"type": "string", "maxLength": int64(maxMediaType)}
	if len(b.ContentTypes) > 0 {
		kind["pattern"] = mediaTypePattern(b.ContentTypes)
	}
	out := map[string]any{
		"type": "object", "required": []any{"digest"}, "additionalProperties": false, "x-binary": spec,
		"properties": map[string]any{
			"digest":       map[string]any{"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
			"size":         size,
			"content_type": kind,
			"name":         map[string]any{"type": "string", "maxLength": int64(255)},
		},
	}
	if typesOf(in["type"]).has(nulls) {
		out["type"] = []any{"object", "null"}
	}
	for k, v := range in {
		if k != "type" && (slices.Contains(besideBinary, k) || strings.HasPrefix(k, "x-")) {
			out[k] = v
		}
	}
	return out
}

func (e *effective) checkBinary(in map[string]any, spec any, ptr string) {
	for _, k := range slices.Sorted(maps.Keys(in)) {
		if !slices.Contains(besideBinary, k) && !strings.HasPrefix(k, "x-") {
			e.p.Add(PointerTo(ptr, k), "schema: %s has no effect beside x-binary; say it around the binary, in allOf", k)
		}
	}
	if k := typesOf(in["type"]); in["type"] != nil && k&^(objects|nulls) != 0 {
		e.p.Add(ptr+"/type", "schema: a binary is an object; beside x-binary type is object or [object, null]")
	}
	at := ptr + "/x-binary"
	m, ok := spec.(map[string]any)
	if !ok && spec != nil {
		e.p.Add(at, "schema: x-binary takes an object with maxBytes and contentTypes")
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch v := m[k]; k {
		case "maxBytes":
			if n, ok := v.(int64); !ok || n < 1 {
				e.p.Add(at+"/maxBytes", "schema: x-binary.maxBytes must be a positive integer")
			}
		case "contentTypes":
			list, ok := v.([]any)
			if !ok {
				e.p.Add(at+"/contentTypes", "schema: x-binary.contentTypes must be a list of media types such as image/png or image/*")
			}
			for _, x := range list {
				if s, _ := x.(string); !acceptable(s) {
					e.p.Add(at+"/contentTypes", "schema: x-binary.contentTypes: %q is no media type such as image/png or image/*", x)
				}
			}
		default:
			e.p.Add(PointerTo(at, k), "schema: unknown key %q of x-binary%s", k, Hint(k, []string{"contentTypes", "maxBytes"}))
		}
	}
}

// acceptable reports whether s is a media type without parameters, or a kind of
// them.
func acceptable(s string) bool {
	kind, sub, ok := strings.Cut(s, "/")
	return ok && (sub == "*" && mediaToken.MatchString(kind) || mediaToken.MatchString(kind) && mediaToken.MatchString(sub))
}

// mediaTypePattern matches "image/png; x=y" with "image/png" and "image/*".
func mediaTypePattern(accepted []string) string {
	alternatives := make([]string, len(accepted))
	for i, s := range accepted {
		s = strings.ToLower(s)
		if kind, ok := strings.CutSuffix(s, "/*"); ok {
			alternatives[i] = regexp.QuoteMeta(kind) + "/"
		} else {
			alternatives[i] = regexp.QuoteMeta(s) + "(;|$)"
		}
	}
	return "^(" + strings.Join(alternatives, "|") + ")"
}
