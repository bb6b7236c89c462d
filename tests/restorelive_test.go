package tests_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// A backup that is restored into a running server is in force at once: webhooks are
// told what happens from then on, signed with their own secret, and of what was
// restored nothing, neither then nor after a restart.
func TestAServerThatWasRestoredIntoGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		if row.Split {
			continue // the others have to be restarted, which the guide says
		}
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			from := start(t, nil, local(autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}), constrained)
			r := newReceiver(t)
			secret := from.Post(t, "/v1/webhooks?id=h1", `{"url":"`+r.URL+`/hook","ordered":true}`).Want(t, 201).Text("/secret")
			livedIn(t, from, "a", 300) // more than the index takes at once
			n := len(from.Get(t, "/v1/books/a1/history").Want(t, 200).Items())
			if n == 0 {
				t.Fatal("nothing happened")
			}
			from.Post(t, "/v1/movies?id=last", `{"title":"last","year":2000}`).Want(t, 201)
			apitest.Eventually(t, 60*time.Second, "all was delivered", func() bool { return slices.Contains(whats(r.got()), "created last") })
			backup := fetchBackup(t, from)
			from.Patch(t, "/v1/webhooks/h1", apitest.MergePatch, `{"paused":true}`).Want(t, 200)
			told := len(r.got())

			s := local(row.Settings(t))
			s.Models, s.Addr, s.LogLevel = apitest.WriteModels(t, with(constrained)), "127.0.0.1:0", "error"
			run, err := autocrud.New().Start(context.Background(), s)
			must(t, err)
			defer func() { _ = run.Stop() }()
			to := apitest.NewClient(t, run.URL)
			if status, body := sendBackup(t, to, backup); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			for round, id := range []string{"m1", "m2"} {
				to.Post(t, "/v1/movies?id="+id, `{"title":"new","year":2001}`).Want(t, 201)
				apitest.Eventually(t, 30*time.Second, "what is new is delivered", func() bool { return slices.Contains(whats(r.got()), "created "+id) })
				for _, x := range r.got()[told:] {
					if x.what != "created "+id {
						t.Errorf("round %d: it was told of %s again", round, x.what)
					}
					wh, err := standardwebhooks.NewWebhook(secret)
					must(t, err)
					if err := wh.Verify(x.body, x.header); err != nil {
						t.Errorf("%s: %v", x.what, err)
					}
				}
				to.Post(t, "/v1/webhooks/h1:test", nil).Want(t, 200)
				told = len(r.got())
				to.Post(t, "/v1/books?id=again", `{"title":"x","isbn":"a1"}`).WantProblem(t, 409, "unique_conflict")
				to.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", "[]")
				if round == 1 || row.Name == "memory" {
					break
				}
				must(t, run.Stop())
				run, err = autocrud.New().Start(context.Background(), s)
				must(t, err)
				to = apitest.NewClient(t, run.URL)
			}
		})
	}
}

// A point of a watch from before a restore is one of another log. It is gone, also
// where the new log has that sequence; a list tells the point to go on from.
func TestAPointOfAWatchFromBeforeARestoreIsGone(t *testing.T) {
	t.Parallel()
	from := start(t, nil, autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}, constrained)
	for range 5 {
		from.Post(t, "/v1/movies", `{"title":"old","year":2000}`).Want(t, 201)
	}
	old := []string{"1", from.Post(t, "/v1/movies", `{"title":"old","year":2000}`).Want(t, 201).Header.Get("Autocrud-Seq")}
	backup := fetchBackup(t, from)
	later := from.Post(t, "/v1/movies", `{"title":"not in the backup","year":2000}`).Want(t, 201).Header.Get("Autocrud-Seq")

	gone := func(t *testing.T, to *apitest.Client, points ...string) {
		t.Helper()
		listed := to.Get(t, "/v1/movies").Want(t, 200).Header.Get("Autocrud-Index-Seq")
		for range 20 { // the new log grows past what the old one had
			to.Post(t, "/v1/movies", `{"title":"new","year":2001}`).Want(t, 201)
		}
		for _, path := range []string{"/v1/movies:watch", "/v1:watch"} {
			for _, point := range points {
				_, r, err := to.Watch(t.Context(), path+"?from_seq="+point)
				must(t, err)
				r.WantProblem(t, 410, "gone")
				_, r, err = to.Watch(t.Context(), path, apitest.Header("Last-Event-ID", point))
				must(t, err)
				r.WantProblem(t, 410, "gone")
			}
			w := to.MustWatch(t, path+"?from_seq="+listed)
			for range 20 {
				e, err := w.Next()
				must(t, err)
				if e.Action != "created" {
					t.Errorf("%+v", e)
				}
			}
			if e, err := to.MustWatch(t, path+"?from_seq=0").Next(); err != nil || e.Action != "created" {
				t.Errorf("from the beginning: %+v, %v", e, err)
			}
		}
	}
	for _, row := range storages(t) {
		if row.Split {
			continue // a watch begins there as it does here
		}
		t.Run("running "+row.Name, func(t *testing.T) {
			t.Parallel()
			to := start(t, nil, row.Settings(t), constrained)
			if status, body := sendBackup(t, to, backup); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			gone(t, to, old...)
		})
	}
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		file, dir, models := filepath.Join(t.TempDir(), "all.backup"), t.TempDir(), apitest.WriteModels(t, with(constrained))
		must(t, os.WriteFile(file, backup, 0o600))
		if got := apitest.Run(t, "", "restore", file, "--data-dir", dir, "--models", models); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
		if got := apitest.Run(t, "", "verify", "--data-dir", dir, "--models", models); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
		p := apitest.Launch(t, "--data-dir", dir, "--models", models, "--log-level", "error")
		gone(t, apitest.NewClient(t, p.URL), append(old, later)...)
	})
}
