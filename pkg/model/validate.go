package model

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/format"
)

// MaxFieldErrors bounds how many places one refusal names.
const MaxFieldErrors = 100

// Validate checks a decoded document against the schema. The *Error has code
// validation_failed and names at most 100 places, in a stable order.
func (t *Type) Validate(tree any) error {
	if _, ok := tree.(map[string]any); !ok {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "the data must be an object",
			Fields: []fault.FieldError{{Pointer: "", Detail: "must be an object, not " + article(kindOf(tree))}}}
	}
	err := t.validator.Validate(tree)
	if err == nil {
		return nil
	}
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "the data does not fit the schema", Cause: err}
	}
	fields := explain(failed, t.properties, t.tree)
	detail := fmt.Sprintf("the data does not fit type %s in one place", t.Name)
	if n := len(fields); n > 1 {
		detail = fmt.Sprintf("the data does not fit type %s in %d places", t.Name, n)
	}
	if len(fields) > MaxFieldErrors {
		fields = fields[:MaxFieldErrors]
		detail += ", the first 100 of which follow"
	}
	return &fault.Error{Code: fault.ValidationFailed, Detail: detail, Fields: fields}
}

// Fits reports whether stored content fits the schema: as it is, or as a write would
// make it, with the defaults that it lacks. The error is that of Validate.
func (t *Type) Fits(tree any) error {
	err := t.Validate(tree)
	if err == nil || t.filler == nil {
		return err
	}
	return t.Validate(t.Defaults(tree))
}

// explain turns the library's tree of failures into one line for each place.
func explain(failed *jsonschema.ValidationError, known []string, tree map[string]any) []fault.FieldError {
	x := explainer{known: known, tree: tree}
	x.walk(failed)
	// A branch that fails leaves its properties unevaluated, known as they are.
	for _, at := range x.unevaluated {
		if name := at[len(at)-1]; !slices.Contains(known, name) {
			x.unknown(at)
		} else if len(x.fields) == 0 || x.alone {
			x.alone = true
			x.add(at, "is not allowed here")
		}
	}
	slices.SortFunc(x.fields, func(a, b fault.FieldError) int {
		if c := strings.Compare(a.Pointer, b.Pointer); c != 0 {
			return c
		}
		return strings.Compare(a.Detail, b.Detail)
	})
	return slices.Compact(x.fields)
}

type explainer struct {
	known       []string       // property names of the schema, for hints
	tree        map[string]any // the schema itself
	fields      []fault.FieldError
	unevaluated [][]string // places refused by unevaluatedProperties
	alone       bool       // nothing else is wrong
}

func (x *explainer) add(at []string, detail string) {
	x.fields = append(x.fields, fault.FieldError{Pointer: pointerOf(at), Detail: detail})
}

func pointerOf(at []string) string {
	var b strings.Builder
	for _, token := range at {
		b.WriteByte('/')
		b.WriteString(EscapePointer(token))
	}
	return b.String()
}

func (x *explainer) walk(f *jsonschema.ValidationError) {
	at := f.InstanceLocation
	switch k := f.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			x.add(append(at[:len(at):len(at)], name), "is required")
		}
	case *kind.DependentRequired:
		for _, name := range k.Missing {
			x.add(append(at[:len(at):len(at)], name), fmt.Sprintf("is required because %q is given", k.Prop))
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			x.unknown(append(at[:len(at):len(at)], name))
		}
	case *kind.FalseSchema:
		if len(at) > 0 && strings.HasSuffix(f.SchemaURL, "/unevaluatedProperties") {
			x.unevaluated = append(x.unevaluated, at)
		} else {
			x.add(at, "is not allowed")
		}
	case *kind.AnyOf, *kind.OneOf:
		x.alternatives(f)
	case *kind.PropertyNames:
		x.add(append(at[:len(at):len(at)], k.Property), "is not an allowed property name")
	case *kind.Contains, *kind.MinContains:
		x.add(at, "holds too few elements of the required form")
	default:
		if len(f.Causes) == 0 {
			if !x.binary(f) {
				x.add(at, describe(k))
			}
			return
		}
		for _, cause := range f.Causes {
			x.walk(cause)
		}
	}
}

