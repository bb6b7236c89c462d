package tests_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// No other user of the machine reads the data, whatever the mode of the folder is that
// was given, and whatever the files had that an earlier version made.
func TestEveryFileIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, with(constrained))
	dir := filepath.Join(t.TempDir(), "data")
	must(t, os.MkdirAll(dir, 0o755)) //nolint:gosec // that is what is tried
	begin := func() *apitest.Process { return apitest.Launch(t, "--models", models, "--data-dir", dir) }
	check := func(when string) {
		t.Helper()
		must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %s has the mode %s", when, name, info.Mode())
			}
			return nil
		}))
	}
	p := begin()
	livedIn(t, apitest.NewClient(t, p.URL), "a", 8)
	check("running")
	stopped(t, p)
	check("stopped")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(filepath.Join(dir, "index.sqlite"+suffix), 0o644); err != nil && !os.IsNotExist(err) { //nolint:gosec // as it was
			t.Fatal(err)
		}
	}
	p = begin()
	apitest.NewClient(t, p.URL).Post(t, "/v1/notes?id=n", `{"text":"x"}`).Want(t, 201)
	check("as an earlier version left it")
	must(t, os.Remove(filepath.Join(dir, "index.sqlite")))
	c := apitest.NewClient(t, p.URL)
	apitest.Eventually(t, 20*time.Second, "the index is made anew", func() bool {
		_, err := os.Stat(filepath.Join(dir, "index.sqlite"))
		return err == nil && c.Get(t, "/v1/notes:count").Status == 200
	})
	check("made anew")
	stopped(t, p)
}

// A password for subscribers that no client is asked for, or that is guessed quickly, is
// refused at the start.
func TestThePasswordOfSubscribersIsNoShortOneAndNotForgotten(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, models)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--nats-hook-password", strings.Repeat("x", 40)}, "--nats-listen"},
		{[]string{"--nats-listen", "127.0.0.1:0", "--nats-hook-password", "short"}, "5 characters"},
		{[]string{"--nats-listen", "127.0.0.1:0", "--nats-hook-password", strings.Repeat("x", 15)}, "at least 16"},
	} {
		p, got := apitest.TryLaunch(t, append(c.args, "--models", models, "--data-dir", t.TempDir())...)
		if p != nil || got.Code != 2 || !strings.Contains(got.Stderr, c.says) || strings.Contains(got.Stderr, "xxxxx") {
			t.Errorf("%v: %+v", c.args, got)
		}
	}
	if p, got := apitest.TryLaunch(t, "--nats-listen", "127.0.0.1:0", "--nats-hook-password", strings.Repeat("x", 16), "--models", models, "--data-dir", t.TempDir()); p == nil {
		t.Errorf("a long one: %+v", got)
	}
}
