package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
)

var released = commit{version: "1.2.3", hash: "0123abc", at: time.Date(2026, 11, 27, 1, 2, 4, 0, time.UTC)}

// written makes the files of an archive, which have another time each time.
func written(t *testing.T) []file {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{"program", "README.md"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Repeat(name, 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-time.Duration(i) * time.Hour)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	return []file{{filepath.Join(dir, "program"), "autocrud", 0o755}, {filepath.Join(dir, "README.md"), "README.md", 0o644}}
}

func TestAnArchiveHasTheSameBytesEachTime(t *testing.T) {
	for name, write := range map[string]func(io.Writer, string, []file, time.Time) error{"tar": tarball, "zip": zipped} {
		var a, b bytes.Buffer
		for _, w := range []*bytes.Buffer{&a, &b} {
			if err := write(w, "autocrud", written(t), released.at); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: the second differs", name)
		}
	}
}

func TestAnArchiveHoldsItsFiles(t *testing.T) {
	var b bytes.Buffer
	if err := tarball(&b, "autocrud", written(t), released.at); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	h, err := tar.NewReader(z).Next()
	if err != nil || h.Name != "autocrud/autocrud" || h.Mode != 0o755 || !h.ModTime.Equal(released.at) {
		t.Errorf("%+v, %v", h, err)
	}
	b.Reset()
	if err := zipped(&b, "autocrud", written(t), released.at); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(r.File) != 2 || r.File[0].Name != "autocrud/autocrud" || !r.File[0].Modified.Equal(released.at) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestTheBillOfMaterialsNamesWhatIsInside reads it as a stranger would.
func TestTheBillOfMaterialsNamesWhatIsInside(t *testing.T) {
	modules := map[string]module{}
	collect(modules, &debug.BuildInfo{GoVersion: "go1.26.8", Deps: []*debug.Module{
		{Path: "example.org/a/v2", Version: "v2.0.1", Sum: "h1:x="},
		{Path: "example.org/b", Version: "v0.1.0", Replace: &debug.Module{Path: "example.org/c_d", Version: "v0.2.0"}}}})
	b, err := document(modules, released)
	if err != nil {
		t.Fatal(err)
	}
	again, err := document(modules, released)
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("the second differs, %v", err)
	}
	var d spdx
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	ids, locators := map[string]bool{d.ID: true}, ""
	for _, p := range d.Packages {
		if ids[p.ID] || notInAnID.MatchString(strings.TrimPrefix(p.ID, "SPDXRef-")) {
			t.Errorf("the id %s", p.ID)
		}
		ids[p.ID] = true
		locators += p.References[0].Locator + "\n"
	}
	want := "pkg:golang/" + ours + "@1.2.3\npkg:golang/example.org/a/v2@v2.0.1\npkg:golang/example.org/c_d@v0.2.0\npkg:golang/stdlib@1.26.8\n"
	if locators != want {
		t.Errorf("it names\n%s", locators)
	}
	for _, r := range d.Relationships {
		if !ids[r.From] || !ids[r.To] {
			t.Errorf("%+v relates to nothing", r)
		}
	}
	if len(d.Relationships) != len(d.Packages) || d.Created.Created != "2026-11-27T01:02:04Z" {
		t.Errorf("%d relationships, %s", len(d.Relationships), d.Created.Created)
	}
}

func TestTheChangelogSaysWhatIsReleased(t *testing.T) {
	t.Chdir("../..")
	if err := noted(autocrud.Version); err != nil {
		t.Error(err)
	}
	if noted("99.0.0") == nil {
		t.Error("it has a version that is none")
	}
}
