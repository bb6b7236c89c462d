package fsblob_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/fsblob"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

func open(t *testing.T, dir string) *fsblob.Store {
	t.Helper()
	s, err := fsblob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestBlobs(t *testing.T) {
	storagetest.TestBlobs(t, func(t *testing.T) storage.Blobs { return open(t, t.TempDir()) })
}

func TestSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ref, err := s.Put(t.Context(), "k", []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir)
	ref2, err := s.Put(t.Context(), "k2", []byte("also"))
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range map[string]string{ref: "kept", ref2: "also"} {
		if got, err := s.Get(t.Context(), r); err != nil || string(got) != want {
			t.Fatalf("%s: %q, %v", r, got, err)
		}
	}
}

// A crash can leave half a record at the end; it was never acknowledged.
func TestHalfARecordAtTheEndIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ref, _ := s.Put(t.Context(), "k", []byte("whole"))
	s.Close()
	name := filepath.Join(dir, "segments", "00000001.seg")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(b, b[:len(b)-2]...), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	next, err := s.Put(t.Context(), "k2", []byte("after"))
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range map[string]string{ref: "whole", next: "after"} {
		if got, err := s.Get(t.Context(), r); err != nil || string(got) != want {
			t.Fatalf("%s: %q, %v", r, got, err)
		}
	}
}

func TestFlippedBitIsFound(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ref, _ := s.Put(t.Context(), "k", []byte("content"))
	s.Close()
	name := filepath.Join(dir, "segments", "00000001.seg")
	b, _ := os.ReadFile(name)
	b[len(b)-3] ^= 4
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if _, err := s.Get(t.Context(), ref); !errors.Is(err, storage.ErrCorrupt) {
		t.Fatalf("%v, want corrupt", err)
	}
}

func TestDeletedBytesAreNoLongerInTheFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ref, _ := s.Put(t.Context(), "SECRETKEY", []byte("SECRETDATA"))
	if err := s.Delete(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "segments", "00000001.seg"))
	if err != nil || bytes.Contains(b, []byte("SECRET")) {
		t.Fatalf("the erased bytes are still there: %v", err)
	}
}

func TestSegmentsRoll(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	big := bytes.Repeat([]byte("x"), 9<<20)
	var refs []string
	for range 10 {
		ref, err := s.Put(t.Context(), "k", big)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
	if len(names) != 2 {
		t.Fatalf("%d segments", len(names))
	}
	for _, r := range refs {
		if got, err := s.Get(t.Context(), r); err != nil || !bytes.Equal(got, big) {
			t.Fatalf("%s: %v", r, err)
		}
	}
}
