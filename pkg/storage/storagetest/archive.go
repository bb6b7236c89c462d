package storagetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestArchive holds an adapter to the contract of storage.Archive.
func TestArchive(t *testing.T, open func(t *testing.T) storage.Archive) {
	a := open(t)
	for _, name := range []string{"one/2", "one/1", "two/1", "one/3"} {
		if err := a.Save(t.Context(), name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Save(t.Context(), "one/2", []byte("again")); err != nil {
		t.Fatal(err)
	}
	if data, err := a.Load(t.Context(), "one/2"); err != nil || string(data) != "again" {
		t.Fatalf("%q, %v", data, err)
	}
	for range 2 {
		if err := a.Remove(t.Context(), "one/3"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Load(t.Context(), "one/3"); !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	for prefix, want := range map[string][]string{"": {"one/1", "one/2", "two/1"}, "one/": {"one/1", "one/2"}, "three": nil} {
		var got []string
		if err := a.Names(t.Context(), prefix, func(name string) error { got = append(got, name); return nil }); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", prefix, got, err)
		}
	}
}
