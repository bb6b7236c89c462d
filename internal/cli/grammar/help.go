package grammar

import (
	"fmt"
	"reflect"
	"strings"
)

// The columns of help: how wide it is, and how far its left one may reach.
const (
	width = 80
	left  = 30
)

// help tells how a command is used.
func (p Program) help(c *command, path []string) string {
	var b strings.Builder
	about := c.help
	if about == "" {
		about = p.About
	}
	if len(c.commands) > 0 {
		fmt.Fprintf(&b, "Usage: %s <command>\n\n%s\n\nFlags:\n", strings.Join(path, " "), wrap(about, "", width))
		columns(&b, [][2]string{{"-h, --help", "Show this help."}})
		b.WriteString("\nCommands:\n")
		columns(&b, leaves(c, strings.Join(path[1:], " ")))
		if len(path) == 1 {
			fmt.Fprintf(&b, "\nRun \"%s <command> --help\" for more information on a command.\n", p.Name)
		}
		return b.String()
	}
	for _, v := range c.args {
		path = append(path, argument(v))
	}
	fmt.Fprintf(&b, "Usage: %s [flags]\n\n%s\n", strings.Join(path, " "), wrap(about, "", width))
	var args [][2]string
	for _, v := range c.args {
		args = append(args, [2]string{argument(v), v.help})
	}
	if len(args) > 0 {
		b.WriteString("\nArguments:\n")
		columns(&b, args)
	}
	b.WriteString("\nFlags:\n")
	columns(&b, append([][2]string{{"-h, --help", "Show this help."}}, flags(c, "")...))
	named := map[string]bool{"": true}
	for _, v := range c.flags {
		if !named[v.group] {
			named[v.group] = true
			fmt.Fprintf(&b, "\n%s\n", v.group)
			columns(&b, flags(c, v.group))
		}
	}
	return b.String()
}

func leaves(c *command, path string) (rows [][2]string) {
	for _, sub := range c.commands {
		name := strings.TrimSpace(path + " " + sub.name)
		if len(sub.commands) > 0 {
			rows = append(rows, leaves(sub, name)...)
			continue
		}
		rows = append(rows, [2]string{name, sub.help})
	}
	return rows
}

func argument(v *value) string {
	name := "<" + v.name + ">"
	if v.target.Kind() == reflect.Slice {
		name += "..."
	}
	if v.optional {
		return "[" + name + "]"
	}
	return name
}

func flags(c *command, group string) (rows [][2]string) {
	for _, v := range c.flags {
		if v.group == group {
			name := "--" + v.name
			if v.short != "" {
				name = "-" + v.short + ", " + name
			}
			rows = append(rows, [2]string{name + v.example(), strings.TrimSpace(strings.TrimSuffix(v.help, ".") + " ($" + v.env[0] + ").")})
		}
	}
	return rows
}

// example is how a value is written.
func (v *value) example() string {
	t := v.target.Type()
	switch {
	case v.isBool():
		return ""
	case v.initial != "" && t.Kind() == reflect.String:
		return fmt.Sprintf("=%q", v.initial)
	case v.initial != "":
		return "=" + v.initial
	case t == duration:
		return "=DURATION"
	case t.Kind() == reflect.Slice:
		return "=STRING,..."
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return "=INT"
	case t.Kind() == reflect.Float64:
		return "=FLOAT"
	}
	return "=STRING"
}

// columns writes rows below each other; a left part that is too long has a line of its own.
func columns(b *strings.Builder, rows [][2]string) {
	widest := 0
	for _, r := range rows {
		if n := len(r[0]); n <= left {
			widest = max(widest, n)
		}
	}
	indent := strings.Repeat(" ", 2+widest+4)
	for _, r := range rows {
		text := strings.TrimPrefix(wrap(r[1], indent, width), indent)
		if len(r[0]) > widest {
			fmt.Fprintf(b, "  %s\n%s%s\n", r[0], indent, text)
			continue
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %-*s    %s", widest, r[0], text), " ") + "\n")
	}
}

// wrap breaks text at blanks and keeps its lines; each begins with indent.
func wrap(text, indent string, width int) string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := indent
		for word := range strings.FieldsSeq(paragraph) {
			if len(line) > len(indent) && len(line)+1+len(word) > width {
				lines, line = append(lines, line), indent
			}
			if len(line) > len(indent) {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