// binary explains that a binary itself does not fit, where the schema speaks of
// what stands for it.
func (x *explainer) binary(f *jsonschema.ValidationError) bool {
	_, place, _ := strings.Cut(f.SchemaURL, "#")
	i := strings.LastIndex(place, "/properties/")
	if i < 0 || len(f.InstanceLocation) == 0 {
		return false
	}
	found, _ := LookupRef(x.tree, "#"+place[:i])
	node, _ := found.(map[string]any)
	spec, ok := node["x-binary"]
	if !ok {
		return false
	}
	at := f.InstanceLocation[:len(f.InstanceLocation)-1]
	switch k := f.ErrorKind.(type) {
	case *kind.Maximum:
		got, _ := k.Got.Float64()
		x.add(at, fmt.Sprintf("the binary has %.0f bytes, the most is %s", got, decimalText(k.Want)))
	case *kind.Pattern:
		if f.InstanceLocation[len(at)] != "content_type" {
			return false
		}
		x.add(at, fmt.Sprintf("the binary is %s; accepted is %s", k.Got, strings.Join(binariesOf(spec).ContentTypes, ", ")))
	default:
		return false
	}
	return true
}

func (x *explainer) unknown(at []string) {
	detail := "is not a known property"
	if len(at) > 0 {
		if n := Nearest(at[len(at)-1], x.known); n != "" && n != at[len(at)-1] {
			detail += fmt.Sprintf("; did you mean %q?", n)
		}
	}
	x.add(at, detail)
}

var english = message.NewPrinter(language.English)

func describe(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, not %s", articles(k.Want), articles([]string{k.Got}))
	case *kind.Const:
		return "must be " + quoted(k.Want)
	case *kind.Enum:
		var all []string
		for _, v := range k.Want {
			all = append(all, quoted(v))
		}
		return "must be one of " + strings.Join(all, ", ")
	case *kind.Format:
		if _, ours := format.Checks[k.Want]; ours {
			return fmt.Sprintf("is not a valid %s: %v", k.Want, k.Err)
		}
		if k.Want == "date-time" {
			return k.Err.Error()
		}
		return fmt.Sprintf("is not a valid %s", k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %s", counted(k.Want, "character"))
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %s, has %d", counted(k.Want, "character"), k.Got)
	case *kind.Pattern:
		return fmt.Sprintf("does not match the pattern %s", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %s, has %d", counted(k.Want, "element"), k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %s, has %d", counted(k.Want, "element"), k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("elements %d and %d are equal, all must differ", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %s, has %d", counted(k.Want, "property"), k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %s, has %d", counted(k.Want, "property"), k.Got)
	case *kind.Minimum:
		if k.Want.Cmp(int64Min) == 0 {
			return "must fit a signed 64-bit integer"
		}
		return "must be at least " + decimalText(k.Want)
	case *kind.Maximum:
		if k.Want.Cmp(int64Max) == 0 {
			return "must fit a signed 64-bit integer"
		}
		return "must be at most " + decimalText(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + decimalText(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimalText(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + decimalText(k.Want)
	case *kind.Not:
		return "has a form that is not allowed"
	}
	return k.LocalizedString(english)
}

var int64Min, int64Max = new(big.Rat).SetInt64(math.MinInt64), new(big.Rat).SetInt64(math.MaxInt64)

func decimalText(r *big.Rat) string {
	f, _ := r.Float64()
	if r.IsInt() {
		return r.Num().String()
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func counted(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return strconv.Itoa(n) + " " + strings.TrimSuffix(noun, "y") + "ies"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func quoted(v any) string {
	s := string(AppendCanonical(nil, v))
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

func article(k kinds) string {
	if k == nulls {
		return "null"
	}
	return articles([]string{k.String()})
}

// articles makes "a string, an integer or null" of the names of kinds.
func articles(names []string) string {
	var out []string
	if i := slices.Index(names, "null"); i >= 0 {
		names = append(slices.Delete(slices.Clone(names), i, i+1), "null")
	}
	for _, n := range names {
		switch n {
		case "null":
		case "integer", "array", "object":
			n = "an " + n
		default:
			n = "a " + n
		}
		out = append(out, n)
	}
	if last := len(out) - 1; last > 0 {
		return strings.Join(out[:last], ", ") + " or " + out[last]
	}
	return strings.Join(out, "")
}
