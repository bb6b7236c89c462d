package testenv

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/fsblob"
	"github.com/autocrud-go/autocrud/pkg/storage/memblob"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
	"github.com/autocrud-go/autocrud/services/indexer"
)

// Stack is a Manager on the real parts of a storage row.
type Stack struct {
	Manager *resource.Domain
	Log     *natslog.Log
	Blobs   storage.Blobs
	Index   storage.Index
	NATS    *nats.Conn            // of the account with the stream of events
	Events  storage.Subscriptions // of that stream
	Addr    string                // of NATS, when it listens
	Stop    func()                // may be called before the test ends
}

// StackOptions change a Stack; the zero value is the disk row.
type StackOptions struct {
	Memory  bool // the memory row
	Indexer indexer.Options
	Log     func(*natslog.Options)
	Manager func(*resource.Options)
	Index   storage.Index // instead of SQLite in the folder
	Listen  natslog.Listen
}

// Types parses model files given as YAML text.
func Types(t testing.TB, models ...string) []*model.Type {
	t.Helper()
	var types []*model.Type
	for _, text := range models {
		typ, errs := model.ParseType("model.yaml", []byte(text))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		types = append(types, typ)
	}
	if err := model.CheckTypes(types); err != nil {
		t.Fatal(err)
	}
	return types
}

// Open starts a Stack in dir, which may hold what an earlier one left.
func Open(t testing.TB, dir string, types []*model.Type, o StackOptions) *Stack {
	t.Helper()
	var blobs storage.Blobs = memblob.New()
	closeBlobs, indexName := func() {}, ":memory:"
	if !o.Memory {
		files, err := fsblob.Open(filepath.Join(dir, "blobs"))
		if err != nil {
			t.Fatal(err)
		}
		blobs, closeBlobs, indexName = files, func() { files.Close() }, filepath.Join(dir, "index.sqlite")
	}
	log, server, stopLog, err := openLog(t, filepath.Join(dir, "nats"), o.Listen, func(lo *natslog.Options) {
		lo.SyncWith, lo.Memory = blobs.Sync, o.Memory
		if o.Log != nil {
			o.Log(lo)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	index := o.Index
	if index == nil {
		if index, err = sqliteindex.Open(t.Context(), indexName, sqliteindex.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if o.Indexer.Outward == nil {
		o.Indexer.Outward = Outward(t, server.Events, natslog.OutwardOptions{Memory: o.Memory})
	}
	progress := states.NewProgress()
	ix := indexer.New(types, log, blobs, index, progress, o.Indexer)
	if _, err := ix.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := log.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mo := resource.Options{LogSyncsBlobs: true, Sole: true, Last: state.Last, Progress: progress, Outward: o.Indexer.Outward, ClaimKey: []byte("0123456789abcdef0123456789abcdef")}
	if o.Manager != nil {
		o.Manager(&mo)
	}
	events, _ := o.Indexer.Outward.(storage.Subscriptions)
	s := &Stack{Events: events, Manager: resource.NewDomain(types, log, blobs, index, mo), Log: log, Blobs: blobs, Index: index, NATS: server.Events, Addr: server.Addr()}
	ctx, cancel := context.WithCancel(context.Background())
	actors := []func(context.Context) error{ix.Run, s.Manager.Upkeep.Upkeep, s.Manager.Watches.RunWatches}
	done := make(chan struct{}, len(actors))
	for _, run := range actors {
		go func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
			done <- struct{}{}
		}()
	}
	stopped := false
	s.Stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range actors {
			<-done
		}
		index.Close()
		stopLog()
		closeBlobs()
	}
	t.Cleanup(s.Stop)
	return s
}

// Doc decodes JSON for a write.
func Doc(t testing.TB, text string) any {
	t.Helper()
	v, err := model.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
