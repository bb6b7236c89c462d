package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// maxDefaults is how many schemas are looked at for their defaults.
const maxDefaults = 5_000

// defaultsStay reports whether a value that fits the old schema once its defaults are
// filled in certainly fits the new one with those of the new one, if the new one allows
// what the old one allowed: no default is gone or another one, and none came that
// something could count or forbid.
func defaultsStay(old, changed any) bool {
	before, after := defaults{side: side{old}, at: map[string]string{}}, defaults{side: side{changed}, at: map[string]string{}}
	before.walk(old, "", nil)
	after.walk(changed, "", nil)
	if before.steps > maxDefaults || after.steps > maxDefaults {
		return false
	}
	for at, v := range before.at {
		if after.at[at] != v {
			return false
		}
	}
	return len(before.at) == 0 || len(before.at) == len(after.at) || !after.counted
}

// counting are keywords to which a property more can matter.
var counting = []string{"maxProperties", "dependentRequired", "dependentSchemas", "not", "if", "oneOf", "propertyNames"}

// holdsObjects reports whether a value is an object, or a list with one.
func holdsObjects(v any) bool {
	_, is := v.(map[string]any)
	return is || slices.ContainsFunc(listOf(v), holdsObjects)
}

// defaults are those of a schema by the place of the value that they are for.
type defaults struct {
	side
	at      map[string]string
	counted bool
	steps   int
}

// walk gathers those of a schema. under are the references that it is behind.
func (d *defaults) walk(schema any, at string, under []string) {
	node, ok := schema.(map[string]any)
	if d.steps++; !ok || d.steps > maxDefaults {
		return
	}
	if v, given := node["default"]; given {
		text := string(model.AppendCanonical(nil, v))
		if other, twice := d.at[at]; twice && other != text {
			d.steps = maxDefaults // which of them counts is not worth knowing
		}
		d.at[at] = text
	}
	for _, k := range slices.Sorted(maps.Keys(node)) {
		v := node[k]
		d.counted = d.counted || slices.Contains(counting, k) || (k == "const" || k == "enum") && holdsObjects(v)
		switch {
		case k == "$ref":
			if ref, _ := v.(string); !slices.Contains(under, ref) {
				d.walk(d.resolve(ref), at, append(slices.Clone(under), ref))
			}
		case k == "allOf":
			for _, x := range listOf(v) {
				d.walk(x, at, under)
			}
		case k == "properties":
			for name, x := range propertiesOf(node) {
				d.walk(x, model.PointerTo(at, name), under)
			}
		case ofOne[k]:
			d.walk(v, at+"/ "+k, under)
		case ofList[k]:
			for i, x := range listOf(v) {
				d.walk(x, fmt.Sprint(at, "/ ", k, i), under)
			}
		case ofMap[k]:
			m, _ := v.(map[string]any)
			for name, x := range m {
				d.walk(x, model.PointerTo(at+"/ "+k, name), under)
			}
		}
	}
}
