package s3blob_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/s3blob"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

func open(t *testing.T, s *testenv.S3, change func(*s3blob.Options)) *s3blob.Store {
	t.Helper()
	o := s3blob.Options{Endpoint: s.Endpoint, Bucket: "blobs", AccessKey: s.AccessKey, SecretKey: s.SecretKey, Plain: true, Prefix: "main/"}
	if change != nil {
		change(&o)
	}
	b, err := s3blob.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if versioned, err := b.Provision(t.Context()); err != nil || versioned {
		t.Fatal(versioned, err)
	}
	return b
}

func TestBlobs(t *testing.T) {
	s := testenv.StartS3(t)
	storagetest.TestBlobs(t, func(t *testing.T) storage.Blobs {
		return open(t, s, func(o *s3blob.Options) { o.Prefix = strings.ReplaceAll(t.Name(), "/", "-") + "/" })
	})
}

func TestArchive(t *testing.T) {
	storagetest.TestArchive(t, func(t *testing.T) storage.Archive { return open(t, testenv.StartS3(t), nil).Archive() })
}

// files are the objects on disk below a folder of the bucket.
func files(t *testing.T, s *testenv.S3, kind string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(s.Dir, "blobs", "main", kind), func(p string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func flip(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFlippedBitIsDamage(t *testing.T) {
	s := testenv.StartS3(t)
	b := open(t, s, nil)
	ref, err := b.Put(t.Context(), "movies/m1:1/e1", []byte("twelve bytes"))
	if err != nil {
		t.Fatal(err)
	}
	bin, err := b.PutBinary(t.Context(), bytes.NewReader(make([]byte, 300_000)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, files(t, s, "revisions")[0])
	flip(t, files(t, s, "binaries")[0])
	if _, err := b.Get(t.Context(), ref); !errors.Is(err, storage.ErrCorrupt) {
		t.Fatal(err)
	}
	r, err := b.OpenBinary(t.Context(), bin.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, storage.ErrCorrupt) || n == bin.Size {
		t.Fatal(n, err)
	}
}

func TestPutAgainIsTheSameObject(t *testing.T) {
	s := testenv.StartS3(t)
	b := open(t, s, nil)
	r1, err1 := b.Put(t.Context(), "k", []byte("v"))
	r2, err2 := b.Put(t.Context(), "k", []byte("v"))
	if err1 != nil || err2 != nil || r1 != r2 {
		t.Fatal(r1, r2, err1, err2)
	}
}

func TestAServerThatIsAwayIsUnavailable(t *testing.T) {
	s := testenv.StartS3(t)
	b := open(t, s, func(o *s3blob.Options) { o.Timeout = time.Second })
	ref, err := b.Put(t.Context(), "k", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	for name, do := range map[string]func() error{
		"put":         func() error { _, err := b.Put(t.Context(), "k2", []byte("v")); return err },
		"get":         func() error { _, err := b.Get(t.Context(), ref); return err },
		"delete":      func() error { return b.Delete(t.Context(), ref) },
		"list":        func() error { return b.List(t.Context(), func(string, string) error { return nil }) },
		"put binary":  func() error { _, err := b.PutBinary(t.Context(), strings.NewReader("x"), 10); return err },
		"open binary": func() error { _, err := b.OpenBinary(t.Context(), "sha256:"+strings.Repeat("a", 64)); return err },
	} {
		begun := time.Now()
		if err := do(); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
	s.Start(t)
	if data, err := b.Get(t.Context(), ref); err != nil || string(data) != "v" {
		t.Fatal(data, err)
	}
}
