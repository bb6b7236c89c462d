package resources

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// Can asks whether something is allowed.
type Can struct {
	Connection
	Output
	Action string   `arg:"" complete:"action" help:"Right: read, list, create, update, delete, publish, ..., or a custom action."`
	Target []string `arg:"" name:"type" complete:"resource" help:"TYPE, TYPE ID or TYPE/ID."`
	As     string   `help:"Another principal, like user:ann; for administrators."`
	Groups []string `help:"Groups of that principal."`
}

var rights = []string{"create", "read", "list", "update", "modify", "publish", "delete", "restore", "switch", "purge", "migrate", "watch", "run", "rerun", "cancel", "admin"}

// Run exits 1 if it is not.
func (c *Can) Run(e *Env) error {
	if _, err := c.path(); err != nil {
		return err
	}
	which, err := targets(c.Target)
	if err != nil {
		return err
	}
	if len(which) > 1 {
		return usage("one question at a time")
	}
	s, err := c.Server()
	if err != nil {
		return err
	}
	question := map[string]any{"action": c.Action, "type": which[0].typ}
	if which[0].id != "" {
		question["id"] = which[0].id
	}
	if c.As != "" {
		question["principal"] = c.As
	}
	if len(c.Groups) > 0 {
		question["groups"] = c.Groups
	}
	a, err := s.Do(e.Ctx, remote.Request{Method: http.MethodPost, Path: "/v1:can", Body: question})
	if err != nil {
		return err
	}
	var answer struct {
		Allowed   bool
		Rule, Why string
	}
	if err := a.Into(&answer); err != nil {
		return err
	}
	if written, err := c.document(e.Out, a.Body); err != nil {
		return err
	} else if !written {
		said := "no"
		if answer.Allowed {
			said = "yes"
		}
		if why := firstOf(answer.Why, answer.Rule); why != "" && c.Output.Output == "table" {
			said += ": " + show.Line(why)
		}
		fmt.Fprintln(e.Out, said)
	}
	if !answer.Allowed {
		return &Failure{exitFailed, ""}
	}
	return nil
}

// ExplainField tells what a field of a type is.
type ExplainField struct {
	Connection
	Field string `arg:"" name:"type.field" complete:"explain" help:"TYPE, TYPE.FIELD, TYPE.FIELD.FIELD."`
}

// Run writes the schema of the field for people.
func (c *ExplainField) Run(e *Env) error {
	s, err := c.Server()
	if err != nil {
		return err
	}
	name, path, _ := strings.Cut(c.Field, ".")
	t, err := typeOf(e, s, name)
	if err != nil {
		return err
	}
	var root map[string]any
	if err := json.Unmarshal(t.Schema, &root); err != nil {
		return err
	}
	at, required := root, false
	for _, part := range strings.Split(path, ".") {
		if part == "" {
			continue
		}
		holder := objectOf(root, at)
		next, ok := properties(holder)[part].(map[string]any)
		if !ok {
			return failed("%s has no field %q; known are %s", show.Line(c.Field), part, strings.Join(slices.Sorted(mapKeys(properties(holder))), ", "))
		}
		required = contains(holder["required"], part)
		at = resolve(root, next)
	}
	return c.write(e, &t, root, at, path, required)
}

func contains(list any, name string) bool {
	all, _ := list.([]any)
	return slices.Contains(all, any(name))
}

func properties(schema map[string]any) map[string]any {
	p, _ := schema["properties"].(map[string]any)
	return p
}

// resolve follows a $ref within the schema.
func resolve(root, schema map[string]any) map[string]any {
	for range 10 {
		ref, ok := schema["$ref"].(string)
		if !ok {
			break
		}
		at := any(root)
		for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			m, _ := at.(map[string]any)
			at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
		}
		next, ok := at.(map[string]any)
		if !ok {
			break
		}
		schema = next
	}
	return schema
}

// objectOf is a schema that has properties: of a list those of its elements.
func objectOf(root, schema map[string]any) map[string]any {
	schema = resolve(root, schema)
	if items, ok := schema["items"].(map[string]any); ok && properties(schema) == nil {
		return objectOf(root, items)
	}
	return schema
}

func kindOf(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		if items, ok := schema["items"].(map[string]any); ok && t == "array" {
			return "list of " + kindOf(items)
		}
		return t
	case []any:
		kinds := make([]string, len(t))
		for i := range t {
			kinds[i] = show.Value(t[i])
		}
		return strings.Join(kinds, " or ")
	}
	if schema["enum"] != nil {
		return "one of a few"
	}
	return "anything"
}

// said are the keywords that are told, in this order.
var said = []string{"format", "pattern", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "const", "enum", "default", "readOnly", "writeOnly", "deprecated", "examples"}

func (c *ExplainField) write(e *Env, t *served, root, at map[string]any, path string, required bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s <%s>", show.Line(c.Field), kindOf(at))
	if required {
		b.WriteString(" required")
	}
	b.WriteString("\n")
	if text, ok := at["description"].(string); ok {
		b.WriteString("\n" + show.Text(text) + "\n")
	}
	if path == "" && t.Title != "" {
		b.WriteString("\n" + show.Line(t.Title) + "\n")
	}
	var facts []string
	for _, name := range said {
		if v, ok := at[name]; ok {
			text, ok := v.(string)
			if !ok {
				text = show.Value(v)
			}
			if n, ok := v.(float64); !ok || n > -9e18 && n < 9e18 {
				facts = append(facts, fmt.Sprintf("%s: %s", name, show.Line(text)))
			}
		}
	}
	if ref, ok := t.Refs[path]; ok {
		facts = append(facts, "refers to: "+ref.Type)
	}
	if path != "" && slices.Contains(t.fields(), path) {
		facts = append(facts, "can be filtered and ordered by")
	}
	if len(facts) > 0 {
		b.WriteString("\n  " + strings.Join(facts, "\n  ") + "\n")
	}
	holder := objectOf(root, at)
	if names := slices.Sorted(mapKeys(properties(holder))); len(names) > 0 {
		b.WriteString("\nFields:\n")
		table := show.Table{Width: terminalWidth(e.Out) - 2, NoHead: true, Columns: []show.Column{{Whole: true}, {Whole: true}, {}, {}}}
		var rows [][]string
		for _, name := range names {
			field, _ := properties(holder)[name].(map[string]any)
			field = resolve(root, field)
			must := ""
			if contains(holder["required"], name) {
				must = "required"
			}
			text, _ := field["description"].(string)
			rows = append(rows, []string{name, kindOf(field), must, text})
		}
		var inner strings.Builder
		if err := table.Write(&inner, rows); err != nil {
			return err
		}
		for line := range strings.Lines(inner.String()) {
			b.WriteString("  " + line)
		}
	}
	_, err := fmt.Fprint(e.Out, b.String())
	return err
}
