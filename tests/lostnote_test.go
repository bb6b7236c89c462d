package tests_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// The two places of the note that tells which log the data belongs to.
const (
	note       = "identity.json"
	noteBeside = "blobs/identity.json"
)

// spoil does to a file what a wound of that kind does.
func spoil(t testing.TB, dir, name, kind string) {
	t.Helper()
	must(t, wound{name: name, kind: kind, at: 0.5}.inflict(dir, ""))
}

// startsWhole starts a program that must serve all there was, and says what it told.
func startsWhole(t *testing.T, models, dir string, books int) (told string) {
	t.Helper()
	p, refused := apitest.TryLaunch(t, "--models", models, "--data-dir", dir, "--log-level", "info")
	if p == nil {
		t.Fatalf("it does not start: exit %d: %s", refused.Code, refused.Stderr)
	}
	c := apitest.NewClient(t, p.URL)
	if got := c.Get(t, "/v1/books:count?include_deleted=true").Want(t, 200).Int("/count"); got != books {
		t.Errorf("%d books, there were %d", got, books)
	}
	c.Post(t, "/v1/books?id=again", `{"title":"x","isbn":"a1"}`).WantProblem(t, 409, "unique_conflict")
	c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", "[]")
	stopped(t, p)
	for _, name := range []string{note, noteBeside} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(b, []byte(`"log":`)) {
			t.Errorf("%s was not written anew: %q, %v", name, b, err)
		}
	}
	return p.Log()
}

// erasedBy is how many entries a program noted as erased.
func erasedBy(t testing.TB, dir string) (n int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, note))
	must(t, err)
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	var x struct{ Erased int }
	must(t, json.Unmarshal(line, &x))
	return x.Erased
}

// erasedThenKilled is a folder whose program was killed right after erasing, and how
// many books it has.
func erasedThenKilled(t testing.TB, models string, erase func(t testing.TB, c *apitest.Client, dir string)) (dir string, books int) {
	t.Helper()
	dir = t.TempDir()
	p := apitest.Launch(t, "--models", models, "--data-dir", dir)
	c := apitest.NewClient(t, p.URL)
	livedIn(t, c, "a", 8)
	erase(t, c, dir)
	books = c.Get(t, "/v1/books:count?include_deleted=true").Want(t, 200).Int("/count")
	p.Kill()
	return dir, books
}

// Whatever was erased on purpose is known in every place before it is erased: of a
// program that was killed, one copy of the note is enough to start.
func TestTheCopyOfTheNoteKnowsWhatWasErased(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, with(constrained))
	for _, how := range []struct {
		name  string
		erase func(t testing.TB, c *apitest.Client, dir string)
	}{
		{"OnePurge", func(testing.TB, *apitest.Client, string) {}}, // livedIn does that
		{"PurgesOfMany", func(t testing.TB, c *apitest.Client, _ string) {
			for i := range 20 {
				path := fmt.Sprint("/v1/books/m", i)
				c.Post(t, fmt.Sprint("/v1/books?id=m", i), `{"title":"one"}`).Want(t, 201)
				c.Put(t, path, `{"title":"two"}`).Want(t, 200)
				c.Post(t, path+":purge", nil).Want(t, 204)
			}
		}},
		{"ALongHistory", func(t testing.TB, c *apitest.Client, dir string) {
			c.Post(t, "/v1/books?id=long", `{"title":"long"}`).Want(t, 201)
			for i := range 110 { // more than a purge erases at once
				c.Put(t, "/v1/books/long", fmt.Sprintf(`{"title":"%d"}`, i)).Want(t, 200)
			}
			c.Post(t, "/v1/books/long:purge", nil).Want(t, 202)
			apitest.Eventually(t, 20*time.Second, "the history is about to be erased, or was", func() bool {
				return erasedBy(t, dir) > 100
			})
		}},
	} {
		from, books := erasedThenKilled(t, models, how.erase)
		for _, lost := range []struct {
			name, file, kind string
			tells            string
		}{
			{"TheNoteIsGone", note, away, ""},
			{"TheNoteIsCut", note, cut, "is damaged"},
			{"AByteOfTheNoteIsAnother", note, flipped, "is damaged"},
			{"TheCopyIsGone", noteBeside, away, "was missing"},
			{"AByteOfTheCopyIsAnother", noteBeside, flipped, "is damaged"},
		} {
			t.Run(how.name+"/"+lost.name, func(t *testing.T) {
				t.Parallel()
				dir := clone(t, from)
				spoil(t, dir, lost.file, lost.kind)
				told := startsWhole(t, models, dir, books)
				if !strings.Contains(told, lost.tells) {
					t.Errorf("%q was not told: %s", lost.tells, told)
				}
			})
		}
		t.Run(how.name+"/BothAreGone", func(t *testing.T) {
			t.Parallel()
			dir := clone(t, from)
			spoil(t, dir, note, away)
			spoil(t, dir, noteBeside, away)
			if told := startsWhole(t, models, dir, books); !strings.Contains(told, "from now on the data remembers which log") {
				t.Errorf("it was not told: %s", told)
			}
		})
		t.Run(how.name+"/BothAreDamaged", func(t *testing.T) {
			t.Parallel()
			dir := clone(t, from)
			spoil(t, dir, note, flipped)
			spoil(t, dir, noteBeside, cut)
			if told := startsWhole(t, models, dir, books); !strings.Contains(told, "is damaged") {
				t.Errorf("it was not told: %s", told)
			}
		})
	}
}

