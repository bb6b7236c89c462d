package tests_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// rowsOnly makes a run of the tests one of those that run on storage rows, for a
// second run on other rows than the first one's (AUTOCRUD_TEST_STORAGES). The
// others need not be repeated.
func rowsOnly() error {
	if os.Getenv("AUTOCRUD_TEST_ROWS") != "only" {
		return nil
	}
	names, err := rowTests()
	if err != nil {
		return err
	}
	return flag.Set("test.run", "^("+strings.Join(names, "|")+")$")
}

// rowTests are the tests of this folder that lead to the rows, by whatever
// functions of it.
func rowTests() (names []string, err error) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		return nil, err
	}
	uses := map[string][]string{} // function -> names in it
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					uses[fn.Name.Name] = append(uses[fn.Name.Name], id.Name)
				}
				return true
			})
		}
	}
	leads := map[string]bool{"storages": true}
	for grew := true; grew; {
		grew = false
		for fn, inside := range uses {
			if !leads[fn] && slices.ContainsFunc(inside, func(s string) bool { return leads[s] }) {
				leads[fn], grew = true, true
			}
		}
	}
	for fn := range leads {
		if strings.HasPrefix(fn, "Test") && fn != "TestMain" {
			names = append(names, fn)
		}
	}
	slices.Sort(names)
	return names, nil
}
