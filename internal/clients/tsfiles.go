package clients

import (
	_ "embed" // of the part that is the same for all
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed typescript/runtime.ts
var tsRuntime string

// TypeScript writes a client as two modules.
func TypeScript(models []Model) ([]File, error) {
	types, err := read(models, map[string]bool{"Api": true})
	if err != nil {
		return nil, err
	}
	t := &tsWriter{}
	t.line("%s\n\nimport * as runtime from \"./runtime.js\";\n\nexport * from \"./runtime.js\";", Mark)
	t.line("\n/** The types of a server. */\nexport interface Api {\n  readonly $client: runtime.Client;")
	for _, x := range types {
		t.line("  readonly %s: runtime.Collection<%sData>;", tsText(x.name), x.base)
	}
	t.line("}\n\n/** Makes the client of a server. */\nexport function connect(url: string, options?: runtime.Options): Api {\n  const client = new runtime.Client(url, options);\n  return {\n    $client: client,")
	for _, x := range types {
		t.line("    %s: client.collection<%sData>(%[1]s),", tsText(x.name), x.base)
	}
	t.line("  };\n}")
	for _, x := range types {
		t.typ(x)
	}
	return []File{{"models.ts", []byte(t.String())}, {"runtime.ts", []byte(Mark + "\n\n" + tsRuntime)}}, nil
}

type tsWriter struct{ strings.Builder }

func (t *tsWriter) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

func (t *tsWriter) typ(x typ) {
	t.line("\n/** The data of %s. %s */\nexport type %sData = %s;", x.name, line(x.about), x.base, t.of(x.data, ""))
	for _, name := range sorted(x.defs) {
		t.line("\n/** A part of the data of %s. */\nexport type %s = %s;", x.name, name, t.of(x.defs[name], ""))
	}
	t.line("\n/** The fields of %s that filters and orders can name. */\nexport const %sFields = {", x.name, x.base)
	for _, f := range x.fields {
		t.line("  %s: new runtime.%s(%s),", tsText(strings.ReplaceAll(f.path, "`", "")), tsField(f), tsText(f.path))
	}
	t.line("} as const;")
}

// of is the type of a value.
func (t *tsWriter) of(s *shape, indent string) string {
	out := "runtime.Json"
	switch s.kind {
	case text, instant:
		if out = "string"; len(s.choices) > 0 {
			var all []string
			for _, c := range s.choices {
				all = append(all, tsText(c))
			}
			out = strings.Join(all, " | ")
		}
	case integer, number:
		out = "number"
	case boolean:
		out = "boolean"
	case binary:
		out = "runtime.Binary"
	case list:
		out = "Array<" + t.of(s.elem, indent) + ">"
	case free:
		out = "{ [name: string]: " + t.of(s.elem, indent) + " }"
	case named:
		out = s.name
	case object:
		out = t.object(s, indent)
	case anything:
		return out // has null
	}
	if s.nullable {
		out += " | null"
	}
	return out
}

func (t *tsWriter) object(s *shape, indent string) string {
	var b strings.Builder
	b.WriteString("{\n")
	for _, m := range s.members {
		if m.about != "" {
			fmt.Fprintf(&b, "%s  /** %s */\n", indent, line(m.about))
		}
		optional := "?"
		if m.required {
			optional = ""
		}
		fmt.Fprintf(&b, "%s  %s%s: %s;\n", indent, tsText(m.name), optional, t.of(m.shape, indent+"  "))
	}
	return b.String() + indent + "}"
}

func tsField(f field) string {
	of := map[kind]string{text: "string", instant: "string", integer: "number", number: "number", boolean: "boolean"}[f.kind]
	switch {
	case f.list:
		return "ListField<" + of + ">"
	case f.kind == text:
		return "TextField"
	case f.kind == instant:
		return "TimeField"
	}
	return "Field<" + of + ">"
}

// tsText is text as a literal.
func tsText(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return string(b)
}
