package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kept are the retired words that are names in code still, by file.
var kept = map[string][]string{
	"pkg/resource/moment.go": {"sight"},
}

// tableRows are the rows of the table of architecture.md whose first column is
// called so.
func tableRows(t *testing.T, column string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| "+column+" |")
	if !found {
		t.Fatalf("there is no table of %s", column)
	}
	for line := range strings.Lines(table[strings.IndexByte(table, '\n')+1:]) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if !strings.HasPrefix(line, "| ---") {
			rows = append(rows, strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | "))
		}
	}
	return rows
}

// A retired word is in no guide and in no comment.
func TestNoRetiredWordComesBack(t *testing.T) {
	var words []string
	for _, row := range tableRows(t, "retired") {
		words = append(words, strings.Split(row[0], ", ")...)
	}
	if len(words) < 8 {
		t.Fatalf("only %d words are retired", len(words))
	}
	retired := regexp.MustCompile(`(?i)\b(` + strings.Join(words, "|") + `)\b`)
	comments := 0
	check := func(file, where, text string) {
		for _, word := range retired.FindAllString(text, -1) {
			if !slices.Contains(kept[file], strings.ToLower(word)) {
				t.Errorf("%s: %q is retired; architecture.md says what to write", where, word)
			}
		}
	}
	err := filepath.WalkDir("..", func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file := filepath.ToSlash(strings.TrimPrefix(at, ".."+string(filepath.Separator)))
		switch {
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir():
		case file == "docs/words_test.go":
		case path.Ext(file) == ".md":
			text, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			guide, _, _ := strings.Cut(string(text), "\n| retired |")
			check(file, file, guide)
		case path.Ext(file) == ".go":
			files := token.NewFileSet()
			code, err := parser.ParseFile(files, at, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, group := range code.Comments {
				comments++
				check(file, file+" at "+files.Position(group.Pos()).String(), strings.Join(strings.Fields(group.Text()), " "))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if comments < 3000 {
		t.Errorf("only %d comments", comments)
	}
}

// declared are the names of the packages below a folder: package.Name,
// Type.method and Type.Field, and the folders.
func declared(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(at) != ".go" || strings.HasSuffix(at, "_test.go") {
			return err
		}
		code, err := parser.ParseFile(token.NewFileSet(), at, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		names[code.Name.Name], names[filepath.ToSlash(strings.TrimPrefix(filepath.Dir(at), ".."+string(filepath.Separator)))] = true, true
		ast.Inspect(code, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					names[code.Name.Name+"."+n.Name.Name] = true
				} else {
					names[receiver(n.Recv.List[0].Type)+"."+n.Name.Name] = true
				}
				return false
			case *ast.TypeSpec:
				names[code.Name.Name+"."+n.Name.Name] = true
				if s, ok := n.Type.(*ast.StructType); ok {
					for _, f := range s.Fields.List {
						for _, name := range f.Names {
							names[n.Name.Name+"."+name.Name] = true
						}
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// A word of the glossary is explained once, and the name beside it exists.
func TestTheGlossaryNamesWhatExists(t *testing.T) {
	names := map[string]bool{"autocrud_leading": true, "pkg/storage/...": true} // a metric; every adapter
	for _, root := range []string{"../autocrud.go", "../actions.go", "../pkg", "../services", "../internal"} {
		for name := range declared(t, root) {
			names[name] = true
		}
	}
	rows := tableRows(t, "word")
	seen := map[string]bool{}
	for _, row := range rows {
		if len(row) != 3 {
			t.Errorf("%q has %d columns", row, len(row))
			continue
		}
		for word := range strings.SplitSeq(row[0], ", ") {
			if seen[word] {
				t.Errorf("%s is explained twice", word)
			}
			seen[word] = true
		}
		for name := range strings.SplitSeq(row[2], ", ") {
			name = strings.Trim(name, "`")
			short := name
			if i := strings.LastIndexByte(name, '/'); i >= 0 && strings.Contains(name[i:], ".") && !strings.HasSuffix(name, "...") {
				short = name[i+1:]
			}
			if !names[short] {
				t.Errorf("%s is said to be %s, which does not exist", row[0], name)
			}
		}
	}
	if len(rows) < 30 {
		t.Errorf("only %d words", len(rows))
	}
}
