package openapi

import (
	"slices"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// schemas are those of each type and the ones that all have in common.
func (d *document) schemas() object {
	out := object{}
	for _, t := range d.types {
		out = append(out, d.typeSchemas(t)...)
	}
	for _, x := range d.options.Actions {
		n := d.actions[x]
		out = append(out, d.namer.placed(n.input, readable(mustDecode(x.Input.Schema)))...)
		if !x.Job {
			out = append(out, d.namer.placed(n.output, readable(mustDecode(x.Output)))...)
		}
	}
	return append(out, sharedSchemas()...)
}

func (d *document) typeSchemas(t *model.Type) object {
	n := d.names[t.Name]
	write := mustDecode(t.Schema)
	if m, ok := write.(map[string]any); ok && t.Title != "" && m["title"] == nil {
		m["title"] = t.Title
	}
	out := d.namer.placed(n.write, readable(inlineBinaries(write)))
	out = append(out, d.namer.placed(n.stored, readable(withoutSecrets(mustDecode(t.Schema))))...)
	out = append(out, d.namer.placed(n.read, readable(loosen(withoutSecrets(mustDecode(t.Schema)))))...)
	if n.replace != n.write {
		out = append(out, d.namer.placed(n.replace, readable(inlineBinaries(replacing(mustDecode(t.Schema)))))...)
	}
	answered := n.stored
	if d.options.Auth || t.WritesOnly() { // fields that are hidden from a caller are left out
		answered = n.read
	}
	return append(out,
		member{n.envelope, envelopeSchema(t, answered, "data", "meta", "revision")},
		member{n.partial, envelopeSchema(t, n.read, shown(t)...)},
		member{n.whole, envelopeSchema(t, n.read, "data", "meta", "revision")},
		member{n.page, pageOf(componentRef("schemas", n.partial))})
}

// shown are the parts of what is read that every answer has but those that returns
// was asked for: the data of what no migration fits is a problem in its place.
func shown(t *model.Type) []string {
	if len(t.Migrations) > 0 || model.Marks(t) {
		return []string{"meta"}
	}
	return []string{"data", "meta"}
}

// envelopeSchema is around data. Required is what is answered unless the request
// says, by returns, which parts it wants; the parameter tells that.
func envelopeSchema(t *model.Type, data string, required ...string) object {
	content := componentRef("schemas", data)
	if model.Marks(t) {
		content = object{{"anyOf", []any{content, append(object{{"description", "Of what does not fit the model, which meta.unfit tells"}}, freeObject()...)}}}
	}
	whole := object{{"data", content}, {"meta", componentRef("schemas", metaName(t))}, {"revision", componentRef("schemas", "Revision")},
		{"problem", append(object{{"description", "In a page, in the place of data: why it cannot be shown"}}, componentRef("schemas", "Problem")...)},
		{"expanded", append(freeObject(), member{"description", "With expand: by field, the envelope it leads to, null, or a list of them"})}}
	if t.Name == policy.APIKeys || t.Name == notify.Webhooks {
		whole = append(whole, member{"secret", append(object{{"description", "The new secret, in the answer that made it and never again"}}, stringSchema...)})
	}
	if t.Name == policy.APIKeys {
		whole = append(whole, member{"last_used_at", append(object{{"description", "When it is read by id: when the key was used last, as far as is known; other processes tell every ten minutes"}}, instantSchema...)})
	}
	return recordSchema(whole, required...)
}

// actionNames are the names of a custom action's schemas.
type actionNames struct{ input, output string }

// freeObject is any object. That it may have members must be said: without, some
// generators make an object that can have none.
func freeObject() object { return object{{"type", "object"}, {"additionalProperties", true}} }

// readable says what a schema says in the words that generators of clients read:
// of every list what its elements are, and instead of several types at once one
// alternative for each.
func readable(v any) any {
	eachSchema(v, func(m map[string]any) {
		kinds, _ := m["type"].([]any)
		var alternatives []any
		for _, k := range kinds {
			one := map[string]any{"type": k}
			if k == "array" && m["items"] == nil {
				one["items"] = map[string]any{}
			}
			alternatives = append(alternatives, one)
		}
		several := slices.DeleteFunc(slices.Clone(kinds), func(k any) bool { return k == "null" })
		switch {
		case len(several) > 1 && m["anyOf"] == nil:
			delete(m, "type")
			m["anyOf"] = alternatives
		case len(several) > 1 && m["allOf"] == nil:
			delete(m, "type")
			m["allOf"] = []any{map[string]any{"anyOf": alternatives}}
		case m["items"] == nil && (m["type"] == "array" || slices.Contains(kinds, any("array"))):
			m["items"] = map[string]any{}
		}
	})
	return v
}

// withoutSecrets leaves out what is written and never read.
func withoutSecrets(v any) any {
	eachSchema(v, func(m map[string]any) {
		properties, _ := m["properties"].(map[string]any)
		for name, p := range properties {
			if !writeOnly(p) {
				continue
			}
			delete(properties, name)
			if required, ok := m["required"].([]any); ok {
				left := []any{}
				for _, r := range required {
					if r != name {
						left = append(left, r)
					}
				}
				m["required"] = left
			}
		}
	})
	return v
}

func writeOnly(schema any) bool {
	m, _ := schema.(map[string]any)
	return m["writeOnly"] == true
}

// sampleRead is a sample as it is read: without what is only written.
func sampleRead(t *model.Type) any {
	data := sampleData(t)
	dropWriteOnly(mustDecode(t.Schema), data)
	return data
}

func dropWriteOnly(schema, data any) {
	s, _ := schema.(map[string]any)
	properties, _ := s["properties"].(map[string]any)
	members, _ := data.(map[string]any)
	for name, p := range properties {
		if writeOnly(p) {
			delete(members, name)
		} else if below, ok := members[name]; ok {
			dropWriteOnly(p, below)
		}
	}
	if list, ok := data.([]any); ok {
		for _, x := range list {
			dropWriteOnly(s["items"], x)
		}
	}
}
