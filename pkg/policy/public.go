package policy

// Public is the subject of the callers without a credential: what a binding gives it
// holds for each of them, and for no caller with one.
const Public = "public"

// Anonymous is the principal of a caller without a credential.
const Anonymous = "anonymous"

// Anonymous is the actor of a request without a credential; ok is false when no binding
// gives such requests a role, so that a credential is needed.
func (a *Access) Anonymous() (who Actor, ok bool) {
	defer a.tables()()
	return Actor{Principal: Anonymous, Identity: a.public}, len(a.subjects[Public]) > 0
}

// IsPublic reports whether the actor is a caller without a credential whom rules are about.
func (a Actor) IsPublic() bool { return a.Identity != nil && a.Identity.Public }
