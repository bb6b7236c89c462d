package tests_test

import (
	"crypto/sha256"
	"encoding/binary"
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
//
// AUTOCRUD_TEST_SHARE=N runs one test of N of it, drawn by AUTOCRUD_TEST_SEED.
func part() error {
	part, share := os.Getenv("AUTOCRUD_TEST_PART"), max(envInt("AUTOCRUD_TEST_SHARE"), 1)
	marks := []string{"Launch", "LaunchService", "oneAfterTheOther"}
	switch part {
	case "", "rest", "processes":
	case "rows":
		marks = []string{"allRows"}
	default:
		return fmt.Errorf("AUTOCRUD_TEST_PART is rows, processes or rest, not %q", part)
	}
	if part == "" && share == 1 {
		return nil
	}
	all, marked, err := testsWith(marks)
	if err != nil {
		return err
	}
	skipped := slices.DeleteFunc(all, func(test string) bool {
		inPart := part == "" || marked[test] == (part != "rest")
		return inPart && drawn(test, share)
	})
	return flag.Set("test.skip", "^("+strings.Join(skipped, "|")+")$")
}

// drawn reports whether the seed chooses something as one of so many.
func drawn(name string, of int) bool { return draw(name)%uint64(of) == 0 }

// draw is a number for a name, which AUTOCRUD_TEST_SEED changes.
func draw(name string) uint64 {
	sum := sha256.Sum256(fmt.Append(nil, envInt("AUTOCRUD_TEST_SEED"), " ", name))
	return binary.BigEndian.Uint64(sum[:])
}

// oneAfterTheOther marks a test for part.
func oneAfterTheOther() {}

// testsWith are the tests of this folder, and which of them lead to one of the
// names, by whatever functions of it.
func testsWith(marks []string) (all []string, leads map[string]bool, err error) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		return nil, nil, err
	}
	uses := map[string][]string{} // function -> names in it
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return nil, nil, err
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
	leads = map[string]bool{}
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
	for fn := range uses {
		if strings.HasPrefix(fn, "Test") && fn != "TestMain" {
			all = append(all, fn)
		}
	}
	slices.Sort(all)
	return all, leads, nil
}
