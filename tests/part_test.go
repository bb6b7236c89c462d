package tests_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// part makes a run of the tests a part of one (AUTOCRUD_TEST_PART):
//
//   - rows: those that run on storage rows, for a second run on other rows than
//     the first one's (AUTOCRUD_TEST_STORAGES); the others need not be repeated;
//   - processes: those that start programs, of which the race detector sees
//     nothing, and the one that asks thousands of questions one after the other;
//   - rest: all but those.
func part() error {
	part := os.Getenv("AUTOCRUD_TEST_PART")
	option, marks := "test.run", []string{"Launch", "LaunchService", "oneAfterTheOther"}
	switch part {
	case "":
		return nil
	case "rows":
		marks = []string{"storages"}
	case "rest":
		option = "test.skip"
	case "processes":
	default:
		return fmt.Errorf("AUTOCRUD_TEST_PART is rows, processes or rest, not %q", part)
	}
	names, err := testsWith(marks)
	if err != nil {
		return err
	}
	return flag.Set(option, "^("+strings.Join(names, "|")+")$")
}

// oneAfterTheOther marks a test for part.
func oneAfterTheOther() {}

// testsWith are the tests of this folder that lead to one of the names, by
// whatever functions of it.
func testsWith(marks []string) (names []string, err error) {
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
	leads := map[string]bool{}
	for _, m := range marks {
		leads[m] = true
	}
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
