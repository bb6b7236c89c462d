package openapi

import (
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Operation is one thing that a client can ask for, and what the document says of
// it.
type Operation struct {
	Method string
	// Path is a template like "/v1/{type}/{id}:switch". In an operation of a type,
	// {type} is the type's name.
	Path string
	Name string      // "list", "create", ...; unique within the type
	Type *model.Type // nil: an operation of the server

	// Summary and Description may speak of a type's resources as {one} ("a movie")
	// and {many} ("movies") until For has named them, and tell at {drafts} that drafts
	// are changed in place.
	Summary, Description string

	Parameters []string // keys of the table of parameters, besides those of the path
	Body       Part     // nil: there is none
	Answers    []Answer // when it succeeds
	Problems   []string // statuses besides those that guard every request
	Expands    bool     // the answer holds what references lead to, where it is asked for
	Public     bool     // no credential is needed
	Recognises bool     // the answer of a Public operation is about the credential, if there is one
}

// Answer describes a success.
type Answer struct {
	Status, Description string
	// Headers are names of components. One that begins with "Optional" is left out of
	// some answers.
	Headers []string
	Content Part // nil: there is none
}

// Part writes a part of the document, for a type where the operation has one. The
// parts that there are stand in parts.go.
type Part func(*document, *model.Type) object

// For is the operation of a type.
func (o Operation) For(t *model.Type) Operation {
	drafts := ", or changes a draft in place with mode=modify"
	if t.Builtin { // they have none
		drafts = ""
		if i := slices.Index(o.Parameters, "new_status"); i >= 0 {
			o.Parameters = slices.Replace(slices.Clone(o.Parameters), i, i+1, "builtin_status")
		}
	}
	texts := strings.NewReplacer("{one}", one(t), "{many}", several(t), "{drafts}", drafts)
	o.Type = t
	o.Path = strings.Replace(o.Path, "{type}", t.Name, 1)
	o.Summary, o.Description = texts.Replace(o.Summary), texts.Replace(o.Description)
	return o
}

// ID names the operation in the document.
func (o Operation) ID() string {
	if o.Type == nil {
		return o.Name
	}
	return o.Type.Name + "." + o.Name
}

// tag is the group that the operation is listed in.
func (o Operation) tag() string {
	if o.Type == nil {
		return serverTag
	}
	return o.Type.Name
}

const serverTag = "server"

// allProblems are the statuses of the problems that it can be answered with.
func (o Operation) allProblems(auth bool) []string {
	all := append([]string{"403", "414", "429"}, o.Problems...) // what guards every request
	if auth && !o.Public {
		all = append(all, "401")
	}
	if o.Expands && o.Type != nil && len(o.Type.Refs) > 0 { // to too much
		all = append(all, "413")
	}
	return slices.Compact(slices.Sorted(slices.Values(all)))
}

// ordered lists types, or what belongs to them, as a reader wants them: those of
// the author first, then those of the program, then what belongs to none.
func ordered[T any](all []T, typeOf func(T) *model.Type) []T {
	rank := func(x T) int {
		switch t := typeOf(x); {
		case t == nil:
			return 2
		case t.Builtin:
			return 1
		}
		return 0
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b T) int { return rank(a) - rank(b) })
	return all
}