// On S3 the copy of the note is in the bucket and knows as much.
func TestTheCopyInTheBucketKnowsWhatWasErased(t *testing.T) {
	t.Parallel()
	s := apitest.S3(t)
	s.Models = apitest.WriteModels(t, with(constrained))
	up := append([]string{"up", "--addr", "127.0.0.1:0"}, flags(s)...)
	p := apitest.LaunchService(t, up...)
	livedIn(t, apitest.NewClient(t, p.URL), "a", 8)
	p.Kill()
	if erasedBy(t, s.DataDir) == 0 {
		t.Fatal("nothing was erased")
	}
	for _, kind := range []string{away, cut, flipped} {
		spoil(t, s.DataDir, note, kind)
		p := apitest.LaunchService(t, up...)
		c := apitest.NewClient(t, p.URL)
		c.Post(t, "/v1/books?id="+kind[:3], `{"title":"one"}`).Want(t, 201)
		c.Post(t, "/v1/books/"+kind[:3]+":purge", nil).Want(t, 204)
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", "[]")
		p.Kill()
	}
}

// Content that lost its note of the log is taken back when it is the log's, with one
// WARN, whatever happened last. TestALogThatDoesNotFitIsRefusedAndNothingIsTouched
// has what is not taken back.
func TestContentThatLostItsNoteIsTakenBack(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, with(constrained))
	for _, last := range []struct {
		name string
		do   func(testing.TB, *apitest.Client, string)
	}{
		{"AfterAPurge", func(t testing.TB, c *apitest.Client, _ string) {
			c.Post(t, "/v1/books?id=p", `{"title":"one"}`).Want(t, 201)
			c.Post(t, "/v1/books/p:purge", nil).Want(t, 204)
		}},
		{"AfterADelete", func(t testing.TB, c *apitest.Client, _ string) { c.Delete(t, "/v1/books/a7").Want(t, 200) }},
		{"AfterADraftWasReplaced", func(t testing.TB, c *apitest.Client, _ string) {
			c.Put(t, "/v1/books/a6?mode=modify", `{"title":"best draft","isbn":"a6"}`).Want(t, 200)
		}},
		{"AfterARestart", nil},
	} {
		t.Run(last.name, func(t *testing.T) {
			t.Parallel()
			do := last.do
			if do == nil {
				do = func(testing.TB, *apitest.Client, string) {}
			}
			dir, books := erasedThenKilled(t, models, do)
			if last.do == nil {
				startsWhole(t, models, dir, books)
			}
			must(t, os.Remove(filepath.Join(dir, noteBeside)))
			for start, want := range []int{1, 0} {
				told := startsWhole(t, models, dir, books)
				if got := strings.Count(told, "level=WARN"); got != want || strings.Contains(told, "was missing") != (want > 0) {
					t.Errorf("start %d, %d warnings: %s", start, got, told)
				}
			}
		})
	}
}
