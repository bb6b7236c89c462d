// Package grammar reads a command line into a struct. The tags of its fields say what
// there is:
//
//	cmd:""       a struct that is a command, or, when it has commands, a group of them
//	arg:""       an argument; with optional:"" or a default it may be left out
//	embed:""     a struct whose fields are flags of the command, as without a name
//	name help default enum group
//	short        one letter by which a flag may be called too
//	aliases      other names of a flag, divided by commas
//	complete     what its values are, for completion: see Complete
//
// An argument that is a list takes all words that are left.
// Every other exported field is a flag, unless it is tagged flag:"-", and an environment
// variable too. Nothing here finds a
// method by its name: a program that does keeps every exported method of every type that
// it converts, used or not, which was an eighth of this one.
package grammar

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Program is what the command line is of.
type Program struct {
	Name, About string
	Prefix      string                      // of environment variables: AUTOCRUD_
	Lookup      func(string) (string, bool) // os.LookupEnv
}

// command is a command, or a group of commands.
type command struct {
	name, help string
	commands   []*command
	flags      []*value
	args       []*value
	target     reflect.Value
}

// value is a flag or an argument.
type value struct {
	name, help, group string
	short             string
	aliases           []string
	initial           string // its default
	optional          bool
	enum              []string
	complete          string
	env               []string
	target            reflect.Value
}

// read takes a struct apart; prefix is that of environment variables.
func read(target reflect.Value, prefix string) *command {
	c := &command{target: target}
	c.add(target, prefix)
	return c
}

func (c *command) add(target reflect.Value, prefix string) {
	for i := range target.NumField() {
		field, tag := target.Type().Field(i), target.Type().Field(i).Tag
		name := tag.Get("name")
		if name == "" {
			name = dashed(field.Name)
		}
		_, isCommand := tag.Lookup("cmd")
		_, isArg := tag.Lookup("arg")
		switch {
		case isCommand:
			sub := read(target.Field(i), prefix)
			sub.name, sub.help = name, tag.Get("help")
			c.commands = append(c.commands, sub)
		case field.Anonymous:
			c.add(target.Field(i), prefix)
		case !field.IsExported() || tag.Get("flag") == "-":
		default:
			v := &value{name: name, help: tag.Get("help"), group: tag.Get("group"), short: tag.Get("short"), complete: tag.Get("complete"), target: target.Field(i)}
			v.initial, v.optional = tag.Lookup("default")
			if _, ok := tag.Lookup("optional"); ok {
				v.optional = true
			}
			if enum := tag.Get("enum"); enum != "" {
				v.enum = strings.Split(enum, ",")
			}
			if isArg {
				c.args = append(c.args, v)
				continue
			}
			if aliases := tag.Get("aliases"); aliases != "" {
				v.aliases = strings.Split(aliases, ",")
			}
			for _, n := range v.names() {
				v.env = append(v.env, prefix+strings.ToUpper(strings.ReplaceAll(n, "-", "_")))
			}
			c.flags = append(c.flags, v)
		}
	}
}

func (v *value) names() []string { return append([]string{v.name}, v.aliases...) }

// dashed makes OnConflict on-conflict and IDField id-field.
func dashed(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		begins := i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Parse fills target, which points to a struct, with what the arguments, the
// environment and the defaults say, in this order, and gives a pointer to the struct of
// the command that was named. If help was asked for, it gives only that.
func (p Program) Parse(target any, args []string) (chosen any, help string, err error) {
	c := read(reflect.ValueOf(target).Elem(), p.Prefix)
	path, given := []string{p.Name}, map[*value]bool{}
	var rest []string
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--" && len(c.commands) == 0:
			rest = append(rest, args[i+1:]...)
			i = len(args)
		case word == "-h" || word == "--help":
			return nil, p.help(c, path), nil
		case strings.HasPrefix(word, "-") && word != "-":
			used, err := c.flag(word, args[i+1:], given)
			if err != nil {
				return nil, "", err
			}
			i += used
		case len(c.commands) > 0:
			sub := c.named(word)
			if sub == nil {
				return nil, "", unknown("unexpected argument "+word, word, c.names())
			}
			c, path = sub, append(path, word)
		default:
			rest = append(rest, word)
		}
	}
	if len(c.commands) > 0 {
		return nil, "", fmt.Errorf("expected one of %s", quoted(c.names(), ", "))
	}
	if err := c.positional(rest); err != nil {
		return nil, "", err
	}
	if err := c.complete(given, len(rest), p.Lookup); err != nil {
		return nil, "", err
	}
	return c.target.Addr().Interface(), "", nil
}

