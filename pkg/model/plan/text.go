package plan

import (
	"fmt"
	"strings"
)

// Advice says what to do about resources that do not fit.
const Advice = `give the model a new version and a migration from the one before it (migrations: [{from: "...", patch: [...]}]), change the resources, or allow what they hold`

// Line is what happens to a type, in a line.
func Line(p TypePlan) string {
	s := p.Type + ":"
	switch {
	case len(p.Changes) == 0:
		s += " nothing changes"
	case p.Breaks():
		s += " breaking"
	default:
		s += " fits"
	}
	switch {
	case p.Unfit > 0:
		s += fmt.Sprintf(", %d of %d live resources do not fit", p.Unfit, p.Checked)
	case p.Checked > 0:
		s += fmt.Sprintf(", all %d live resources fit", p.Checked)
	}
	if p.DeletedUnfit > 0 {
		s += fmt.Sprintf(", %d deleted ones would not fit when they are restored", p.DeletedUnfit)
	}
	if p.Unreadable > 0 {
		s += fmt.Sprintf(", %d cannot be read (run verify)", p.Unreadable)
	}
	return s
}

// Lines are the changes of a type, the first resources that do not fit and the indexes
// that are suggested, a line each.
func Lines(p TypePlan) (out []string) {
	for _, c := range p.Changes {
		out = append(out, fmt.Sprintf("%s (%s): %s", c.Kind, c.Effect, c.Detail))
	}
	out = append(out, Named(p)...)
	for _, s := range p.Suggestions {
		out = append(out, fmt.Sprintf("suggestion: index: [[%s]]: %d lists took up to %d ms without it", strings.Join(s.Index, ", "), s.Lists, s.LongestMS))
	}
	return out
}

// Named are the first resources that do not fit, a line each.
func Named(p TypePlan) (out []string) {
	for _, o := range p.Offenders {
		at := o.ID
		if o.Pointer != "" {
			at += " " + o.Pointer
		}
		out = append(out, at+": "+o.Detail)
	}
	return out
}
