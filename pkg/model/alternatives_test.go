package model_test

import (
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
)

func TestAValueOfSeveralFormsIsExplainedByTheOneThatWasMeant(t *testing.T) {
	typ := testenv.Types(t, `
name: shapes
schema:
  type: object
  properties:
    s:
      oneOf:
        - {type: object, required: [kind, r], properties: {kind: {const: circle}, r: {type: number, minimum: 0}}}
        - {type: object, required: [kind, w, h], properties: {kind: {const: box}, w: {type: number}, h: {type: number}}}
        - {type: object, required: [kind], properties: {kind: {enum: [line, path]}, points: {type: array, items: {$ref: "#/properties/s"}}}}
        - {type: string}
    near: {anyOf: [{type: object, required: [a, b, c]}, {type: object, required: [a], properties: {a: {type: integer}}}]}
    tie:  {anyOf: [{type: integer, multipleOf: 3}, {type: integer, multipleOf: 5}]}
`)[0]
	for name, c := range map[string][3]string{
		"AMissingMember":      {`{"s":{"kind":"circle"}}`, "/s/r", "is required"},
		"AWrongMember":        {`{"s":{"kind":"box","w":1,"h":"x"}}`, "/s/h", "must be a number"},
		"AnUnknownMember":     {`{"s":{"kind":"circle","r":1,"w":2}}`, "/s/w", "is not allowed here"},
		"AWordOfNone":         {`{"s":{"kind":"cricle","r":1}}`, "/s/kind", `must be one of "box", "circle", "line", "path"`},
		"InsideOfAnother":     {`{"s":{"kind":"path","points":[{"kind":"circle","r":-1}]}}`, "/s/points/0/r", "must be at least 0"},
		"OfAnotherKind":       {`{"s":5}`, "/s", "must be an object or a string"},
		"TheOneItNearlyFits":  {`{"near":{"a":"x"}}`, "/near/a", "must be an integer"},
		"AllWhenNoneIsNearer": {`{"tie":7}`, "/tie", "must be a multiple of 3, or must be a multiple of 5"},
	} {
		t.Run(name, func(t *testing.T) { testenv.WantField(t, typ.Validate(testenv.Doc(t, c[0])), c[1], c[2]) })
	}
}
