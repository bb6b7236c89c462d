package autocrud_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// withoutExample are methods of interfaces of the standard library, which are not
// called by name.
var withoutExample = map[string]bool{"Format": true, "LogValue": true, "MarshalJSON": true, "Error": true, "Unwrap": true}

// withoutOutput ends the process, so that its example is compiled and not run. The
// programs in examples/ run it.
const withoutOutput = "App.Main"

// TestEveryFunctionHasAnExample reads the packages that application authors import
// as `go doc` does: each exported function and method has an Example, whose output
// `go test` compares.
func TestEveryFunctionHasAnExample(t *testing.T) {
	for _, dir := range []string{".", "pkg/job", "pkg/hook"} {
		functions := exported(t, dir)
		if len(functions) < 3 {
			t.Errorf("%s has %d exported functions", dir, len(functions))
		}
		for name, f := range functions {
			switch {
			case withoutExample[f.Name]:
			case len(f.Examples) == 0:
				t.Errorf("%s: %s has no Example", dir, name)
			case f.Examples[0].Output == "" && name != withoutOutput:
				t.Errorf("%s: the Example of %s has no output to compare", dir, name)
			}
		}
	}
}

// exported are the exported functions of a package and the methods of its exported
// types, by name: New, App.Main.
func exported(t *testing.T, dir string) map[string]*doc.Func {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	p, err := doc.NewFromFiles(set, files, module+"/"+dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*doc.Func{}
	for _, f := range p.Funcs {
		out[f.Name] = f
	}
	for _, typ := range p.Types {
		for _, f := range typ.Funcs {
			out[f.Name] = f
		}
		for _, f := range typ.Methods {
			out[typ.Name+"."+f.Name] = f
		}
	}
	return out
}
