package autocrud_test

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// A context carries who acts, what is asked for twice, and a trace. What a function
// needs besides is in its signature: a new key here wants a better place.
func TestTheContextCarriesLittle(t *testing.T) {
	const most = 3
	keys := map[string]string{}
	err := filepath.WalkDir("pkg", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "WithValue" && len(call.Args) == 3 {
				var key strings.Builder
				if err := printer.Fprint(&key, files, call.Args[1]); err != nil {
					t.Fatal(err)
				}
				keys[key.String()] = path
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) == 0 || len(keys) > most {
		t.Errorf("%d keys of contexts in the domain packages, at most %d: %v", len(keys), most, keys)
	}
}
