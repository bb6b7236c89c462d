package plan

import "slices"

// Effect is what a change does to the data.
type Effect string

// The effects, the worst last. Rebuild: the index of the type is built anew beside
// the one that answers. Prune: revisions go. Breaking: there are resources that do
// not fit.
const (
	None     Effect = "none"
	Rebuild  Effect = "rebuild"
	Prune    Effect = "prune"
	Breaking Effect = "breaking"
)

// Report is a plan: what changed models would do.
type Report struct {
	Types []TypePlan `json:"types"`
}

// TypePlan is that of one type.
type TypePlan struct {
	Type    string   `json:"type"`
	Changes []Change `json:"changes"`
	// Checked is how many live resources were read; 0: the change can only widen.
	Checked int `json:"checked"`
	// Unfit is how many of them do not fit, and Offenders why the first do not.
	Unfit     int        `json:"unfit"`
	Offenders []Offender `json:"offenders"`
	// DeletedUnfit is how many deleted ones would not fit the schema when they are
	// restored.
	DeletedUnfit int `json:"deletedUnfit,omitempty"`
	// Suggestions are indexes over several fields that lists were seen to need.
	Suggestions []Suggestion `json:"suggestions,omitempty"`
	// Unreadable is how many could not be checked, their content being damaged.
	Unreadable int `json:"unreadable,omitempty"`
}

// Suggestion is an index that a model should have.
type Suggestion struct {
	Index     []string `json:"index"`
	Lists     int      `json:"lists"`      // that took long without it, since the start
	LongestMS int64    `json:"longest_ms"` // milliseconds that one of them took
}

// Change is a part of a model that is another one now.
type Change struct {
	Kind   string `json:"kind"` // the key of the model file, or type for a whole model
	Effect Effect `json:"effect"`
	Detail string `json:"detail"`
}

// Offender is a place of a resource that does not fit.
type Offender struct {
	ID      string `json:"id"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Breaks reports whether anything is breaking.
func (r *Report) Breaks() bool { return slices.ContainsFunc(r.Types, TypePlan.Breaks) }

// Breaks reports whether anything of the type is breaking.
func (p TypePlan) Breaks() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Effect == Breaking })
}
