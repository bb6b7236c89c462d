package natslog_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

// beside runs a suite on a stream in files and on one in memory, each test with a
// server of its own.
func beside(t *testing.T, suite func(t *testing.T, memory bool)) {
	for name, memory := range map[string]bool{"File": false, "Memory": true} {
		t.Run(name, func(t *testing.T) { suite(t, memory) })
	}
}

// embedded is a server of its own, a connection to it and the folder of its files.
func embedded(t *testing.T) (nc *nats.Conn, js jetstream.JetStream, dir string) {
	t.Helper()
	dir = t.TempDir()
	n, err := natslog.StartEmbedded(dir, natslog.Sync{Barrier: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	if js, err = jetstream.New(n.Conn); err != nil {
		t.Fatal(err)
	}
	return n.Conn, js, dir
}

func TestAudit(t *testing.T) {
	beside(t, func(t *testing.T, memory bool) {
		storagetest.TestAudit(t, func(t *testing.T) storage.Audit {
			_, js, _ := embedded(t)
			o := natslog.AuditOptions{Memory: memory}
			if err := natslog.ProvisionAudit(t.Context(), js, o); err != nil {
				t.Fatal(err)
			}
			a, err := natslog.OpenAudit(t.Context(), js, o)
			if err != nil {
				t.Fatal(err)
			}
			return a
		})
	})
}

func TestJobLogs(t *testing.T) {
	beside(t, func(t *testing.T, memory bool) {
		storagetest.TestJobLogs(t, func(t *testing.T) (storage.JobLogs, func(string) bool) {
			_, js, dir := embedded(t)
			o := natslog.JobLogsOptions{Memory: memory}
			if err := natslog.ProvisionJobLogs(t.Context(), js, o); err != nil {
				t.Fatal(err)
			}
			l, err := natslog.OpenJobLogs(t.Context(), js, o)
			if err != nil {
				t.Fatal(err)
			}
			return l, func(text string) bool { return inFiles(t, dir, text) }
		})
	})
}

// inFiles looks for a text in all files of a folder.
func inFiles(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDeliveries(t *testing.T) {
	beside(t, func(t *testing.T, memory bool) {
		storagetest.TestDeliveries(t, func(t *testing.T) storage.Deliveries {
			nc, js, _ := embedded(t)
			o := natslog.OutwardOptions{Memory: memory}
			if err := natslog.ProvisionDeliveries(t.Context(), js, o); err != nil {
				t.Fatal(err)
			}
			d, err := natslog.OpenDeliveries(t.Context(), nc, o)
			if err != nil {
				t.Fatal(err)
			}
			return d
		})
	})
}

func TestSubscriptions(t *testing.T) {
	beside(t, func(t *testing.T, memory bool) {
		storagetest.TestSubscriptions(t, func(t *testing.T) storagetest.SubscriptionsUnderTest {
			nc, _, _ := embedded(t)
			o := natslog.OutwardOptions{Memory: memory}
			a, b := testenv.Outward(t, nc, o), testenv.Outward(t, nc, o)
			return storagetest.SubscriptionsUnderTest{Outward: a, A: a, B: b}
		})
	})
}

func TestBus(t *testing.T) {
	storagetest.TestBus(t, func(t *testing.T) (a, b storage.Bus) {
		nc, _, _ := embedded(t)
		return natslog.NewBus(nc, "main"), natslog.NewBus(nc, "main")
	})
}
