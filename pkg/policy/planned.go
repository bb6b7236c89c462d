package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// TypesChanged has every reader that keeps a part of the policy ask again.
func (a *Access) TypesChanged() {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.moved()
}

// Broken lists the rules of roles that could no longer work if the types were others, by
// type. Those that do not work before are not among them.
func (a *Access) Broken(before, types []*model.Type) map[string][]string {
	already, out := a.Mistakes(before), map[string][]string{}
	for typ, lines := range a.Mistakes(types) {
		for _, line := range lines {
			if !slices.Contains(already[typ], line) {
				out[typ] = append(out[typ], line)
			}
		}
	}
	return out
}

// Mistakes are what cannot work in the rules of roles if the types are these, by type.
func (a *Access) Mistakes(types []*model.Type) map[string][]string {
	defer a.tables()()
	names, out := policyNames{types, a.verbs}, map[string][]string{}
	for _, name := range sortedKeys(a.named) {
		for i, rule := range a.named[name].Rules {
			add := func(typ, part, format string, args ...any) {
				out[typ] = append(out[typ], fmt.Sprintf("role %s, /rules/%d%s: %s", name, i, part, fmt.Sprintf(format, args...)))
			}
			rule.mistakes(names, add)
		}
	}
	return out
}

// mistakes tells add what cannot work, with the type that it is about.
func (r Rule) mistakes(names policyNames, add func(typ, part, format string, args ...any)) {
	about := ""
	for _, t := range names.types {
		if !r.covers(t) {
			continue
		}
		if about == "" {
			about = t.Name
		}
		r.checkWhere(t, slices.Contains(r.Types, t.Name), func(part, format string, args ...any) { add(t.Name, part, format, args...) })
	}
	r.checkTypes(names, func(part, format string, args ...any) {
		switch {
		case strings.HasPrefix(part, "/fields"):
			add(about, part, format, args...)
		case strings.HasPrefix(part, "/types"):
			add(fmt.Sprint(args[0]), part, format, args...)
		}
	})
}
