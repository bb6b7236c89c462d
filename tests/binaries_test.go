package tests_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

var galleries = map[string]string{"galleries": `name: galleries
schema:
  type: object
  properties:
    r:    {$ref: "#/$defs/file"}
    map:  {type: object, additionalProperties: {$ref: "#/$defs/holder"}}
    list: {type: array, items: {type: array, items: {x-binary: {}}}}
  $defs:
    file: {x-binary: {maxBytes: 100}}
    holder: {type: object, properties: {file: {$ref: "#/$defs/file"}, inside: {$ref: "#/$defs/holder"}}}
`}

func TestABinaryInAnyPlaceIsReadThroughItsResourceWhicheverWayItCame(t *testing.T) {
	t.Parallel()
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, s, nil, galleries)
			upload := func(text string) string {
				var b struct{ Digest string }
				r := c.Do(t, "POST", "/v1/blobs", text, apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201)
				if err := json.Unmarshal(r.Body, &b); err != nil {
					t.Fatal(err)
				}
				return b.Digest
			}
			for _, kind := range []string{"image/png, text/html", "image", "not a type", "text/pl\u00e4n", "text/plain; a"} {
				c.Do(t, "POST", "/v1/blobs", "x", apitest.Header("Content-Type", kind)).WantProblem(t, 415, "unsupported_media_type")
			}
			inMap := func(file string) string { return `{"map":{"a":{"inside":{"inside":{"file":` + file + `}}}}}` }
			given := func(digest string) string { return fmt.Sprintf(`{"digest":%q}`, digest) }
			read := func(id, digest, text string) {
				t.Helper()
				if got := c.Get(t, "/v1/galleries/"+id+"/blobs/"+digest).Want(t, 200); string(got.Body) != text {
					t.Fatalf("%q", got.Body)
				}
			}
			nowhere := "sha256:" + strings.Repeat("0", 64)
			c.Post(t, "/v1/galleries?id=x", inMap(given(nowhere))).Want(t, 422)
			c.Post(t, "/v1/galleries?id=x", inMap(given(upload("posted")))).Want(t, 201)
			read("x", upload("posted"), "posted")
			c.Put(t, "/v1/galleries/x", `{"list":[[],[`+given(upload("put"))+`]]}`).Want(t, 200)
			read("x", upload("put"), "put")
			c.Patch(t, "/v1/galleries/x", apitest.MergePatch, `{"r":{"base64":"`+base64.StdEncoding.EncodeToString([]byte("merged"))+`"}}`).Want(t, 200)
			read("x", upload("merged"), "merged")
			c.Patch(t, "/v1/galleries/x", apitest.JSONPatch, `[{"op":"add","path":"/list/0/-","value":`+given(nowhere)+`}]`).Want(t, 422)
			c.Patch(t, "/v1/galleries/x", apitest.JSONPatch, `[{"op":"add","path":"/list/0/-","value":`+given(upload("patched"))+`}]`).Want(t, 200)
			read("x", upload("patched"), "patched")
			c.Post(t, "/v1:batch", `{"operations":[{"op":"create","type":"galleries","id":"y","data":`+inMap(given(upload("batched")))+`}]}`).Want(t, 200)
			read("y", upload("batched"), "batched")
			c.Post(t, "/v1:batch", `{"operations":[{"op":"create","type":"galleries","id":"z","data":`+inMap(given(nowhere))+`}]}`).Want(t, 422)
			c.Post(t, "/v1/galleries/x:switch", `{"revision":1}`).Want(t, 200)
			read("x", upload("put"), "put") // an older revision refers to it
			c.Get(t, "/v1/galleries/y/blobs/"+upload("posted")).Want(t, 404)
		})
	}
}
