package show

import (
	"io"
	"strings"
)

// Column of a table.
type Column struct {
	Name  string
	Right bool // numbers
	Whole bool // it is shortened last, as ids are, which are copied
}

// Table is written a page at a time; the first page decides the widths.
type Table struct {
	Columns []Column
	Width   int // of the terminal
	NoHead  bool

	widths []int
}

// gap divides columns; least and mostLeast bound what is left of one that is shortened,
// which is the width of its name if that is between them.
const (
	gap       = 2
	least     = 6
	mostLeast = 14
)

// Write writes rows.
func (t *Table) Write(w io.Writer, rows [][]string) error {
	for _, row := range rows {
		for i := range row {
			row[i] = Line(row[i])
		}
	}
	if t.widths == nil {
		t.layout(rows)
		if !t.NoHead {
			head := make([]string, len(t.Columns))
			for i, c := range t.Columns {
				head[i] = strings.ToUpper(Line(c.Name))
			}
			rows = append([][]string{head}, rows...)
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, width := range t.widths {
			cell := cut(row[i], width)
			pad := strings.Repeat(" ", width-Width(cell))
			if t.Columns[i].Right {
				line += pad + cell
			} else {
				line += cell + pad
			}
			line += strings.Repeat(" ", gap)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// layout gives each column what it needs, and less to the widest until the table fits.
// Columns that find no room at all are left out, the last ones first.
func (t *Table) layout(rows [][]string) {
	t.widths = make([]int, len(t.Columns))
	for i, c := range t.Columns {
		t.widths[i] = max(1, Width(Line(c.Name)))
		for _, row := range rows {
			t.widths[i] = max(t.widths[i], Width(row[i]))
		}
	}
	natural := t.widths
	for n := len(natural); n > 0; n-- {
		t.widths = append([]int(nil), natural[:n]...)
		if t.shrink(n == 1) {
			return
		}
	}
}

// shrink takes from the widest column, a whole one only when no other is left. It fails
// if the table is too wide still.
func (t *Table) shrink(all bool) bool {
	over := gap*(len(t.widths)-1) - t.Width
	for _, w := range t.widths {
		over += w
	}
	for ; over > 0; over-- {
		widest := -1
		for i, w := range t.widths {
			floor := max(least, min(mostLeast, Width(Line(t.Columns[i].Name))))
			if all {
				floor = 1
			}
			if (!t.Columns[i].Whole || all) && w > floor && (widest < 0 || w > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
		}
		t.widths[widest]--
	}
	return true
}
