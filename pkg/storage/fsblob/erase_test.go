package fsblob_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/fsblob"
)

// segmentFiles are the files of a store and the bytes that they take on the disk.
func segmentFiles(t *testing.T, dir string) (names []string, bytes int64) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		bytes += onDisk(t, name)
	}
	return names, bytes
}

// TestRoomComesBack erases most of a segment: what is left can be read, also by the next
// store, and the disk has its room again. With the last of it the file goes.
func TestRoomComesBack(t *testing.T) {
	dir := t.TempDir()
	s, err := fsblob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 64<<10)
	var refs []string
	kept := map[string][]byte{}
	for i := range 1100 { // the second segment is begun
		copy(content, fmt.Sprint("content ", i))
		ref, err := s.Put(t.Context(), fmt.Sprint("k", i), content)
		if err != nil {
			t.Fatal(err)
		}
		if i%60 == 0 {
			kept[ref] = bytes.Clone(content)
		} else {
			refs = append(refs, ref)
		}
	}
	_, before := segmentFiles(t, dir)
	for i := 0; i < len(refs); i += 50 {
		if err := s.DeleteAll(t.Context(), refs[i:min(i+50, len(refs))]); err != nil {
			t.Fatal(err)
		}
	}
	check := func(s *fsblob.Store) {
		t.Helper()
		for ref, content := range kept {
			if got, err := s.Get(t.Context(), ref); err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%s came back as %d bytes, %v", ref, len(got), err)
			}
		}
		n := 0
		if err := s.List(t.Context(), func(_, ref string) error {
			if n++; kept[ref] == nil {
				t.Errorf("%s is still listed", ref)
			}
			return nil
		}); err != nil || n != len(kept) {
			t.Fatalf("%d objects are listed, %v; want %d", n, err, len(kept))
		}
		if err := s.Delete(t.Context(), refs[len(refs)/2]); err != nil {
			t.Fatalf("erasing again: %v", err)
		}
	}
	check(s)
	names, after := segmentFiles(t, dir)
	if len(names) != 2 {
		t.Fatalf("there are %d segments, want 2", len(names))
	}
	if after > before/5 && holes {
		t.Errorf("%d bytes of %d are still taken", after, before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = fsblob.Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check(s)
	if ref, err := s.Put(t.Context(), "after", content); err != nil || kept[ref] != nil {
		t.Fatalf("put after that: %s, %v", ref, err)
	}
	var rest []string
	for ref := range kept {
		rest = append(rest, ref)
	}
	clear(kept)
	if err := s.DeleteAll(t.Context(), rest); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(names[0]); !os.IsNotExist(err) {
		t.Errorf("the segment is still there: %v", err)
	}
	if _, err := s.Get(t.Context(), rest[0]); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("an object of the removed segment: %v", err)
	}
}
