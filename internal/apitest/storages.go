package apitest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// Storage is a storage row, or a way of running one, that suites run on.
type Storage struct {
	Name     string
	Settings func(testing.TB) autocrud.Settings
	// Split runs two processes of each service instead of one of all.
	Split bool
}

// Storages are all of them; AUTOCRUD_TEST_STORAGES names fewer, by commas.
func Storages() []Storage {
	all := []Storage{
		{Name: "memory", Settings: func(testing.TB) autocrud.Settings { return autocrud.Settings{Storage: "memory"} }},
		{Name: "disk", Settings: func(t testing.TB) autocrud.Settings {
			return autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}
		}},
		{Name: "s3", Settings: S3},
		{Name: "postgres", Settings: Postgres},
		{Name: "split", Settings: Services, Split: true},
	}
	named := os.Getenv("AUTOCRUD_TEST_STORAGES")
	if named == "" {
		return all
	}
	return slices.DeleteFunc(all, func(s Storage) bool { return !slices.Contains(strings.Split(named, ","), s.Name) })
}

var buckets, namespaces atomic.Int64

// S3 is the row of that name: SQLite in a folder, blobs in a new bucket.
func S3(t testing.TB) autocrud.Settings {
	t.Helper()
	s3, err := testenv.SharedS3()
	if err != nil {
		t.Fatal(err)
	}
	plain := false
	return autocrud.Settings{Storage: "s3", DataDir: t.TempDir(), S3Endpoint: s3.Endpoint, S3Bucket: fmt.Sprintf("test-%d", buckets.Add(1)),
		S3AccessKey: s3.AccessKey, S3SecretKey: s3.SecretKey, S3UseTLS: &plain}
}

// S3Dir is where the server of the S3 row keeps its buckets, as folders.
func S3Dir(t testing.TB) string {
	t.Helper()
	s3, err := testenv.SharedS3()
	if err != nil {
		t.Fatal(err)
	}
	return s3.Dir
}

// Postgres is the row of that name: a new database and a new bucket.
func Postgres(t testing.TB) autocrud.Settings {
	t.Helper()
	s := S3(t)
	dsn, drop, err := testenv.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(drop)
	s.Storage, s.PostgresURL = "postgres", dsn
	return s
}

// Services is the Postgres row for processes that share a cluster of three NATS
// servers.
func Services(t testing.TB) autocrud.Settings {
	t.Helper()
	s := Postgres(t)
	nats, err := testenv.SharedNATS()
	if err != nil {
		t.Fatal(err)
	}
	s.NatsURL, s.Namespace, s.DataDir, s.PostgresConns = nats.URL(), fmt.Sprintf("t%d", namespaces.Add(1)), "", 4
	return s
}

// As has a service connect with the rights that are shipped for it.
func As(s autocrud.Settings, service string) autocrud.Settings {
	s.Service, s.NatsUser, s.NatsEventsUser = service, service+"-"+s.Namespace, service+"-events-"+s.Namespace
	s.NatsPassword, s.NatsInbox = testenv.Password, "_INBOX_"+strings.ToUpper(service)
	return s
}

// Environment says settings of a service to a process.
func Environment(s autocrud.Settings) []string {
	var out []string
	for name, value := range map[string]string{"STORAGE": s.Storage, "MODELS": s.Models, "NAMESPACE": s.Namespace, "NATS_URL": s.NatsURL, "NATS_USER": s.NatsUser,
		"NATS_PASSWORD": s.NatsPassword, "NATS_EVENTS_USER": s.NatsEventsUser, "NATS_INBOX": s.NatsInbox, "POSTGRES_URL": s.PostgresURL,
		"S3_ENDPOINT": s.S3Endpoint, "S3_BUCKET": s.S3Bucket, "S3_ACCESS_KEY": s.S3AccessKey, "S3_SECRET_KEY": s.S3SecretKey} {
		if value != "" {
			out = append(out, "AUTOCRUD_"+name+"="+value)
		}
	}
	return append(out, fmt.Sprintf("AUTOCRUD_S3_USE_TLS=%t", s.S3UseTLS == nil || *s.S3UseTLS), "AUTOCRUD_LOG_LEVEL=error")
}

// StartSplit provisions and starts two processes of each service; the URLs are
// those of the APIs.
func StartSplit(t testing.TB, app *autocrud.App, s autocrud.Settings) (urls []string) {
	t.Helper()
	return StartServices(t, app, s)["api"]
}

// StartServices is StartSplit with the URLs of all, by service.
func StartServices(t testing.TB, app *autocrud.App, s autocrud.Settings) (urls map[string][]string) {
	t.Helper()
	if app == nil {
		app = autocrud.New()
	}
	if s.LogLevel == "" {
		s.LogLevel = "error"
	}
	s.Addr = "127.0.0.1:0"
	if err := app.Provision(context.Background(), As(s, "provision")); err != nil {
		t.Fatal(err)
	}
	urls = map[string][]string{}
	for _, service := range []string{"indexer", "indexer", "worker", "worker", "api", "api"} {
		r, err := app.Start(context.Background(), As(s, service))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Stop(); err != nil {
				t.Errorf("the %s ended with: %v", service, err)
			}
		})
		urls[service] = append(urls[service], r.URL)
	}
	return urls
}
