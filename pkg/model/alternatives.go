package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// alternatives explains a value that fits none of several forms by the form
// that it was meant to have: the only one for its kind of value, the one whose
// const and enum it has, else the one that it nearly fits.
func (x *explainer) alternatives(f *jsonschema.ValidationError) {
	if k, ok := f.ErrorKind.(*kind.OneOf); ok && k.Subschemas != nil {
		x.add(f.InstanceLocation, "fits more than one of the forms of which it must have exactly one")
		return
	}
	depth := len(f.InstanceLocation)
	var FitsMediaType []*jsonschema.ValidationError
	var wanted []string
	for _, cause := range f.Causes {
		if want := otherKind(cause, depth); want != nil {
			wanted = append(wanted, want...)
		} else {
			FitsMediaType = append(FitsMediaType, cause)
		}
	}
	if len(FitsMediaType) == 0 {
		slices.Sort(wanted)
		x.add(f.InstanceLocation, "must be "+articles(slices.Compact(wanted)))
		return
	}
	named := slices.DeleteFunc(slices.Clone(FitsMediaType), func(f *jsonschema.ValidationError) bool { return len(misnamed(f, depth)) > 0 })
	if len(named) == 0 {
		if x.unnamed(FitsMediaType, depth) {
			return
		}
		named = FitsMediaType
	}
	x.nearest(f, named)
}

// nearest explains by the form with the fewest mistakes.
func (x *explainer) nearest(f *jsonschema.ValidationError, forms []*jsonschema.ValidationError) {
	var best [][]fault.FieldError
	for _, form := range forms {
		fields := explain(form, x.known, x.tree)
		switch {
		case len(best) == 0 || len(fields) < len(best[0]):
			best = [][]fault.FieldError{fields}
		case len(fields) == len(best[0]):
			best = append(best, fields)
		}
	}
	if len(best) == 1 {
		x.fields = append(x.fields, best[0]...)
		return
	}
	var details []string
	for _, fields := range best {
		if len(fields) != 1 || fields[0].Pointer != best[0][0].Pointer || len(best) > 3 {
			x.add(f.InstanceLocation, fmt.Sprintf("has none of the %d forms that are allowed", len(f.Causes)))
			return
		}
		details = append(details, fields[0].Detail)
	}
	x.fields = append(x.fields, fault.FieldError{Pointer: best[0][0].Pointer, Detail: strings.Join(slices.Compact(details), ", or ")})
}

// misnamed lists the const and enum of a form that properties directly inside of
// the value do not have.
func misnamed(f *jsonschema.ValidationError, depth int) (out []*jsonschema.ValidationError) {
	if len(f.InstanceLocation) == depth+1 {
		switch f.ErrorKind.(type) {
		case *kind.Const, *kind.Enum:
			return []*jsonschema.ValidationError{f}
		}
	}
	if len(f.InstanceLocation) > depth {
		return nil
	}
	for _, cause := range f.Causes {
		out = append(out, misnamed(cause, depth)...)
	}
	return out
}

// unnamed explains a value whose one property tells its form, and has the word
// of none.
func (x *explainer) unnamed(forms []*jsonschema.ValidationError, depth int) bool {
	var words []string
	var at []string
	for _, form := range forms {
		wrong := misnamed(form, depth)
		if len(wrong) != 1 || at != nil && !slices.Equal(at, wrong[0].InstanceLocation) {
			return false
		}
		at = wrong[0].InstanceLocation
		switch k := wrong[0].ErrorKind.(type) {
		case *kind.Const:
			words = append(words, quoted(k.Want))
		case *kind.Enum:
			for _, v := range k.Want {
				words = append(words, quoted(v))
			}
		}
	}
	slices.Sort(words)
	x.add(at, "must be one of "+strings.Join(slices.Compact(words), ", "))
	return true
}

// otherKind gives the wanted kinds when a form was refused for the kind of the
// value alone.
func otherKind(f *jsonschema.ValidationError, depth int) []string {
	for len(f.Causes) == 1 {
		f = f.Causes[0]
	}
	if k, ok := f.ErrorKind.(*kind.Type); ok && len(f.InstanceLocation) == depth {
		return k.Want
	}
	return nil
}
