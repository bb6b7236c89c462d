package tests_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Of the backups in a folder the newest stay.
func TestABackupKeepsSoManyBesideIt(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t, nil, autocrud.Settings{Storage: "memory", Models: apitest.WriteModels(t, with(constrained))})
	dir := t.TempDir()
	for i, name := range []string{"b.backup", "a.backup", "c.txt"} { // b is the oldest
		path := filepath.Join(dir, name)
		at := time.Now().Add(time.Duration(i-9) * time.Hour)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if got := apitest.Run(t, "", "backup", "--keep", "2", filepath.Join(dir, "c.backup"), "--url", c.URL); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "a.backup"), filepath.Join(dir, "c.backup"), filepath.Join(dir, "c.txt")}
	if !slices.Equal(left, want) {
		t.Errorf("left are %v", left)
	}
	if got := apitest.Run(t, "", "backup", "--keep", "2", filepath.Join(dir, "noending"), "--url", c.URL); got.Code != 2 {
		t.Errorf("%+v", got)
	}
}

// A backup goes from one server to another without a file: there is none that both a
// container and its machine reach.
func TestABackupIsRestoredFromStandardInput(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, with(constrained))
	c := apitest.Start(t, nil, autocrud.Settings{Storage: "memory", Models: models})
	c.Post(t, "/v1/books?id=a", `{"title":"t","isbn":"1"}`).Want(t, 201)
	backup := apitest.Run(t, "", "backup", "-", "--url", c.URL)
	if backup.Code != 0 {
		t.Fatalf("%d %s", backup.Code, backup.Stderr)
	}
	empty := apitest.Start(t, nil, autocrud.Settings{Storage: "memory", Models: models})
	dir := t.TempDir()
	for where, flags := range map[string][]string{"a server": {"--url", empty.URL}, "a folder": {"--data-dir", dir, "--models", models}} {
		cut := backup.Stdout[:len(backup.Stdout)-1]
		if got := apitest.Run(t, cut, append([]string{"restore", "-"}, flags...)...); got.Code != 1 || !strings.Contains(got.Stderr, "nothing was written") {
			t.Errorf("a backup that is cut, into %s: %+v", where, got)
		}
		if got := apitest.Run(t, backup.Stdout, append([]string{"restore", "-"}, flags...)...); got.Code != 0 || !strings.Contains(got.Stdout, "1 events and 0 binaries restored") {
			t.Errorf("into %s: %+v", where, got)
		}
	}
	empty.Get(t, "/v1/books/a").Want(t, 200)
	p := apitest.Launch(t, "--data-dir", dir, "--models", models, "--log-level", "error")
	apitest.NewClient(t, p.URL).Get(t, "/v1/books/a").Want(t, 200)
}
