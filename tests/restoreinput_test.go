package tests_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

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
