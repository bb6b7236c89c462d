package tests_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// dataFolder is a folder with data that a program left behind when it stopped, and
// what its binary holds.
func dataFolder(t testing.TB, models string, prefix string, how func(testing.TB, *apitest.Process)) (dir, digest string) {
	t.Helper()
	dir = t.TempDir()
	p := apitest.Launch(t, "--models", models, "--data-dir", dir)
	c := apitest.NewClient(t, p.URL)
	livedIn(t, c, prefix, 16)
	digest = c.Post(t, "/v1/blobs", picture, apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
	how(t, p)
	return dir, digest
}

// stopped ends a program as it is meant to, killed does not.
func stopped(t testing.TB, p *apitest.Process) {
	t.Helper()
	if code, _ := p.Terminate(t, 15*time.Second); code != 0 {
		t.Fatalf("exit %d: %s", code, p.Log())
	}
}

func killed(_ testing.TB, p *apitest.Process) { p.Kill() }

// files are the files below a folder, by name.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		out[rel] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sameFiles fails when files of before are gone or others now.
func sameFiles(t testing.TB, what string, before, now map[string][]byte) {
	t.Helper()
	for name, b := range before {
		if got, ok := now[name]; !ok || !bytes.Equal(got, b) {
			t.Errorf("%s: %s was changed or removed", what, name)
		}
	}
}

func clone(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logFiles is where the log of a data folder is.
func logFiles(dir string, names ...string) string {
	return filepath.Join(append([]string{dir, "nats", "jetstream", "$G", "streams", "AC_MAIN_LOG"}, names...)...)
}

// aged makes the binaries of a folder old enough to be swept.
func aged(t testing.TB, dir string) {
	t.Helper()
	long := time.Now().Add(-72 * time.Hour)
	must(t, filepath.WalkDir(filepath.Join(dir, "blobs", "binaries"), func(name string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		return os.Chtimes(name, long, long)
	}))
}

// A log that is not the one that the data belongs to is never served: every command
// says what is wrong in one line, with 2, and changes nothing.
func TestALogThatDoesNotFitIsRefusedAndNothingIsTouched(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, with(constrained))
	clean, _ := dataFolder(t, models, "a", stopped)
	crashed, _ := dataFolder(t, models, "a", killed)
	other, _ := dataFolder(t, models, "b", stopped)
	older := clone(t, clean)
	{ // clean goes on, older is what it was
		p := apitest.Launch(t, "--models", models, "--data-dir", clean)
		c := apitest.NewClient(t, p.URL)
		c.Post(t, "/v1/books?id=later", `{"title":"later"}`).Want(t, 201)
		c.Get(t, "/v1/books?consistency=strong").Want(t, 200) // the index alone tells how far an earlier version was
		stopped(t, p)
	}
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				found, err := filepath.Glob(filepath.Join(dir, name))
				must(t, err)
				for _, f := range found {
					must(t, os.RemoveAll(f))
				}
			}
		}
	}
	replace := func(from string, names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				must(t, os.RemoveAll(filepath.Join(dir, name)))
				must(t, os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(from, name))))
			}
		}
	}
	block := func(change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			name := logFiles(dir, "msgs", "1.blk")
			b, err := os.ReadFile(name)
			must(t, err)
			must(t, os.WriteFile(name, change(b), 0o600))
		}
	}
	half := block(func(b []byte) []byte { return b[:len(b)/2] })
	flip := block(func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	first := block(func(b []byte) []byte { b[0] ^= 1; return b })
	then := func(all ...func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, f := range all {
				f(t, dir)
			}
		}
	}
	unremembered := remove("identity.json", "blobs/identity.json") // as earlier versions left it
	log := filepath.Join("nats", "jetstream", "$G", "streams", "AC_MAIN_LOG")
	for _, c := range []struct {
		name   string
		from   string
		damage func(*testing.T, string)
		says   string
	}{
		{"TheLogIsGone", clean, remove("nats"), "the log is missing.*Put it back"},
		{"TheLogsFolderIsGone", clean, remove(log), "the log is missing"},
		{"TheLogIsGoneOfAnEarlierVersion", clean, then(unremembered, remove("nats")), "the log is missing"},
		{"TheLogAndTheIndexAreGone", clean, remove("nats", "index.sqlite*"), "the log is missing"},
		{"TheLogIsAnothers", clean, replace(other, "nats"), "the log is another one"},
		{"TheLogIsAnothersOfAnEarlierVersion", clean, then(unremembered, replace(other, "nats")), "index belongs to another log"},
		{"TheLogIsAnOlderCopy", clean, replace(older, "nats"), "shortened or is an older copy"},
		{"TheLogIsAnOlderCopyAndTheIndexGone", clean, then(replace(older, "nats"), remove("index.sqlite*")), "shortened or is an older copy"},
		{"TheLogIsAnOlderCopyOfAnEarlierVersion", clean, then(unremembered, replace(older, "nats")), "shortened or is an older copy"},
		{"TheBlocksAreGone", clean, remove(filepath.Join(log, "msgs")), "msgs is missing"},
		{"TheBlockIsGone", clean, remove(filepath.Join(log, "msgs", "1.blk")), "log in .* was shortened"},
		{"TheSettingsOfTheLogAreGone", clean, remove(filepath.Join(log, "meta.inf")), "meta.inf is missing"},
		{"TheBlockIsCut", clean, half, "was shortened"},
		{"TheBlockIsCutAfterACrash", crashed, half, "shortened"},
		{"AByteOfTheBlockIsAnother", clean, flip, "the log in .* is damaged.*behind that can be read"},
		{"AByteOfTheBlockIsAnotherAfterACrash", crashed, flip, "the log in .* is damaged.*behind that can be read"},
		{"TheFirstByteOfTheBlockIsAnother", clean, first, "the log in .* is damaged"},
		{"TheContentIsGone", clean, remove("blobs"), "blobs is missing"},
		{"TheSegmentsAreGone", clean, remove("blobs/segments"), "segments is missing"},
		{"TheBinariesAreGone", clean, remove("blobs/binaries"), "binaries is missing"},
		{"TheContentIsAnothers", clean, replace(other, "blobs"), "blobs belongs to another log"},
		{"TheContentIsAnothersWithoutANote", clean, then(replace(other, "blobs"), remove("blobs/identity.json")), "does not tell which log"},
		{"TheContentIsAnothersWithoutANoteAfterACrash", crashed, then(replace(other, "blobs"), remove("blobs/identity.json")), "does not tell which log"},
		{"TheContentIsAnOlderCopyWithoutANote", clean, then(replace(older, "blobs"), remove("blobs/identity.json")), "does not tell which log"},
		{"TheContentWasEmptied", clean, remove("blobs/identity.json", "blobs/segments/*", "blobs/binaries/*"), "does not tell which log"},
		{"TheContentLostItsNoteAndTheLogIsGone", clean, remove("blobs/identity.json", "nats"), "the log is missing"},
		{"TheContentLostItsNoteAndTheLogIsAnothers", clean, then(remove("blobs/identity.json"), replace(other, "nats")), "the log is another one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := clone(t, c.from)
			c.damage(t, dir)
			aged(t, dir)
			before := files(t, dir)
			says := regexp.MustCompile("(?s)^autocrud: .*(" + c.says + ")")
			p, got := apitest.TryLaunch(t, "--models", models, "--data-dir", dir, "--log-level", "error")
			if p != nil {
				t.Fatal("it starts")
			}
			if lines := strings.Count(strings.TrimSpace(got.Stderr), "\n"); got.Code != 2 || !says.MatchString(got.Stderr) || lines > 0 {
				t.Errorf("exit %d: %s", got.Code, got.Stderr)
			}
			for _, command := range []string{"gc", "verify", "reindex"} {
				if got := apitest.Run(t, "", command, "--models", models, "--data-dir", dir); got.Code != 2 || !says.MatchString(got.Stderr) {
					t.Errorf("%s: exit %d: %s", command, got.Code, got.Stderr)
				}
			}
			now := files(t, dir)
			delete(before, "lock")
			for name := range before { // what the server keeps for itself
				if filepath.Base(name) == "index.db" || strings.HasSuffix(name, "o.dat") || strings.Contains(name, "index.sqlite") || !strings.HasPrefix(name, log) && strings.HasPrefix(name, "nats") {
					delete(before, name)
				}
			}
			sameFiles(t, c.name, before, now)
		})
	}
}

