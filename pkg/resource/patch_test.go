package resource_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

func TestAPatchThatDoesNotApplySaysWhichOperationAndWhere(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, "name: things\nschema: {type: object, additionalProperties: true}\n"), testenv.StackOptions{})
	r := create(t, s, "things", `{"":1,"lines":[1,2],"n":9007199254740993}`)
	deep := strings.Repeat(`[`, 61) + strings.Repeat(`]`, 61)
	for name, c := range map[string]struct {
		patch   string
		code    fault.Code
		pointer string
		detail  string
	}{
		"ALeadingZero":      {`[{"op":"test","path":"/lines/0","value":1},{"op":"remove","path":"/lines/01"}]`, fault.Conflict, "/lines/01", "without leading zeros"},
		"AfterTheLast":      {`[{"op":"remove","path":"/lines/-"}]`, fault.Conflict, "/lines/-", "after the last element"},
		"MissingIsNotNull":  {`[{"op":"test","path":"/none","value":null}]`, fault.Conflict, "/none", "there is nothing at this place"},
		"TheLastDigit":      {`[{"op":"test","path":"/n","value":9007199254740992}]`, fault.Conflict, "/n", "another one"},
		"ABadPointer":       {`[{"op":"remove","path":"/lines"},{"op":"add","path":"/b~2","value":1}]`, fault.InvalidRequest, "/1/path", "~ is followed by 0 or 1"},
		"NoOperation":       {`[{"op":"inc","path":"/n"}]`, fault.InvalidRequest, "/0/op", "op is add"},
		"TooDeep":           {`[{"op":"add","path":"/d","value":{"a":{"b":{"c":1}}}},{"op":"add","path":"/d/a/b/c","value":` + deep + `}]`, fault.TooLarge, "", ""},
		"TheWholeAsText":    {`[{"op":"replace","path":"","value":"x"}]`, fault.ValidationFailed, "", "must be an object"},
		"AnEmptyKeyApplies": {`[{"op":"copy","from":"/","path":"/w"},{"op":"test","path":"/w","value":1.0}]`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Manager.Patch(t.Context(), "things", r.ID, resource.Patch{Kind: resource.JSONPatch, Body: testenv.Doc(t, c.patch)}, resource.UpdateOptions{})
			wantCode(t, err, c.code)
			if err == nil || c.detail == "" {
				return
			}
			var e *fault.Error
			if !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Pointer != c.pointer || !strings.Contains(e.Fields[0].Detail, c.detail) {
				t.Fatalf("%v %+v", err, e.Fields)
			}
			if strings.Contains(fmt.Sprint(err), "strconv") {
				t.Fatalf("a message of Go: %v", err)
			}
		})
	}
	got, err := s.Manager.Get(t.Context(), "things", r.ID, resource.GetOptions{})
	if err != nil || string(got.Data) != `{"":1,"lines":[1,2],"n":9007199254740993,"w":1}` {
		t.Fatalf("%s %v", got.Data, err)
	}
}
