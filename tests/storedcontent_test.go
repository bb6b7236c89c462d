package tests_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// What a client stored is data to the browser of another client: it is an attachment
// unless it is of a kind that can hold no script, and runs nothing either way.
func TestStoredContentNeverRunsAsAPageOfTheServer(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, map[string]string{"files": "name: files\nschema: {type: object, properties: {file: {x-binary: {}}}}\n"})
	for name, x := range map[string]struct {
		content, said string // the media type that the resource gives it; empty: none
		shown         bool
	}{
		"a picture":            {"\x89PNG\r\n\x1a\n" + strings.Repeat("\x00", 40), "", true},
		"another picture":      {"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "image/gif", true},
		"a page":               {"<!DOCTYPE html><html><script>alert(1)</script></html>", "", false},
		"a page by its name":   {"just text", "text/html", false},
		"a drawing":            {`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, "", false},
		"a drawing by name":    {`<?xml version="1.0"?><x/>`, "image/svg+xml", false},
		"a document":           {"%PDF-1.7\n", "", false},
		"a script":             {"alert(1)", "text/javascript", false},
		"XML":                  {`<?xml version="1.0"?><x/>`, "", false},
		"XHTML":                {`<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>`, "application/xhtml+xml", false},
		"text":                 {"just text", "", false},
		"unknown":              {"\x00\x01\x02\x03", "", false},
		"a picture of strokes": {"II*\x00rest", "image/tiff", false},
	} {
		t.Run(name, func(t *testing.T) {
			digest := c.Post(t, "/v1/blobs", x.content, apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
			said := ""
			if x.said != "" {
				said = fmt.Sprintf(`,"content_type":%q`, x.said)
			}
			id := c.Post(t, "/v1/files", fmt.Sprintf(`{"file":{"digest":%q%s}}`, digest, said)).Want(t, 201).Text("/meta/id")
			for _, opts := range [][]apitest.Option{nil, {apitest.Header("Range", "bytes=0-3")}, {apitest.Header("Range", "bytes=0-1,3-4")}} {
				r := c.Get(t, "/v1/files/"+id+"/blobs/"+digest, opts...)
				if r.Status != 200 && r.Status != 206 {
					t.Fatalf("%d: %s", r.Status, r.Body)
				}
				if got := r.Header.Get("Content-Disposition"); (got == "") != x.shown || got != "" && got != "attachment" {
					t.Errorf("%s: Content-Disposition %q", r.Header.Get("Content-Type"), got)
				}
				for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'", "X-Frame-Options": "DENY"} {
					if got := r.Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			}
			// A cache takes over the headers of a 304 (RFC 9111 section 4.3.4).
			r := c.Get(t, "/v1/files/"+id+"/blobs/"+digest, apitest.Header("If-None-Match", `"`+strings.TrimPrefix(digest, "sha256:")+`"`)).Want(t, 304)
			if got := r.Header.Get("Content-Security-Policy"); got != "sandbox; default-src 'none'" {
				t.Errorf("a 304: Content-Security-Policy %q", got)
			}
		})
	}
}
