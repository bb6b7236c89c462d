package autocrud_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// What a reader can hold: how much a package may be, its tests aside, and how many
// methods a type may have.
const (
	maxLines   = 7000
	maxFiles   = 40
	maxMethods = 60
)

// TestNoPackageIsMoreThanAReaderCanHold counts lines, files and methods.
func TestNoPackageIsMoreThanAReaderCanHold(t *testing.T) {
	lines, files, methods := map[string]int{}, map[string]int{}, map[string]int{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		lines[dir] += set.File(f.FileStart).LineCount() - 1
		files[dir]++
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv != nil {
				methods[dir+"."+receiver(fn.Recv.List[0].Type)]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) < 20 || len(methods) < 100 {
		t.Fatalf("only %d packages and %d types were found", len(lines), len(methods))
	}
	for dir, n := range lines {
		if n > maxLines || files[dir] > maxFiles {
			t.Errorf("%s has %d lines in %d files, the most is %d in %d", dir, n, files[dir], maxLines, maxFiles)
		}
	}
	for name, n := range methods {
		if n > maxMethods {
			t.Errorf("%s has %d methods, the most is %d", name, n, maxMethods)
		}
	}
}

// receiver is the name of the type that a method belongs to.
func receiver(x ast.Expr) string {
	for {
		switch t := x.(type) {
		case *ast.StarExpr:
			x = t.X
		case *ast.IndexExpr:
			x = t.X
		case *ast.IndexListExpr:
			x = t.X
		case *ast.Ident:
			return t.Name
		default:
			return "?"
		}
	}
}
