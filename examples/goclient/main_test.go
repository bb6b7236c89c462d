package main

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
)

// TestItWorksWithTheQuickstart starts the program that the client is for.
func TestItWorksWithTheQuickstart(t *testing.T) {
	r, err := autocrud.New().Start(t.Context(), autocrud.Settings{Addr: "127.0.0.1:0", Storage: "memory", Models: "../quickstart/models", LogLevel: "error"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	var out strings.Builder
	if err := run(t.Context(), r.URL, &out); err != nil {
		t.Fatal(err)
	}
	want := `Vanth has a picture of 6 bytes
Orcus: 455 km
Orcus was changed since it was read
conversion succeeded
100 °C: {"kelvin":373.15,"fahrenheit":212.00}
updated Orcus
deleted Orcus
`
	if out.String() != want {
		t.Errorf("it printed\n%s", out.String())
	}
}