// flag sets the flag that word names, from word or from what follows, and tells how many
// words it took of that.
func (c *command) flag(word string, following []string, given map[*value]bool) (used int, err error) {
	v, text, has := c.find(word)
	if v == nil {
		shown, _, _ := strings.Cut(word, "=")
		return 0, unknown("unknown flag "+shown, shown, c.flagNames())
	}
	switch {
	case has:
	case v.isBool():
		text = "true"
		if p := v.target.Kind() == reflect.Pointer; p && len(following) > 0 && (following[0] == "true" || following[0] == "false") {
			text, used = following[0], 1
		}
	case len(following) == 0:
		return 0, fmt.Errorf("--%s: a value is missing", v.name)
	case strings.HasPrefix(following[0], "--"):
		return 0, fmt.Errorf("--%s: a value is missing; if %q is one, write --%[1]s=%[2]s", v.name, following[0])
	default:
		text, used = following[0], 1
	}
	if v.target.Kind() == reflect.Slice && !given[v] {
		v.target.SetZero()
	}
	given[v] = true
	if err := v.set(text); err != nil {
		return 0, fmt.Errorf("--%s%w", v.name, err)
	}
	return used, nil
}

// find is the flag that a word names, and its value if the word holds it: --name,
// --name=value, -n, -nvalue.
func (c *command) find(word string) (v *value, text string, has bool) {
	if long, ok := strings.CutPrefix(word, "--"); ok {
		name, text, has := strings.Cut(long, "=")
		for _, f := range c.flags {
			if slices.Contains(f.names(), name) {
				return f, text, has
			}
		}
		return nil, "", false
	}
	for _, f := range c.flags {
		text, ok := strings.CutPrefix(word, "-"+f.short)
		switch {
		case f.short == "" || !ok:
		case text == "":
			return f, "", false
		case !f.isBool():
			return f, strings.TrimPrefix(text, "="), true
		}
	}
	return nil, "", false
}

func (c *command) flagNames() (names []string) {
	for _, f := range c.flags {
		names = append(names, "--"+f.name)
	}
	return names
}

// positional sets the arguments.
func (c *command) positional(words []string) error {
	if n := len(c.args); n > 0 && len(words) >= n && c.args[n-1].target.Kind() == reflect.Slice {
		last := c.args[n-1].target
		for _, word := range words[n-1:] {
			last.Set(reflect.Append(last, reflect.ValueOf(word)))
		}
		return c.before(words[:n-1])
	}
	if len(words) > len(c.args) {
		return fmt.Errorf("unexpected argument %s", words[len(c.args)])
	}
	return c.before(words)
}

// before sets the arguments that have a word each.
func (c *command) before(words []string) error {
	for i, v := range c.args {
		if v.target.Kind() == reflect.Slice && v.target.Len() > 0 {
			continue
		}
		if i < len(words) {
			if err := v.set(words[i]); err != nil {
				return fmt.Errorf("<%s>%w", v.name, err)
			}
		} else if !v.optional {
			var missing []string
			for _, v := range c.args[i:] {
				missing = append(missing, argument(v))
			}
			return fmt.Errorf("expected %q", strings.Join(missing, " "))
		}
	}
	return nil
}

// complete sets what the arguments did not say.
func (c *command) complete(given map[*value]bool, args int, lookup func(string) (string, bool)) error {
	for _, v := range c.flags {
		if given[v] {
			continue
		}
		text, from := v.initial, ""
		for _, name := range v.env {
			if e, ok := lookup(name); ok && from == "" {
				text, from = e, " (from "+name+")"
			}
		}
		if text == "" && from == "" {
			continue
		}
		if err := v.set(text); err != nil {
			return fmt.Errorf("--%s%w%s", v.name, err, from)
		}
	}
	for _, v := range c.args[min(args, len(c.args)):] {
		if v.initial != "" {
			if err := v.set(v.initial); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *command) named(name string) *command {
	for _, sub := range c.commands {
		if sub.name == name {
			return sub
		}
	}
	return nil
}

func (c *command) names() (names []string) {
	for _, sub := range c.commands {
		names = append(names, sub.name)
	}
	return names
}

func quoted(names []string, between string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(between)
		}
		fmt.Fprintf(&b, "%q", n)
	}
	return b.String()
}
