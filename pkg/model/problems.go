package model

import (
	"fmt"
	"slices"
	"strings"
)

// ModelError is one thing that is wrong with a model.
type ModelError struct {
	File   string // or "type NAME" for a model made in Go
	Line   int    // 0 when there is none
	Reason string
}

// Error implements error as "file:line: reason".
func (e ModelError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// ModelErrors is everything that is wrong with a set of models, by file and
// line.
type ModelErrors []ModelError

// Error implements error with one line for each.
func (e ModelErrors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Sorted orders by file and line, drops repetitions, and is nil when nothing
// is wrong, also as an error.
func (e ModelErrors) Sorted() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b ModelError) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	return slices.Compact(e)
}

// Source tells where the parts of a model come from.
type Source struct {
	File  string
	Lines map[string]int // by pointer into the file
}

// line finds the line of a pointer, or of the nearest place around it.
func (s Source) line(pointer string) int {
	for {
		if n, ok := s.Lines[pointer]; ok {
			return n
		}
		i := strings.LastIndexByte(pointer, '/')
		if i < 0 {
			return 0
		}
		pointer = pointer[:i]
	}
}

// Problems collects what is wrong with one model.
type Problems struct {
	Source
	List ModelErrors
}

// Add notes what is wrong at a JSON pointer, with the line of the file.
func (p *Problems) Add(pointer, format string, args ...any) {
	p.List = append(p.List, ModelError{File: p.File, Line: p.line(pointer), Reason: fmt.Sprintf(format, args...)})
}

// Hint is the end of a message about an unknown name: what may have been
// meant, or what there is.
func Hint(name string, known []string) string {
	if n := Nearest(name, known); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	if len(known) == 0 || len(known) > 20 {
		return ""
	}
	return "; there are: " + strings.Join(known, ", ")
}

// Nearest is the known name that differs from name in at most two letters, or
// only in case.
func Nearest(name string, known []string) string {
	best, distance := "", 1+min(len(name)/2, 2)
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and replacements between two
// names; anything over 100 bytes is far from everything.
func editDistance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return 100
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
