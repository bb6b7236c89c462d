package tests_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

func TestAnIntegerBeyond64BitsIsRefusedWhereverItIsSent(t *testing.T) {
	t.Parallel()
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, s, nil, map[string]string{"readings": `name: readings
schema:
  type: object
  properties:
    free: {type: object, additionalProperties: true}
    any:  {}
    x:    {type: number}
    n:    {type: integer}
index: [x]
`})
			const large = "9223372036854775808"
			pointer := func(r *apitest.Response, want string) {
				t.Helper()
				if p := r.WantProblem(t, 422, "validation_failed"); len(p.Errors) != 1 || p.Errors[0].Pointer != want {
					t.Errorf("%s: got %+v, want %s", r.What, p.Errors, want)
				}
			}
			c.Post(t, "/v1/readings?id=a", `{"free":{"x":[1]},"x":1234567890123456789,"any":1e19}`).Want(t, 201).
				Equal(t, "/data/x", "1234567890123456789").Equal(t, "/data/any", "1e+19")
			pointer(c.Post(t, "/v1/readings", `{"free":{"x":`+large+`}}`), "/free/x")
			pointer(c.Post(t, "/v1/readings", `{"any":[-9223372036854775809]}`), "/any/0")
			pointer(c.Put(t, "/v1/readings/a", `{"x":18446744073709551615}`), "/x")
			pointer(c.Patch(t, "/v1/readings/a", apitest.MergePatch, `{"x":`+large+`}`), "/x")
			pointer(c.Patch(t, "/v1/readings/a", apitest.JSONPatch, `[{"op":"add","path":"/x","value":`+large+`}]`), "/0/value")
			pointer(c.Post(t, "/v1:batch", `{"operations":[{"op":"create","type":"readings","data":{"free":{"a":`+large+`}}}]}`), "/operations/0/data/free/a")
			c.Get(t, "/v1/readings?filter="+query("x = 1234567890123456789")).Want(t, 200).Equal(t, "/items/0/meta/id", `"a"`)
			// What is answered can be sent back.
			data := string(c.Get(t, "/v1/readings/a?returns=data").Want(t, 200).Body)
			c.Put(t, "/v1/readings/a", strings.TrimSuffix(strings.TrimPrefix(data, `{"data":`), "}")).Want(t, 200).Equal(t, "/meta/revision_count", "1")
		})
	}
}
