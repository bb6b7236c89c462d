package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
)

// TestARecordedModelIsMadeWhole: what is recorded of a model is all that another process
// needs to serve it.
func TestARecordedModelIsMadeWhole(t *testing.T) {
	for name, file := range map[string]string{
		"Plain":     "name: notes\nschema: {type: object, properties: {n: {type: integer}}}\n",
		"Fields":    "name: notes\ntitle: Note\ndescription: D\nschema: {type: object, required: [a], properties: {a: {type: string}, l: {type: array, items: {type: integer}}, o: {type: object, properties: {d: {type: string, format: date}}}}}\nindex: [a, l, o.d]\nfulltext: [a]\nunique: [a, [a, o.d]]\n",
		"Composite": "name: notes\nschema: {type: object, properties: {of: {type: string}, b: {type: integer}}}\nindex: [of, b, [of, -b], [of, -meta.created_at]]\n",
		"Options": "name: notes\nschema: {type: object, additionalProperties: {type: number}}\nversion: '2.1'\nmigrations: [{from: '1', patch: [{op: rename, path: /a, to: b}]}, {from: '2', patch: [{op: default, path: /c, value: 1.50}]}]\n" +
			"retention: {revisions: 3, days: 4}\ndefaultStatus: draft\nrequireIfMatch: true\naccess: owner\nauditReads: true\n",
		"References":  "name: notes\nschema: {type: object, properties: {to: {type: [string, 'null']}, rev: {type: string}}}\nrefs: {to: {type: notes, onDelete: set_null}, rev: {type: notes, revision: true}}\n",
		"Binaries":    "name: notes\nschema: {type: object, properties: {p: {x-binary: {maxBytes: 10, contentTypes: ['image/*']}}, q: {type: array, items: {x-binary: {}}}}}\n",
		"Marks":       "name: notes\nschema: {type: object, required: [p], properties: {p: {type: string, writeOnly: true}, r: {type: integer, readOnly: true, default: 0}}}\n",
		"Jobs":        "name: notes\nschema: {type: object, properties: {k: {type: string}}}\njob: {queue: slow, maxAttempts: 3, timeout: 90s, backoff: {initial: 2s, max: 1h}, concurrencyKey: k, keep: 24h, schedule: ['0 3 * * *'], handler: {exec: [\"true\"]}}\n",
		"Definitions": "name: notes\nschema: {type: object, properties: {a: {$ref: '#/$defs/x'}, b: {oneOf: [{const: 1}, {type: object, properties: {c: {type: string}}}]}}, $defs: {x: {type: object, properties: {y: {type: integer, minimum: 1}}}}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			typ, mistakes := model.ParseType("notes.yaml", []byte(file))
			if len(mistakes) > 0 {
				t.Fatal(mistakes)
			}
			text, err := json.Marshal(plan.Describe(typ)) // as the log has it
			if err != nil {
				t.Fatal(err)
			}
			var w plan.Written
			if err := json.Unmarshal(text, &w); err != nil {
				t.Fatal(err)
			}
			for _, base := range []*model.Type{nil, typ} {
				made, err := plan.Adopt(&w, base)
				if err != nil {
					t.Fatal(err)
				}
				if made.Definition().Hash != typ.Definition().Hash || made.ClaimSet() != typ.ClaimSet() || made.WritesOnly() != typ.WritesOnly() || made.HasReadOnly() != typ.HasReadOnly() {
					t.Errorf("it is another type: %+v", made)
				}
			}
			w.Unfit = 1
			if made, err := plan.Adopt(&w, typ); err != nil || !model.Marks(made) {
				t.Errorf("what does not fit is not marked: %v", err)
			}
		})
	}
}

// TestAModelInGoIsAdoptedWithTheFunctionsOfTheProgram: a migration that is a function is
// not in the log.
func TestAModelInGoIsAdoptedWithTheFunctionsOfTheProgram(t *testing.T) {
	typ, err := model.NewType(model.Type{Name: "notes", Schema: []byte(`{"type":"object"}`), Version: "2",
		Migrations: []model.Migration{{From: "1", Func: func(tree any) (any, error) { return tree, nil }}}})
	if err != nil {
		t.Fatal(err)
	}
	if made, err := plan.Adopt(plan.Describe(typ), typ); err != nil || !made.Migrates("1") {
		t.Errorf("with the function: %v", err)
	}
	if _, err := plan.Adopt(plan.Describe(typ), nil); err == nil {
		t.Error("a model is adopted without its migration")
	}
}
