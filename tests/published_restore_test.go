package tests_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// withDrafts makes movies whose published state is another than HEAD.
func withDrafts(t *testing.T, c *apitest.Client) {
	t.Helper()
	c.Post(t, "/v1/movies?id=a", heat).Want(t, 201)
	c.Patch(t, "/v1/movies/a?status=draft", apitest.MergePatch, `{"title":"a draft"}`).Want(t, 200)
	c.Post(t, "/v1/movies?id=b", heat).Want(t, 201)
	c.Post(t, "/v1/movies/b:publish", `{"at":"2999-01-01T00:00:00Z"}`).Want(t, 200)
	c.Patch(t, "/v1/movies/b?status=draft", apitest.MergePatch, `{"title":"a draft"}`).Want(t, 200)
	c.Patch(t, "/v1/movies/b?status=draft", apitest.MergePatch, `{"title":"another"}`).Want(t, 200)
	c.Post(t, "/v1/movies?id=gone", heat).Want(t, 201) // leaves a gap in a log that is rebuilt
	purged(t, c, "/v1/movies/gone")
	c.Post(t, "/v1/movies?id=c", heat).Want(t, 201)
	c.Patch(t, "/v1/movies/c?status=draft", apitest.MergePatch, `{"title":"a draft"}`).Want(t, 200)
	c.Delete(t, "/v1/movies/c").Want(t, 200)
}

// publishedEverywhere compares what reads and lists of the published view tell, whatever
// the places in the log are, and returns it.
func publishedEverywhere(t *testing.T, c *apitest.Client) (data map[string]any) {
	t.Helper()
	data = map[string]any{}
	for _, x := range c.Get(t, "/v1/movies?view=published&order_by=meta.id").Want(t, 200).Items() {
		meta := x.(map[string]any)["meta"].(map[string]any)
		id := meta["id"].(string)
		r := c.Get(t, "/v1/movies/"+id+"?view=published").Want(t, 200)
		if !reflect.DeepEqual(r.Value("/meta"), any(meta)) {
			t.Errorf("%s is read as %v, and listed as %v", id, r.Value("/meta"), meta)
		}
		data[id] = r.Value("/data")
	}
	verifyClean(t, c)
	return data
}

func TestARestoredBackupShowsWhatWasPublished(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, row, nil, nil)
			withDrafts(t, c)
			want := publishedEverywhere(t, c)
			if len(want) != 2 {
				t.Fatalf("published are %v", want)
			}
			to := run(t, row, nil, nil)
			if status, body := sendBackup(t, to, fetchBackup(t, c)); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			if got := publishedEverywhere(t, to); !reflect.DeepEqual(got, want) {
				t.Errorf("published are %v, were %v", got, want)
			}
			to.Post(t, "/v1/movies/c:restore", nil).Want(t, 200)
			to.Get(t, "/v1/movies/c?view=published").Want(t, 200).Equal(t, "/data/title", `"Heat"`)
			publishedEverywhere(t, to)
		})
	}
}

func TestARebuiltLogShowsWhatWasPublished(t *testing.T) {
	t.Parallel()
	s := apitest.S3(t)
	s.Models = apitest.WriteModels(t, with(nil))
	var want map[string]any
	serving(t, s, func(c *apitest.Client) {
		withDrafts(t, c)
		want = publishedEverywhere(t, c)
		archivedUpTo(t, filepath.Join(apitest.S3Dir(t), s.S3Bucket), c.LogSeq(t, "movies"))
	})
	if err := os.RemoveAll(filepath.Join(s.DataDir, "nats")); err != nil {
		t.Fatal(err)
	}
	ok(t, "", append([]string{"rebuild-log"}, flags(s)...)...)
	serving(t, s, func(c *apitest.Client) {
		if got := publishedEverywhere(t, c); len(want) != 2 || !reflect.DeepEqual(got, want) {
			t.Errorf("published are %v, were %v", got, want)
		}
	})
}
