package tests_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// Two namespaces share one NATS server, one database and one bucket, and neither
// sees, refuses, loses or erases anything because of the other.
func TestNamespacesDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	shared := apitest.Postgres(t)
	shared.NatsURL = testenv.StartNATS(t, 1).URL()
	shared.Models = apitest.WriteModels(t, with(nil))
	open := func(namespace string) *apitest.Client {
		s := shared
		s.Namespace, s.DataDir = namespace, t.TempDir()
		return apitest.Start(t, nil, s)
	}
	one, two := open("one"), open("two")
	watch, _, err := two.Watch(t.Context(), "/v1/movies:watch?from_seq=0")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()

	blob := one.Do(t, "POST", "/v1/blobs", "only of one", apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
	a := one.Post(t, "/v1/movies?id=a", `{"title":"Of one","year":2001,"slug":"same"}`, apitest.Header("Idempotency-Key", "k")).Want(t, 201)
	two.Get(t, "/v1/movies/a").WantProblem(t, 404, "not_found")
	two.Get(t, "/v1/movies/a/history").WantProblem(t, 404, "not_found")
	two.Get(t, "/v1/movies/a/blobs/"+blob).WantProblem(t, 404, "not_found")
	two.Get(t, "/v1/movies?total=true&consistency=strong").Want(t, 200).Equal(t, "/total", "0")

	b := two.Post(t, "/v1/movies?id=a", `{"title":"Of two","year":2002,"slug":"same"}`, apitest.Header("Idempotency-Key", "k")).Want(t, 201)
	if a.ETag() == b.ETag() {
		t.Error("both have one ETag")
	}
	one.Get(t, "/v1/movies/a").Want(t, 200).Equal(t, "/data/title", `"Of one"`)
	two.Get(t, "/v1/movies/a").Want(t, 200).Equal(t, "/data/title", `"Of two"`)
	two.Put(t, "/v1/movies/a", `{"title":"x","year":2002}`, apitest.IfMatch(a.ETag())).WantProblem(t, 412, "precondition_failed")
	one.Get(t, "/v1/movies?q=two&consistency=strong").Want(t, 200).Equal(t, "/items", "[]")

	one.Post(t, "/v1/movies/a:purge", nil).Want(t, 204)
	two.Get(t, "/v1/movies/a").Want(t, 200).Equal(t, "/data/title", `"Of two"`)
	two.Get(t, "/v1/movies/a/revisions/1").Want(t, 200)
	for _, c := range []*apitest.Client{one, two} {
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", "[]")
	}
	// What went by on the watch of the second is its own.
	told, err := watch.Next()
	if err != nil || told.Envelope.Data["title"] != "Of two" {
		t.Errorf("the watch told %s, %v", told.Raw, err)
	}
	// And so it is with subscribers outside.
	nc, err := nats.Connect(shared.NatsURL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	apitest.Eventually(t, 10*time.Second, "both streams have their events", func() bool {
		for _, ns := range []string{"one", "two"} {
			info, err := js.StreamInfo("AC_" + strings.ToUpper(ns) + "_EVENTS")
			if err != nil || info.State.Msgs == 0 || info.Config.Subjects[0] != "ac."+ns+".event.>" {
				return false
			}
		}
		return true
	})
}
