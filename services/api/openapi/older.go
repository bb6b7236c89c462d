package openapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Older says a document of OpenAPI 3.1 in the words of 3.0.3, for tools that know no
// other. What 3.0 has no word for is left out, so that a schema may allow more than the
// server does; nothing that the server answers is refused by it.
func Older(doc []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var root map[string]any
	if err := d.Decode(&root); err != nil {
		panic(err) // it is ours
	}
	root["openapi"] = "3.0.3"
	delete(root, "webhooks")
	delete(root, "jsonSchemaDialect")
	if info, ok := root["info"].(map[string]any); ok {
		delete(info, "summary")
		if license, ok := info["license"].(map[string]any); ok {
			delete(license, "identifier")
		}
	}
	older(root)
	components, _ := root["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	settle(root, schemas)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(root); err != nil {
		panic(err) // it came from JSON
	}
	return bytes.TrimSpace(b.Bytes())
}

// older goes through what is no schema, and changes the schemas in it.
func older(node any) {
	switch x := node.(type) {
	case []any:
		for _, v := range x {
			older(v)
		}
	case map[string]any:
		if ref, ok := x["$ref"].(string); ok && len(x) > 1 && !strings.HasPrefix(ref, "#/components/schemas/") {
			clear(x) // a reference says nothing beside itself
			x["$ref"] = ref
		}
		for k, v := range x {
			switch s, isMap := v.(map[string]any); {
			case k == "example", k == "examples":
			case k == "schema":
				x[k] = olderSchema(v)
			case k == "schemas" && isMap:
				for name, schema := range s {
					s[name] = olderSchema(schema)
				}
			default:
				older(v)
			}
		}
	}
}

// unknown30 are the keywords of JSON Schema that 3.0 does not have and that have no other word.
var unknown30 = []string{"$schema", "$id", "$anchor", "$comment", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$defs", "definitions", "patternProperties", "propertyNames",
	"unevaluatedProperties", "unevaluatedItems", "if", "then", "else", "dependentRequired", "dependentSchemas", "prefixItems", "contains", "minContains",
	"maxContains", "contentSchema"}

// olderSchema is a schema of 3.0.
func olderSchema(schema any) any {
	x, ok := schema.(map[string]any)
	if !ok {
		if schema == false {
			return map[string]any{"not": map[string]any{}}
		}
		return map[string]any{} // true
	}
	for _, k := range unknown30 {
		delete(x, k)
	}
	if list, ok := x["examples"].([]any); ok {
		delete(x, "examples")
		if _, has := x["example"]; !has && len(list) > 0 {
			x["example"] = list[0]
		}
	}
	if v, ok := x["const"]; ok {
		delete(x, "const")
		x["enum"] = []any{v}
	}
	binary(x)
	bound(x, "exclusiveMinimum", "minimum")
	bound(x, "exclusiveMaximum", "maximum")
	if m, ok := x["properties"].(map[string]any); ok {
		for name, s := range m {
			m[name] = olderSchema(s)
		}
	}
	for _, k := range []string{"allOf", "anyOf", "oneOf"} {
		if list, ok := x[k].([]any); ok {
			alternatives(x, k, list)
		}
	}
	for _, k := range []string{"items", "not"} {
		if s, ok := x[k]; ok {
			x[k] = olderSchema(s)
		}
	}
	if s, ok := x["additionalProperties"].(map[string]any); ok {
		x["additionalProperties"] = olderSchema(s)
	}
	types(x)
	if _, ok := x["items"]; !ok && x["type"] == "array" {
		x["items"] = map[string]any{}
	}
	if ref, ok := x["$ref"]; ok && len(x) > 1 {
		delete(x, "$ref")
		all, _ := x["allOf"].([]any)
		x["allOf"] = append([]any{map[string]any{"$ref": ref}}, all...)
	}
	return x
}

// alternatives changes the schemas of a list; null among them is said by nullable.
func alternatives(x map[string]any, keyword string, list []any) {
	rest := slices.DeleteFunc(list, func(s any) bool {
		m, ok := s.(map[string]any)
		return ok && m["type"] == "null" && keyword != "allOf"
	})
	if len(rest) < len(list) {
		x["nullable"] = true
	}
	for i := range rest {
		rest[i] = olderSchema(rest[i])
	}
	switch {
	case len(rest) == 0:
		delete(x, keyword)
		x["enum"] = []any{nil}
	case len(rest) < len(list) && len(rest) == 1:
		delete(x, keyword)
		only, _ := rest[0].(map[string]any)
		if _, isRef := only["$ref"]; isRef {
			all, _ := x["allOf"].([]any)
			x["allOf"] = append(all, only)
			return
		}
		for k, v := range only {
			if _, has := x[k]; !has {
				x[k] = v
			}
		}
	default:
		x[keyword] = rest
	}
}

// settle gives every nullable its type, without which it means nothing: that of what it
// refers to. A schema without any type takes null as it is.
func settle(node any, schemas map[string]any) {
	switch x := node.(type) {
	case []any:
		for _, v := range x {
			settle(v, schemas)
		}
	case map[string]any:
		if _, typed := x["type"]; x["nullable"] == true && !typed {
			delete(x, "nullable")
			if all, ok := x["allOf"].([]any); ok && len(all) == 1 {
				first, _ := all[0].(map[string]any)
				ref, _ := first["$ref"].(string)
				target, _ := schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
				if t, ok := target["type"]; ok {
					x["nullable"], x["type"] = true, t
				}
			}
		}
		for k, v := range x {
			if k != "example" && k != "examples" && k != "default" && k != "enum" {
				settle(v, schemas)
			}
		}
	}
}

// types says a list of types, or null, in other words.
func types(x map[string]any) {
	if x["type"] == "null" {
		delete(x, "type")
		x["nullable"], x["enum"] = true, []any{nil}
	}
	list, ok := x["type"].([]any)
	if !ok {
		return
	}
	rest := slices.DeleteFunc(slices.Clone(list), func(t any) bool { return t == "null" })
	delete(x, "type")
	if len(rest) < len(list) {
		x["nullable"] = true
	}
	if len(rest) == 1 {
		x["type"] = rest[0]
	} // several: no type is every type
}

// bound says a bound that is not itself allowed: 3.0 has it as a mark beside the other one.
func bound(x map[string]any, exclusive, inclusive string) {
	n, ok := x[exclusive].(json.Number)
	if !ok {
		return
	}
	delete(x, exclusive)
	if other, both := x[inclusive].(json.Number); both {
		a, _ := n.Float64()
		b, _ := other.Float64()
		if inclusive == "minimum" && b > a || inclusive == "maximum" && b < a {
			return // the other one is tighter
		}
	}
	x[inclusive], x[exclusive] = n, true
}

// binary says by format what 3.1 says by content.
func binary(x map[string]any) {
	_, media := x["contentMediaType"]
	encoding, encoded := x["contentEncoding"]
	delete(x, "contentMediaType")
	delete(x, "contentEncoding")
	if _, has := x["format"]; has || !media && !encoded {
		return
	}
	x["type"], x["format"] = "string", "binary"
	if encoding == "base64" {
		x["format"] = "byte"
	}
}
