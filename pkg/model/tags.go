package model

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What the tag jsonschema knows. A comma inside a value is no separator unless
// one of these follows it.
var (
	tagFlags    = []string{"required", "uniqueItems", "deprecated", "readOnly", "writeOnly"}
	tagNumbers  = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
	tagTexts    = []string{"title", "description", "format", "pattern"}
	tagValues   = []string{"default", "const", "example"}
	tagElements = []string{"format", "pattern", "enum", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
	tagStart    = regexp.MustCompile(`(?:^|,)(?:(` + strings.Join(slices.Concat(tagNumbers, tagTexts, tagValues, []string{"enum"}), "|") +
		`)=|(` + strings.Join(tagFlags, "|") + `)(?:,|$))`)
)

// constraints applies the tag jsonschema and reports whether it says required.
func (s *structs) constraints(schema map[string]any, tag, path string) (required bool) {
	for tag != "" {
		at := tagStart.FindStringSubmatchIndex(tag)
		if at == nil || at[0] != 0 {
			s.p.Add("", "field %q: the jsonschema tag has %q, which is not known", path, tag)
			return required
		}
		if at[4] >= 0 {
			flag := tag[at[4]:at[5]]
			tag = tag[at[5]:]
			if flag == "required" {
				required = true
			} else {
				schema[flag] = true
			}
			continue
		}
		key, value := tag[at[2]:at[3]], tag[at[1]:]
		tag = ""
		if next := tagStart.FindStringIndex(value); next != nil && next[0] > 0 {
			value, tag = value[:next[0]], value[next[0]:]
		} else if next != nil && value[0] == ',' {
			value, tag = "", value
		}
		s.constraint(schema, key, value, path)
	}
	return required
}

func (s *structs) constraint(schema map[string]any, key, value, path string) {
	target := schema
	if items, ok := schema["items"].(map[string]any); ok && slices.Contains(tagElements, key) {
		target = items
	}
	switch {
	case slices.Contains(tagNumbers, key):
		n, err := DecodeJSON([]byte(value))
		if kindOf(n)&(integers|numbers) == 0 || err != nil {
			s.p.Add("", "field %q: jsonschema tag: %s=%s is no number", path, key, value)
			return
		}
		target[key] = n
	case key == "enum":
		list := []any{}
		for x := range strings.SplitSeq(value, "|") {
			list = append(list, s.typed(target, x, path))
		}
		if typesOf(target["type"]).has(nulls) {
			list = append(list, nil)
		}
		target[key] = list
	case key == "example":
		schema["examples"] = append(listOf(schema["examples"]), s.typed(schema, value, path))
	case slices.Contains(tagValues, key):
		schema[key] = s.typed(schema, value, path)
	default:
		target[key] = value
	}
}

// typed reads a value of a tag as the schema's type.
func (s *structs) typed(schema map[string]any, value, path string) any {
	if typesOf(schema["type"]).has(texts) {
		return value
	}
	v, err := DecodeJSON([]byte(value))
	if err != nil {
		s.p.Add("", "field %q: jsonschema tag: %q is no JSON value", path, value)
	}
	return v
}

// promises applies the tag autocrud.
func (s *structs) promises(schema map[string]any, tag, path string) {
	if tag == "" {
		return
	}
	var ref Ref
	bin, isBlob := schema["x-binary"].(map[string]any)
	for word := range strings.SplitSeq(tag, ",") {
		key, value, _ := strings.Cut(word, "=")
		switch {
		case word == "index":
			s.t.Index = append(s.t.Index, path)
		case word == "unique":
			s.t.Unique = append(s.t.Unique, []string{path})
		case word == "fulltext":
			s.t.FullText = append(s.t.FullText, path)
		case word == "revision":
			ref.Revision = true
		case key == "ref" && value != "":
			ref.Type = value
		case key == "onDelete":
			ref.OnDelete = OnDelete(value)
		case key == "maxBytes" && isBlob:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				s.p.Add("", "field %q: maxBytes=%s is no number", path, value)
			}
			bin[key] = n
		case key == "contentTypes" && isBlob:
			list := []any{}
			for x := range strings.SplitSeq(value, "|") {
				list = append(list, x)
			}
			bin[key] = list
		default:
			s.p.Add("", "field %q: the autocrud tag has %q, which is not known", path, word)
		}
	}
	switch {
	case ref.Type != "":
		if s.t.Refs == nil {
			s.t.Refs = map[string]Ref{}
		}
		s.t.Refs[path] = ref
	case ref != Ref{}:
		s.p.Add("", "field %q: onDelete and revision need ref=TYPE", path)
	}
}
