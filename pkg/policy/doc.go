// Package policy decides what an actor may do: roles with rules, bindings of roles to
// subjects, API keys, and the policy file. It keeps them up to date from the log, and
// knows types and states only as far as rules ask for them. It reads no resource and
// refuses no request by itself: the engine asks it.
package policy