// Offline commands on stores without data, or of another namespace, are refused
// and make nothing.
func TestOfflineCommandsOnAWrongFolderMakeNothing(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, with(constrained))
	dir, _ := dataFolder(t, models, "a", stopped)
	aged(t, dir)
	empty := t.TempDir()
	file := filepath.Join(t.TempDir(), "out.backup")
	for _, args := range [][]string{{"backup", file}, {"verify"}, {"gc"}, {"reindex"}, {"reindex", "books"}, {"migrate", "books"}} {
		nowhere := filepath.Join(t.TempDir(), "typo")
		for _, at := range [][]string{{"--data-dir", nowhere}, {"--data-dir", empty}, {"--data-dir", dir, "--namespace", "typo"}} {
			got := apitest.Run(t, "", append(append(args, "--models", models), at...)...)
			if got.Code != 2 || !strings.Contains(got.Stderr, "holds no data") {
				t.Errorf("%v %v: %+v", args, at, got)
			}
		}
		if _, err := os.Stat(nowhere); !os.IsNotExist(err) {
			t.Errorf("%v made the folder", args)
		}
	}
	if made, err := os.ReadDir(empty); err != nil || len(made) > 0 {
		t.Errorf("%v were made in the empty folder, %v", made, err)
	}
	if made, err := os.ReadDir(filepath.Dir(file)); err != nil || len(made) > 0 {
		t.Errorf("%v were written, %v", made, err)
	}
	if p, got := apitest.TryLaunch(t, "--models", models, "--data-dir", dir, "--namespace", "typo"); p != nil || got.Code != 2 || !strings.Contains(got.Stderr, "belongs to namespace main") {
		t.Errorf("another namespace: %+v", got)
	}
	if got := apitest.Run(t, "", "verify", "--models", models, "--data-dir", dir); got.Code != 0 {
		t.Errorf("the data is not what it was: %+v", got)
	}
}

