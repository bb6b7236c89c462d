package policy

import (
	"fmt"
	"slices"
)

// PublishedView is the view of a rule that allows something in that view only.
const PublishedView = "published"

// readings are the actions that a rule may allow in the published view only: there is
// no other way to use that view.
var readings = []string{"read", "list", "watch"}

// pins reports whether what a rule allows is allowed in the published view only.
func (r Rule) pins() bool { return r.View == PublishedView }

// checkView looks at the view of a rule.
func (r Rule) checkView(add func(part, format string, args ...any)) {
	switch {
	case r.View == "", r.View == "head":
		return
	case !r.pins():
		add("/view", "is head or published")
		return
	case r.Denies():
		add("/view", "belongs to a rule that allows")
	}
	for i, a := range r.Actions {
		if a != "*" && !slices.Contains(readings, a) {
			add(fmt.Sprint("/actions/", i), "%q is nothing that is done in the published view; a rule with view: published takes read, list and watch", a)
		}
	}
}

// names reports whether a rule is about an action. "*" in the published view is all
// that can be done there.
func (g grant) names(action string) bool {
	return g.rule.names(action) && (!g.rule.pins() || slices.Contains(readings, action))
}

// inPublishedView is what is allowed in the published view: there, rules that pin it
// allow as others do.
func (x *Permissions) inPublishedView() *Permissions {
	if len(x.pinned) == 0 && (x.limit == nil || len(x.limit.pinned) == 0) {
		return x
	}
	out := &Permissions{Type: x.Type, admin: x.admin, scopes: x.scopes, deny: x.deny, allow: slices.Concat(x.allow, x.pinned)}
	if x.limit != nil {
		out.limit = x.limit.inPublishedView()
	}
	out.published = out
	return out
}

// In is what is allowed in the published view, or in that of HEAD.
func (x *Permissions) In(published bool) *Permissions {
	if published && x.published != nil {
		return x.published
	}
	return x
}

// Pinned reports whether an action is allowed in the published view and not in that of
// HEAD.
func (x *Permissions) Pinned(action string) bool {
	return x.published != nil && x.published != x && !x.May(action).Allowed && x.published.May(action).Allowed
}
