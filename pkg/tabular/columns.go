package tabular

import (
	"strconv"
	"strings"
)

// Columns finds out what the texts of each column are, and makes values of them.
type Columns struct{ kinds map[string]int }

// The kinds of columns, from the one that says most to text.
const (
	integers = iota
	numbers
	booleans
	texts
)

// Look takes the cells of a row into account.
func (c *Columns) Look(row map[string]any) {
	if c.kinds == nil {
		c.kinds = map[string]int{}
	}
	for name, cell := range row {
		text, _ := cell.(string)
		kind, seen := c.kinds[name]
		now := kindOf(text)
		switch {
		case !seen:
			c.kinds[name] = now
		case kind != now && kind <= numbers && now <= numbers:
			c.kinds[name] = numbers
		case kind != now:
			c.kinds[name] = texts
		}
	}
}

// Convert makes values of the cells of a row, in place, as all rows that were looked at
// allow. A number with leading zeros, as a code has them, stays text.
func (c *Columns) Convert(row map[string]any) {
	for name, cell := range row {
		text, _ := cell.(string)
		switch c.kinds[name] {
		case integers:
			row[name], _ = strconv.ParseInt(text, 10, 64) // it was tried
		case numbers:
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				row[name] = n
			} else {
				row[name], _ = strconv.ParseFloat(text, 64)
			}
		case booleans:
			row[name] = strings.EqualFold(text, "true")
		}
	}
}

func kindOf(text string) int {
	switch {
	case strings.EqualFold(text, "true") || strings.EqualFold(text, "false"):
		return booleans
	case !isNumber(text):
		return texts
	}
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return integers
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && len(strings.Trim(text, "-")) <= 17 {
		return numbers
	}
	return texts // more digits than a number keeps
}

// isNumber reports whether a text is a number as JSON writes it.
func isNumber(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789.eE+-") != "" || digits[0] < '0' || digits[0] > '9' {
		return false
	}
	return len(digits) == 1 || digits[0] != '0' || digits[1] == '.' || digits[1] == 'e' || digits[1] == 'E'
}
