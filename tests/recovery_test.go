package tests_test

import (
	"context"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// Services under the rights that are shipped: their log is lost, or their NATS server is
// replaced by one that knows none. Provision makes no empty log in its place, and the user
// recovery makes the log again.
func TestALostLogOfServicesIsRebuiltByTheShippedUser(t *testing.T) {
	t.Parallel()
	s := apitest.Services(t)
	s.Models, s.LogLevel, s.Addr = apitest.WriteModels(t, with(constrained)), "error", "127.0.0.1:0"
	if err := autocrud.New().Provision(t.Context(), apitest.As(s, "provision")); err != nil {
		t.Fatal(err)
	}
	c, stop := apiAndIndexer(t, s)
	livedIn(t, c, "a", 4)
	last, err := strconv.ParseUint(c.Post(t, "/v1/notes?id=mark", `{"text":"x"}`).Want(t, 201).Header.Get("Autocrud-Seq"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	want := biography(t, c, "books", "a1")
	apitest.Eventually(t, 10*time.Second, "the archive holds everything", func() bool {
		names, err := filepath.Glob(filepath.Join(apitest.S3Dir(t), s.S3Bucket, s.Namespace, "log", "*", "*-*"))
		return err == nil && endsAt(names) >= last
	})
	stop()

	js := connectedAs(t, s, "recovery")
	rebuild := append(flags(s)[:2], flags(s)[4:]...) // there is no data folder
	as := apitest.Environment(apitest.As(s, "recovery"))
	rebuild = append([]string{"rebuild-log", "--postgres-url", s.PostgresURL}, rebuild...)
	if got := apitest.RunWith(t, as, rebuild...); got.Code != 2 || !strings.Contains(got.Stderr, "a log with data") {
		t.Fatalf("a log that is there: %+v", got)
	}
	log := "AC_" + strings.ToUpper(s.Namespace) + "_LOG"
	if err := js.DeleteStream(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	if err := autocrud.New().Provision(t.Context(), apitest.As(s, "provision")); err == nil || !strings.Contains(err.Error(), "rebuild-log") {
		t.Errorf("provision where the log was: %v", err)
	}
	if _, err := js.Stream(t.Context(), log); err != jetstream.ErrStreamNotFound {
		t.Errorf("provision made a log that stands in the way: %v", err)
	}
	if got := apitest.RunWith(t, as, rebuild...); got.Code != 0 || !strings.Contains(got.Stdout, " 0 lost, ") {
		t.Fatalf("%+v", got)
	}
	if err := autocrud.New().Provision(t.Context(), apitest.As(s, "provision")); err != nil {
		t.Fatal(err)
	}
	c, stop = apiAndIndexer(t, s)
	apitest.Eventually(t, time.Minute, "the index is built from the log", func() bool { return c.Get(t, "/readyz").Status == 200 })
	if got := biography(t, c, "books", "a1"); !reflect.DeepEqual(got, want) {
		t.Errorf("a book came back as\n%v\nwas\n%v", got, want)
	}
	c.Post(t, "/v1/notes?id=after", `{"text":"x"}`).Want(t, 201)
	c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	stop()
}

// apiAndIndexer are one process of each.
func apiAndIndexer(t *testing.T, s autocrud.Settings) (*apitest.Client, func()) {
	t.Helper()
	indexer, err := autocrud.New().Start(context.Background(), apitest.As(s, "indexer"))
	if err != nil {
		t.Fatal(err)
	}
	api, err := autocrud.New().Start(context.Background(), apitest.As(s, "api"))
	if err != nil {
		t.Fatal(err)
	}
	return apitest.NewClient(t, api.URL), func() {
		for _, r := range []interface{ Stop() error }{api, indexer} {
			if err := r.Stop(); err != nil {
				t.Error(err)
			}
		}
	}
}

// endsAt is the last sequence that objects of an archive are named by.
func endsAt(names []string) (last uint64) {
	for _, n := range names {
		_, to, _ := strings.Cut(filepath.Base(n), "-")
		seq, _ := strconv.ParseUint(to, 10, 64)
		last = max(last, seq)
	}
	return last
}

// connectedAs is JetStream with the rights of a shipped user.
func connectedAs(t *testing.T, s autocrud.Settings, user string) jetstream.JetStream {
	t.Helper()
	as := apitest.As(s, user)
	nc, err := nats.Connect(s.NatsURL, nats.UserInfo(as.NatsUser, testenv.Password), nats.CustomInboxPrefix(as.NatsInbox))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
