package storagetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestBlobs holds an adapter to the contract of storage.Blobs.
func TestBlobs(t *testing.T, open func(t *testing.T) storage.Blobs) {
	put := func(t *testing.T, b storage.Blobs, key, data string) string {
		t.Helper()
		ref, err := b.Put(t.Context(), key, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	t.Run("PutIsReadBackIdentical", func(t *testing.T) {
		b := open(t)
		for _, data := range []string{"", "x", "héllo", strings.Repeat("big", 1<<20)} {
			ref := put(t, b, fmt.Sprint("k", len(data)), data)
			if got, err := b.Get(t.Context(), ref); err != nil || string(got) != data {
				t.Fatalf("%d bytes came back as %d, %v", len(data), len(got), err)
			}
		}
		if err := b.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("DeleteAllErasesThoseAndNoOther", func(t *testing.T) {
		b := open(t)
		var doomed, kept []string
		for i := range 40 {
			ref := put(t, b, fmt.Sprint("k", i), fmt.Sprint("content ", i))
			if i%3 == 0 {
				kept = append(kept, ref)
			} else {
				doomed = append(doomed, ref)
			}
		}
		for range 2 { // what is gone is no error, nor what never was
			if err := b.DeleteAll(t.Context(), append(doomed, "never")); err != nil {
				t.Fatal(err)
			}
		}
		for i, ref := range kept {
			if got, err := b.Get(t.Context(), ref); err != nil || string(got) != fmt.Sprint("content ", 3*i) {
				t.Fatalf("%s is %q, %v", ref, got, err)
			}
		}
		for _, ref := range doomed {
			if _, err := b.Get(t.Context(), ref); !errors.Is(err, storage.ErrNotFound) {
				t.Fatalf("%s: %v, want not found", ref, err)
			}
		}
		n := 0
		if err := b.List(t.Context(), func(string, string) error { n++; return nil }); err != nil || n != len(kept) {
			t.Fatalf("%d are listed, %v; want %d", n, err, len(kept))
		}
	})
	t.Run("ConcurrentPutsDoNotMix", func(t *testing.T) {
		b := open(t)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 50 {
					data := strings.Repeat(fmt.Sprint(w, "-", i, " "), 50)
					ref, err := b.Put(t.Context(), fmt.Sprint(w, "/", i), []byte(data))
					if err != nil {
						t.Error(err)
						return
					}
					if i%10 == 0 {
						if err := b.Sync(t.Context()); err != nil {
							t.Error(err)
						}
					}
					if got, err := b.Get(t.Context(), ref); err != nil || string(got) != data {
						t.Errorf("%d/%d came back different: %v", w, i, err)
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("DeletedIsNotFoundAndOthersStay", func(t *testing.T) {
		b := open(t)
		r1, r2, r3 := put(t, b, "a", "one"), put(t, b, "b", "two"), put(t, b, "c", "three")
		for range 2 {
			if err := b.Delete(t.Context(), r2); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Get(t.Context(), r2); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("get deleted: %v", err)
		}
		seen := map[string]string{}
		if err := b.List(t.Context(), func(k, r string) error { seen[k] = r; return nil }); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 2 || seen["a"] != r1 || seen["c"] != r3 {
			t.Fatalf("listed %v", seen)
		}
	})
	t.Run("UnknownReferenceIsNotFound", func(t *testing.T) {
		b := open(t)
		if _, err := b.Get(t.Context(), "9.9.99"); !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
	})
	t.Run("BinaryIsAddressedByItsContent", func(t *testing.T) { binaries(t, open(t)) })
	t.Run("BinaryOverTheLimitIsRefused", func(t *testing.T) {
		b := open(t)
		if _, err := b.PutBinary(t.Context(), strings.NewReader("12345"), 4); !errors.Is(err, storage.ErrTooLarge) {
			t.Fatal(err)
		}
		if _, err := b.PutBinary(t.Context(), strings.NewReader("1234"), 4); err != nil {
			t.Fatal(err)
		}
	})
}

func binaries(t *testing.T, b storage.Blobs) {
	data := bytes.Repeat([]byte("0123456789"), 200_000)
	sum := sha256.Sum256(data)
	want := storage.Binary{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(data))}
	for range 2 {
		got, err := b.PutBinary(t.Context(), bytes.NewReader(data), 1<<30)
		if err != nil || got != want {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	r, err := b.OpenBinary(t.Context(), want.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != want.Size {
		t.Fatalf("size %d", r.Size())
	}
	if _, err := r.Seek(1_000_003, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 5)
	if _, err := io.ReadFull(r, part); err != nil || string(part) != "34567" {
		t.Fatalf("%q %v", part, err)
	}
	if err := b.DeleteBinary(t.Context(), want.Digest); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{want.Digest, "sha256:zz", "../../etc", ""} {
		if _, err := b.OpenBinary(t.Context(), d); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("open %q: %v", d, err)
		}
	}
}
