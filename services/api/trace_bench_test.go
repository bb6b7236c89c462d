package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/services/api"
)

// BenchmarkWithoutSpans is what a request costs without spans.
func BenchmarkWithoutSpans(b *testing.B) {
	s := testenv.Open(b, b.TempDir(), testenv.Types(b, "name: notes\nschema: {type: object, properties: {text: {type: string}}}\nindex: [text]\n"), testenv.StackOptions{Memory: true})
	h := api.New(s.Manager, api.Options{})
	send := func(method, path, body string, want int) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			b.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	send("POST", "/v1/notes?id=a", `{"text":"x"}`, 201)
	b.Run("get", func(b *testing.B) {
		for b.Loop() {
			send("GET", "/v1/notes/a", "", 200)
		}
	})
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			send("POST", "/v1/notes", `{"text":"x"}`, 201)
		}
	})
}
