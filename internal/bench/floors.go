package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// floors measures what no program on these parts can beat.
func floors(t *table, dir string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	body := []byte(article(0))
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(l) }() // ends with Close
	defer srv.Close()
	for _, c := range t.counts {
		if err := t.cell("floor: HTTP answer of 1 KB", c, load(l.Addr().String(), c, t.seconds, func(int) string { return get("/") }, nil)); err != nil {
			return err
		}
	}
	if err := fileFloor(t, filepath.Join(dir, "floor.log")); err != nil {
		return err
	}
	return logFloor(t, filepath.Join(dir, "floor-nats"))
}

// fileFloor appends 1 KB and syncs, one writer.
func fileFloor(t *table, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	rec := make([]byte, 1024)
	return t.cell("floor: one file, write and fdatasync", t.counts[0], repeat(t, 1, func() error {
		if _, err := f.Write(rec); err != nil {
			return err
		}
		return disk.Sync(f)
	}))
}

// logFloor appends to the log behind the commit barrier.
func logFloor(t *table, dir string) error {
	n, err := natslog.StartEmbedded(dir, natslog.Sync{Barrier: true})
	if err != nil {
		return err
	}
	defer n.Stop()
	js, err := jetstream.New(n.Conn)
	if err != nil {
		return err
	}
	o := natslog.Options{Sole: true, BlockDir: n.BlockDir("main")}
	if err := natslog.Provision(context.Background(), js, o); err != nil {
		return err
	}
	log, err := natslog.Open(context.Background(), n.Conn, o)
	if err != nil {
		return err
	}
	defer log.Close()
	data := make([]byte, 1400)
	for _, c := range t.counts {
		if err := t.cell("floor: commit barrier alone", c, repeat(t, c, func() error {
			id := uuid.NewString()
			_, err := log.Append(context.Background(), []storage.Record{{Subject: "rev.floor." + id, ID: id, Data: data}})
			return err
		})); err != nil {
			return err
		}
	}
	return nil
}

func repeat(t *table, c int, fn func() error) result {
	var n atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(t.seconds)
	errs := make(chan error, c)
	for range c {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := fn(); err != nil {
					errs <- err
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return result{err: err}
	}
	return result{rate: float64(n.Load()) / t.seconds.Seconds()}
}
