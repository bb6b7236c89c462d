package openapi

import (
	"errors"
	"math"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// sampleData makes a document that is valid for the type, or nil when none was
// found: schemas can ask for what only their author knows.
func sampleData(t *model.Type) any {
	root, _ := mustDecode(t.Schema).(map[string]any)
	s := sampler{root: root}
	for _, all := range []bool{true, false} { // everything, else what is required
		s.all = all
		doc, ok := s.value(root, "", 0).(map[string]any)
		if !ok {
			continue
		}
		for range 10 {
			err := t.Validate(doc)
			if err == nil {
				return doc
			}
			if !dropRefused(doc, err) {
				break
			}
		}
	}
	return nil
}

// dropRefused removes the members of the document in which something is wrong.
func dropRefused(doc map[string]any, err error) bool {
	var e *fault.Error
	if !errors.As(err, &e) {
		return false
	}
	dropped := false
	for _, f := range e.Fields {
		name, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		if _, ok := doc[name]; ok {
			delete(doc, name)
			dropped = true
		}
	}
	return dropped
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func pointerToKey(key string) string {
	return "/" + strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

// sampler invents values for schemas.
type sampler struct {
	root map[string]any
	all  bool // optional members too
}

func (s sampler) value(v any, name string, depth int) any {
	node, _ := v.(map[string]any)
	if depth > 8 {
		return nil
	}
	if ex, ok := node["examples"].([]any); ok && len(ex) > 0 {
		return ex[0]
	}
	for _, k := range []string{"default", "const"} {
		if x, ok := node[k]; ok {
			return x
		}
	}
	if e, ok := node["enum"].([]any); ok && len(e) > 0 {
		return e[0]
	}
	if _, ok := node["x-binary"]; ok {
		return s.binary(node)
	}
	node = s.merged(node, 0)
	switch s.kind(node) {
	case "object":
		return s.object(node, depth)
	case "array":
		n := max(intOf(node["minItems"], 0), 1)
		if most := intOf(node["maxItems"], n); n > most {
			n = most
		}
		list := []any{}
		for i := range min(n, 10) {
			if x := s.element(node, i, name, depth); x != nil {
				list = append(list, x)
			}
		}
		return list
	case "string":
		return sampleText(node, name)
	case "integer", "number":
		return sampleNumber(node)
	case "boolean":
		return true
	}
	return nil
}

// binary is what stands for a binary of the first type that is allowed.
func (s sampler) binary(node map[string]any) any {
	mediaType := "application/octet-stream"
	spec, _ := node["x-binary"].(map[string]any)
	if list, ok := spec["contentTypes"].([]any); ok && len(list) > 0 {
		if first, ok := list[0].(string); ok && !strings.Contains(first, "*") {
			mediaType = first
		} else if ok && strings.HasPrefix(first, "image/") {
			mediaType = "image/png"
		}
	}
	return map[string]any{"digest": sampleDigest, "size": int64(512), "content_type": mediaType}
}

// merged joins a schema with what it refers to and with the first of its
// alternatives that is not null.
func (s sampler) merged(node map[string]any, depth int) map[string]any {
	out := map[string]any{}
	props := map[string]any{}
	var required []any
	add := func(m map[string]any) {
		for k, x := range m {
			switch k {
			case "properties":
				for name, p := range x.(map[string]any) {
					if _, known := props[name]; !known || hasConst(p) {
						props[name] = p
					}
				}
			case "required":
				required = append(required, x.([]any)...)
			default:
				if _, known := out[k]; !known {
					out[k] = x
				}
			}
		}
	}
	add(node)
	if depth < 8 {
		if r, ok := node["$ref"].(string); ok {
			add(s.merged(s.follow(r), depth+1))
		}
		if list, ok := node["allOf"].([]any); ok {
			for _, x := range list {
				m, _ := x.(map[string]any)
				add(s.merged(m, depth+1))
			}
		}
		for _, k := range []string{"anyOf", "oneOf"} {
			list, _ := node[k].([]any)
			for _, x := range list {
				if m, ok := x.(map[string]any); ok && m["type"] != "null" {
					add(s.merged(m, depth+1))
					break
				}
			}
		}
	}
	if len(props) > 0 {
		out["properties"] = props
	}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func hasConst(v any) bool {
	m, _ := v.(map[string]any)
	_, ok := m["const"]
	return ok
}

func (s sampler) follow(ref string) map[string]any {
	var at any = s.root
	for _, token := range strings.Split(strings.TrimPrefix(ref, "#"), "/")[1:] {
		m, _ := at.(map[string]any)
		at = m[strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")]
	}
	m, _ := at.(map[string]any)
	return m
}

func (s sampler) kind(node map[string]any) string {
	switch t := node["type"].(type) {
	case string:
		return t
	case []any:
		for _, x := range t {
			if x != "null" {
				k, _ := x.(string)
				return k
			}
		}
	}
	if _, ok := node["properties"]; ok {
		return "object"
	}
	if _, ok := node["items"]; ok {
		return "array"
	}
	return "string"
}

func (s sampler) object(node map[string]any, depth int) any {
	out := map[string]any{}
	props, _ := node["properties"].(map[string]any)
	required, _ := node["required"].([]any)
	for _, name := range sortedKeys(props) {
		needed := slices.Contains(required, any(name))
		if node, _ := props[name].(map[string]any); !needed && (!s.all || depth > 3 || node["readOnly"] == true) {
			continue
		}
		if x := s.value(props[name], name, depth+1); x != nil || needed {
			out[name] = x
		}
	}
	return out
}

func (s sampler) element(node map[string]any, i int, name string, depth int) any {
	if prefix, ok := node["prefixItems"].([]any); ok && i < len(prefix) {
		return s.value(prefix[i], name, depth+1)
	}
	x := s.value(node["items"], name, depth+1)
	if node["uniqueItems"] != true || i == 0 {
		return x
	}
	switch x := x.(type) { // another one
	case string:
		return x + strconv.Itoa(i)
	case int64:
		return x + int64(i)
	}
	return nil
}

func intOf(v any, other int) int {
	if n, ok := v.(int64); ok {
		return int(n)
	}
	return other
}

var formatSamples = map[string]string{
	"date-time": "2026-01-02T15:04:05Z", "date": "2026-01-02", "time": "15:04:05Z", "duration": "P1DT12H", "period": "2026-01-02T15:04:05Z/P1D",
	"email": "someone@example.com", "uri": "https://example.com/", "iri": "https://example.com/", "uri-reference": "/path", "iri-reference": "/path",
	"uri-template": "https://example.com/{id}", "uuid": sampleID, "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "hostname": "example.com",
	"json-pointer": "/a/b", "relative-json-pointer": "1/a", "regex": "^a+$", "semver": "1.2.3",
}

func sampleText(node map[string]any, name string) string {
	if f, ok := node["format"].(string); ok && formatSamples[f] != "" {
		return formatSamples[f]
	}
	if p, ok := node["pattern"].(string); ok {
		if re, err := syntax.Parse(p, syntax.Perl); err == nil {
			return sampleMatch(re.Simplify())
		}
	}
	if node["contentEncoding"] == "base64" {
		return "AAEC"
	}
	out := orElse(name, "text")
	for least := intOf(node["minLength"], 0); len(out) < least && least < 10_000; {
		out += " " + out
	}
	if most := intOf(node["maxLength"], len(out)); len(out) > most {
		out = strings.ToValidUTF8(out[:max(most, 0)], "")
	}
	return out
}

// sampleMatch is a short text that an expression matches, as far as one can be
// made without looking back.
func sampleMatch(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		for _, want := range []rune{'a', 'A', '1'} {
			for i := 0; i+1 < len(re.Rune); i += 2 {
				if re.Rune[i] <= want && want <= re.Rune[i+1] {
					return string(want)
				}
			}
		}
		if len(re.Rune) > 0 {
			return string(re.Rune[0])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "a"
	case syntax.OpCapture, syntax.OpPlus:
		return sampleMatch(re.Sub[0])
	case syntax.OpRepeat:
		return strings.Repeat(sampleMatch(re.Sub[0]), re.Min)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(sampleMatch(sub))
		}
		return b.String()
	case syntax.OpAlternate:
		return sampleMatch(re.Sub[0])
	}
	return ""
}

func sampleNumber(node map[string]any) any {
	number := func(k string, other float64) float64 {
		switch x := node[k].(type) {
		case int64:
			return float64(x)
		case float64:
			return x
		}
		return other
	}
	low, high := number("minimum", math.Inf(-1)), number("maximum", math.Inf(1))
	above, below := number("exclusiveMinimum", math.Inf(-1)), number("exclusiveMaximum", math.Inf(1))
	unit := number("multipleOf", 1)
	x := unit
	if low > x {
		x = math.Ceil(low/unit) * unit
	}
	if above >= x {
		x = (math.Floor(above/unit) + 1) * unit
	}
	if x > high || x >= below {
		switch {
		case !math.IsInf(low, 0) && low > math.MinInt64:
			x = low
		case !math.IsInf(above, 0) && !math.IsInf(below, 0):
			x = (above + below) / 2
		case x > high:
			x = math.Floor(high/unit) * unit
		default:
			x = (math.Ceil(below/unit) - 1) * unit
		}
	}
	if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		return int64(x)
	}
	return x
}