// Data of a version that remembered no log is taken over when its parts agree, and
// that is told once.
func TestDataOfAnEarlierVersionIsTakenOver(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, with(constrained))
	dir, _ := dataFolder(t, models, "a", stopped)
	for _, name := range []string{"identity.json", "blobs/identity.json"} {
		must(t, os.Remove(filepath.Join(dir, name)))
	}
	for round, told := range []bool{true, false} {
		p := apitest.Launch(t, "--models", models, "--data-dir", dir)
		c := apitest.NewClient(t, p.URL)
		c.Post(t, fmt.Sprint("/v1/books?id=more", round), `{"title":"x"}`).Want(t, 201)
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", "[]")
		stopped(t, p)
		if got := strings.Contains(p.Log(), "remembers which log"); got != told {
			t.Errorf("start %d, told: %t\n%s", round, got, p.Log())
		}
	}
}

// The key behind unique values and secrets is kept twice. A log that lost its record
// of it gets the copy back and says so; without a copy it is not served.
func TestTheKeyBehindUniqueValuesIsNeverMadeAnew(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, with(constrained))
	dir, _ := dataFolder(t, models, "a", stopped)
	// The record of the key is the first of the log. A damaged record in a log that
	// was closed is not seen by the server before it is read.
	damage := func(t *testing.T, dir string) {
		name := logFiles(dir, "msgs", "1.blk")
		b, err := os.ReadFile(name)
		must(t, err)
		at := bytes.Index(b, []byte("sys.key"))
		if at < 0 {
			t.Fatal("there is no key in the block")
		}
		b[at+len("sys.key")+60] ^= 1
		must(t, os.WriteFile(name, b, 0o600))
	}
	t.Run("TheCopyIsTaken", func(t *testing.T) {
		t.Parallel()
		dir := clone(t, dir)
		damage(t, dir)
		p, got := apitest.TryLaunch(t, "--models", models, "--data-dir", dir, "--accept-damage")
		if p == nil {
			t.Fatalf("%+v", got)
		}
		c := apitest.NewClient(t, p.URL)
		c.Post(t, "/v1/books?id=again", `{"title":"x","isbn":"a1"}`).WantProblem(t, 409, "unique_conflict")
		stopped(t, p)
		if !strings.Contains(p.Log(), "lost a record with a key") {
			t.Errorf("it was not told: %s", p.Log())
		}
	})
	t.Run("WithoutACopyItIsRefused", func(t *testing.T) {
		t.Parallel()
		dir := clone(t, dir)
		damage(t, dir)
		for _, name := range []string{"identity.json", "blobs/identity.json"} {
			must(t, os.Remove(filepath.Join(dir, name)))
		}
		if p, got := apitest.TryLaunch(t, "--models", models, "--data-dir", dir); p != nil || got.Code != 2 {
			t.Errorf("%+v", got)
		}
		if p, got := apitest.TryLaunch(t, "--models", models, "--data-dir", dir, "--accept-damage"); p != nil || got.Code != 2 || !strings.Contains(got.Stderr, "lost the key") {
			t.Errorf("%+v", got)
		}
	})
}
