package tests_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// prunedMovie makes a movie of which revisions in the middle are pruned, and returns a
// time at which one of those was there.
func prunedMovie(t *testing.T, c *apitest.Client) (then string) {
	t.Helper()
	c.Post(t, "/v1/movies?id=a", heat).Want(t, 201)
	for n := 2; n <= 5; n++ {
		r := c.Patch(t, "/v1/movies/a?status=draft", apitest.MergePatch, fmt.Sprintf(`{"title":"draft %d"}`, n)).Want(t, 200)
		if n == 3 {
			then = r.Text("/meta/updated_at")
		}
	}
	job := "/v1/bulk-jobs/" + c.Post(t, "/v1/movies:prune", `{"revisions":1}`).Want(t, 202).Text("/meta/id")
	apitest.Eventually(t, 5*time.Minute, "the end of the pruning", func() bool { return c.Get(t, job).Text("/meta/job/state") == "succeeded" })
	return then
}

// keptHistory is the history of the movie but for its places in the log, which are in order.
func keptHistory(t *testing.T, c *apitest.Client, then string) []map[string]any {
	t.Helper()
	var out []map[string]any
	last := 0.0
	for _, x := range c.Get(t, "/v1/movies/a/history").Want(t, 200).Items() {
		e := x.(map[string]any)
		seq := e["seq"].(float64)
		if seq <= last {
			t.Errorf("after %v comes %v", last, e)
		}
		last = seq
		delete(e, "seq")
		out = append(out, e)
	}
	if got := fmt.Sprint(revisionsOf(t, c, "/v1/movies/a")); got != "[5 1]" || len(out) != 5 {
		t.Errorf("it has the revisions %s and %d entries in its history", got, len(out))
	}
	c.Get(t, "/v1/movies/a?as_of="+url.QueryEscape(then)).WantProblem(t, 410, "pruned")
	c.Get(t, "/v1/movies/a?view=published&as_of="+url.QueryEscape(then)).Want(t, 200).Equal(t, "/data/title", `"Heat"`)
	verifyClean(t, c)
	return out
}

func TestARestoredHistoryIsThatOfBefore(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, row, nil, nil)
			then := prunedMovie(t, c)
			want := keptHistory(t, c, then)
			to := run(t, row, nil, nil)
			if status, body := sendBackup(t, to, fetchBackup(t, c)); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			if got := keptHistory(t, to, then); !reflect.DeepEqual(got, want) {
				t.Errorf("the history is\n%v, was\n%v", got, want)
			}
		})
	}
}

func TestARebuiltHistoryIsThatOfBefore(t *testing.T) {
	t.Parallel()
	s := apitest.S3(t)
	s.Models, s.Addr, s.LogLevel = apitest.WriteModels(t, with(nil)), "127.0.0.1:0", "error"
	var want []map[string]any
	var then string
	serving(t, s, func(c *apitest.Client) {
		then = prunedMovie(t, c)
		want = keptHistory(t, c, then)
		archivedUpTo(t, filepath.Join(apitest.S3Dir(t), s.S3Bucket), c.LogSeq(t, "movies"))
	})
	if err := os.RemoveAll(filepath.Join(s.DataDir, "nats")); err != nil {
		t.Fatal(err)
	}
	ok(t, "", append([]string{"rebuild-log"}, flags(s)...)...)
	serving(t, s, func(c *apitest.Client) {
		if got := keptHistory(t, c, then); !reflect.DeepEqual(got, want) {
			t.Errorf("the history is\n%v, was\n%v", got, want)
		}
	})
}
