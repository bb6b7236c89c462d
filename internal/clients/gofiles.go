package clients

import (
	_ "embed" // of the part that is the same for all
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

//go:embed golang/runtime.go
var goRuntime string

// Go writes a client in Go, as a package of a name.
func Go(models []Model, name string) ([]File, error) {
	const packageLine = "package golang\n"
	_, rest, _ := strings.Cut(goRuntime, packageLine)
	head := Mark + "\n\n"
	taken, err := goNames()
	if err != nil {
		return nil, err
	}
	types, err := read(models, taken)
	if err != nil {
		return nil, err
	}
	g := &goWriter{taken: taken}
	g.line("%s// Package %s is a client for the types of a server. Connect begins.\npackage %s", head, name, name)
	g.api(types)
	for _, t := range types {
		g.typ(t)
	}
	text, err := format.Source([]byte(g.String()))
	if err != nil {
		return nil, fmt.Errorf("the client does not parse: %w", err)
	}
	return []File{{"models.go", text}, {"runtime.go", []byte(head + "package " + name + "\n" + rest)}}, nil
}

// goNames are those that the part that is the same for all has, and API.
func goNames() (map[string]bool, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "runtime.go", goRuntime, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{"API": true, "Connect": true}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = names[d.Name.Name] || d.Recv == nil
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					names[s.Name.Name] = true
				case *ast.ValueSpec:
					for _, n := range s.Names {
						names[n.Name] = true
					}
				}
			}
		}
	}
	return names, nil
}

// goWriter writes the part that follows from models.
type goWriter struct {
	strings.Builder
	taken map[string]bool
}

func (g *goWriter) line(format string, args ...any) { fmt.Fprintf(g, format+"\n", args...) }

// api writes the door: a collection for each type.
func (g *goWriter) api(types []typ) {
	g.line("\n// API is the types of a server.\ntype API struct {\n\tClient *Client")
	for _, t := range types {
		g.line("\t%s *Collection[%sData] // %s", t.base, t.base, t.name)
	}
	g.line("}\n\n// Connect makes the client of a server.\nfunc Connect(address string, options ...Option) *API {\n\tc := New(address, options...)\n\treturn &API{\n\t\tClient: c,")
	for _, t := range types {
		g.line("\t\t%s: Of[%sData](c, %q),", t.base, t.base, t.name)
	}
	g.line("\t}\n}")
}

func (g *goWriter) typ(t typ) {
	g.line("\n// %sData is the data of %s. %s", t.base, t.name, line(t.about))
	g.define(t.base+"Data", t.data)
	for _, name := range sorted(t.defs) {
		if !g.taken[name] {
			g.taken[name] = true
			g.line("\n// %s is a part of the data of %s.", name, t.name)
			g.define(name, t.defs[name])
		}
	}
	g.line("\n// %sFields are the fields of %s that filters and orders can name.\nvar %sFields = struct {", t.base, t.name, t.base)
	names := map[string]bool{}
	var made []string
	for _, f := range t.fields {
		name := distinct(pascal(f.path), names)
		made = append(made, fmt.Sprintf("\t%s: New%s(%q),", name, goField(f), f.path))
		g.line("\t%s %s", name, goField(f))
	}
	g.line("}{\n%s\n}", strings.Join(made, "\n"))
}

// define writes a type and those of the objects in it.
func (g *goWriter) define(name string, s *shape) {
	var later []func()
	defer func() {
		for _, write := range later {
			write()
		}
	}()
	if s.kind != object || !tagged(s) {
		g.line("type %s %s", name, g.of(s, name, &later))
		return
	}
	names := map[string]bool{}
	g.line("type %s struct {", name)
	for _, m := range s.members {
		field := distinct(pascal(m.name), names)
		of := g.of(m.shape, name+field, &later)
		pointed := m.shape.kind != list && m.shape.kind != free && m.shape.kind != anything && m.shape.kind != named
		if pointed && (!m.required || m.shape.nullable) {
			of = "*" + of
		}
		tag := m.name
		if !m.required {
			tag += ",omitzero"
		}
		about := ""
		if m.about != "" {
			about = " // " + line(m.about)
		}
		g.line("\t%s %s %s%s", field, of, "`json:"+strconv.Quote(tag)+"`", about)
	}
	g.line("}")
}

// of is the Go type of a value; objects in it are defined later, under name.
func (g *goWriter) of(s *shape, name string, later *[]func()) string {
	switch s.kind {
	case text, instant:
		return "string"
	case integer:
		return "int64"
	case number:
		return "float64"
	case boolean:
		return "bool"
	case binary:
		return "Binary"
	case list:
		return "[]" + g.element(s.elem, name, later)
	case free:
		return "map[string]" + g.element(s.elem, name, later)
	case named:
		return "*" + s.name // it may have itself in it
	case object:
		if !tagged(s) {
			return "map[string]any"
		}
		name = distinct(name, g.taken)
		*later = append(*later, func() {
			g.line("\n// %s is a part of the data.", name)
			g.define(name, s)
		})
		return name
	}
	return "any"
}

func (g *goWriter) element(s *shape, name string, later *[]func()) string {
	of := g.of(s, name, later)
	if s.nullable && s.kind != list && s.kind != free && s.kind != anything && s.kind != named {
		return "*" + of
	}
	return of
}

// tagged tells whether the tags of a struct can hold all names of an object.
func tagged(s *shape) bool {
	for _, m := range s.members {
		if m.name == "" || m.name == "-" || strings.ContainsAny(m.name, "\",\\'`") || strings.ContainsFunc(m.name, func(r rune) bool { return r < ' ' || r > '~' }) {
			return false
		}
	}
	return true
}

// distinct is a name that is not taken, and takes it.
func distinct(name string, taken map[string]bool) string {
	for n, want := 2, name; taken[name]; n++ {
		name = want + strconv.Itoa(n)
	}
	taken[name] = true
	return name
}

func goField(f field) string {
	of := map[kind]string{text: "string", instant: "string", integer: "int64", number: "float64", boolean: "bool"}[f.kind]
	switch {
	case f.list:
		return "ListField[" + of + "]"
	case f.kind == text:
		return "TextField"
	case f.kind == instant:
		return "TimeField"
	}
	return "Field[" + of + "]"
}
