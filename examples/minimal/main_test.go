package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// The README calls it the same model, so the effective schemas must be equal.
func TestStructSaysWhatTheFileSays(t *testing.T) {
	types, err := model.LoadTypes("../quickstart/models")
	if err != nil {
		t.Fatal(err)
	}
	r, err := newApp().Start(t.Context(), autocrud.Settings{Addr: "127.0.0.1:0", DataDir: t.TempDir(), Models: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}()
	fromStruct, err := r.Manager.Type("planets")
	if err != nil {
		t.Fatal(err)
	}
	for _, fromFile := range types {
		if fromFile.Name != "planets" {
			continue
		}
		if a, b := constraints(t, fromFile.Schema), constraints(t, fromStruct.Schema); a != b {
			t.Errorf("the file says %s\nthe struct %s", a, b)
		}
		if a, b := fmt.Sprint(fromFile.Definition().Fields), fmt.Sprint(fromStruct.Definition().Fields); a != b {
			t.Errorf("the file indexes %s\nthe struct %s", a, b)
		}
	}

	seed, err := os.ReadFile("../quickstart/seed/planets.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(seed) {
		resp, err := http.Post(r.URL+"/v1/planets", "application/json", bytes.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusCreated {
			t.Errorf("%s: %s, %v: %s", line, resp.Status, err, b)
		}
	}
}

// constraints is a schema in one form: an enum of strings says their type.
func constraints(t *testing.T, schema json.RawMessage) string {
	t.Helper()
	var s struct {
		Required   []string                  `json:"required"`
		Properties map[string]map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	delete(s.Properties["kind"], "type")
	return fmt.Sprint(s)
}
