package wiring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/fsblob"
	"github.com/autocrud-go/autocrud/pkg/storage/memblob"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
	"github.com/autocrud-go/autocrud/pkg/storage/s3blob"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
)

// stores are the opened parts and how to close them, last opened first.
type stores struct {
	nc      *nats.Conn
	events  *nats.Conn // of the account with the stream of events; may be nc
	bus     *natslog.Bus
	log     *natslog.Log
	outward *natslog.Outward
	jobLogs *natslog.JobLogs
	sent    *natslog.Deliveries
	audit   *natslog.Audit
	nats    string // host:port where subscribers reach the events; empty when they cannot
	blobs   storage.Blobs
	archive storage.Archive     // a second copy of the log; nil: there is none
	lost    *archive.Rebuilding // the log that is to be made again
	index   storage.Index
	// notebook remembers which log the data belongs to; known is what it said at
	// the start, nil: nothing.
	notebook *notebook
	known    *origin
	unmarked string         // the folder of content that does not tell its log; empty: it does
	opened   time.Time      // when that began
	files    *natslog.Files // of an embedded log, as they were before it was opened
	shared   *pgindex.Index // index, when other processes use it too; else nil
	sole     bool           // no other process writes to the log
	grouped  bool           // an append syncs the blobs put before it
	closers  []func()
	flight   func(appends int, took time.Duration) // told of groups of appends
	leads    func(role string, does bool)          // told what this process leads
}

func (s *stores) onClose(fn func()) { s.closers = append(s.closers, fn) }

func (s *stores) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

// openStores opens what the storage row names. On an error nothing stays open.
func openStores(ctx context.Context, set *Settings, o *observer, logger *slog.Logger) (_ *stores, err error) {
	s := &stores{flight: o.flight, leads: o.leads, opened: time.Now()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	dir := set.DataDir
	if set.existing {
		if err := existing(ctx, set); err != nil {
			return nil, err
		}
	}
	if set.Storage == "memory" {
		if dir, err = os.MkdirTemp("", "autocrud-"); err != nil {
			return nil, err
		}
		s.onClose(func() { os.RemoveAll(dir) })
	} else if set.usesDataDir() {
		if err := s.lock(dir); err != nil {
			return nil, err
		}
	}
	if err := s.recall(ctx, set, dir, logger); err != nil {
		return nil, err
	}
	if err := s.openBlobs(ctx, set, dir, logger); err != nil {
		return nil, err
	}
	if err := s.openIndex(ctx, set, dir, logger); err != nil {
		return nil, err
	}
	if err := s.inspect(ctx, set, dir); err != nil {
		return nil, err
	}
	return s, s.openLog(ctx, set, dir, logger)
}

// lock keeps a second process out of the data folder.
func (s *stores) lock(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wrong("--data-dir cannot be made: %v", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return wrong("--data-dir cannot be used: %v", err)
	}
	if err := disk.Lock(f); err != nil {
		f.Close()
		if errors.Is(err, disk.ErrLocked) {
			return wrong("--data-dir %s is in use by another process", dir)
		}
		return wrong("--data-dir %s cannot be locked: %v", dir, err)
	}
	s.onClose(func() { f.Close() })
	return nil
}

func (s *stores) openBlobs(ctx context.Context, set *Settings, dir string, logger *slog.Logger) error {
	switch set.Storage {
	case "memory":
		s.blobs = memblob.New()
		return nil
	case "s3", "postgres":
		return s.openBucket(ctx, set, logger)
	}
	b, err := fsblob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		return err
	}
	s.blobs = b
	s.onClose(func() { b.Close() })
	return nil
}

func (s *stores) openBucket(ctx context.Context, set *Settings, logger *slog.Logger) error {
	b, err := s3blob.Open(s3blob.Options{Endpoint: set.S3Endpoint, Bucket: set.S3Bucket, AccessKey: set.S3AccessKey, SecretKey: set.S3SecretKey,
		Region: set.S3Region, Plain: set.S3UseTLS != nil && !*set.S3UseTLS, Prefix: set.Namespace + "/", Logger: logger})
	if err != nil {
		return wrong("--s3-endpoint: %v", err)
	}
	versioned, err := b.Provision(ctx)
	if err != nil {
		return fmt.Errorf("the bucket %q at %s cannot be used: %w", set.S3Bucket, set.S3Endpoint, err)
	}
	if versioned {
		logger.WarnContext(ctx, "the bucket keeps old versions of objects: a purge does not erase them", "bucket", set.S3Bucket)
	}
	s.blobs = b
	if set.Archive == nil || *set.Archive {
		s.archive = b.Archive()
	}
	return s.recallBucket(ctx, set, b.Identity())
}

func (s *stores) openLog(ctx context.Context, set *Settings, dir string, logger *slog.Logger) error {
	every, err := set.sync()
	if err != nil {
		return err
	}
	o := natslog.Options{Namespace: set.Namespace, Memory: set.Storage == "memory", MaxBytes: set.logBytes(), Flight: s.flight, FirstSeq: set.firstSeq}
	if set.NatsURL != "" {
		if s.nc, err = connect(set); err != nil {
			return err
		}
		s.onClose(s.nc.Close)
		if s.events, err = connectEvents(set, s.nc); err != nil {
			return err
		}
		s.onClose(s.events.Close)
		s.nats = s.nc.ConnectedAddr()
		o.Replicas = replicas(set, s.nc)
	} else {
		barrier, begun := every == 0 && !o.Memory, time.Now()
		n, err := natslog.StartListening(filepath.Join(dir, "nats"), natslog.Sync{Barrier: barrier, Every: every},
			natslog.Listen{Addr: set.NatsListen, Password: set.NatsHookPassword, Namespace: set.Namespace, Logger: logger})
		if err != nil {
			return err
		}
		s.onClose(n.Stop)
		if time.Since(begun) > time.Second { // a log that was not closed has been read as a whole
			debug.FreeOSMemory()
		}
		s.nats = n.Addr()
		s.nc, s.events, o.Sole, s.sole = n.Conn, n.Events, true, true
		o.Erasing = s.notebook.erasing
		o.Foreign = func() {
			logger.ErrorContext(ctx, "the log holds an entry that this process did not write, though it is the only writer; run autocrud verify")
		}
		if barrier {
			o.BlockDir, o.SyncWith, s.grouped = n.BlockDir(set.Namespace), s.blobs.Sync, true
		}
	}
	nc := s.nc
	s.bus = natslog.NewBus(nc, set.Namespace)
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if set.rebuilding {
		if err := s.makeRoom(ctx, nc, js, &o); err != nil {
			return err
		}
	}
	if err := s.provisionLog(ctx, set, js, o); err != nil {
		return err
	}
	if s.log, err = natslog.Open(ctx, nc, o); err != nil {
		return settingOf(err)
	}
	s.onClose(s.log.Close)
	eventsJS, err := jetstream.New(s.events)
	if err != nil {
		return err
	}
	events := natslog.OutwardOptions{Namespace: set.Namespace, Memory: o.Memory, Replicas: o.Replicas, MaxAge: set.EventsMaxAge, MaxBytes: set.EventsMaxBytes}
	if set.provisions() {
		if err := natslog.ProvisionOutward(ctx, eventsJS, events); err != nil {
			return settingOf(err)
		}
		if err := natslog.ProvisionDeliveries(ctx, js, events); err != nil {
			return settingOf(err)
		}
	}
	if s.outward, err = natslog.OpenOutward(ctx, s.events, events); err != nil {
		return settingOf(err)
	}
	logs := natslog.JobLogsOptions{Namespace: set.Namespace, Memory: o.Memory, Replicas: o.Replicas}
	if set.provisions() {
		if err := natslog.ProvisionJobLogs(ctx, js, logs); err != nil {
			return settingOf(err)
		}
	}
	if s.jobLogs, err = natslog.OpenJobLogs(ctx, js, logs); err != nil {
		return settingOf(err)
	}
	if s.sent, err = natslog.OpenDeliveries(ctx, nc, events); err != nil {
		return settingOf(err)
	}
	audit := natslog.AuditOptions{Namespace: set.Namespace, Memory: o.Memory, Replicas: o.Replicas, MaxAge: set.AuditMaxAge, MaxBytes: set.AuditMaxBytes}
	if set.provisions() {
		if err := natslog.ProvisionAudit(ctx, js, audit); err != nil {
			return settingOf(err)
		}
	}
	if s.audit, err = natslog.OpenAudit(ctx, js, audit); err != nil {
		return settingOf(err)
	}
	if every > 0 && set.Storage == "disk" {
		s.grouped = true // by the clock, as the log
		s.syncEvery(every)
	}
	return nil
}

// provisionLog makes the log where there never was one.
func (s *stores) provisionLog(ctx context.Context, set *Settings, js jetstream.JetStream, o natslog.Options) error {
	if set.Storage != "memory" && !set.rebuilding {
		there, err := natslog.Exists(ctx, js, set.Namespace)
		if err != nil {
			return err
		}
		if !there && (s.sole && s.known != nil || set.existing) {
			return s.damaged("the log cannot be opened: the NATS server knows none of namespace " + set.Namespace + "; its own warnings say more")
		}
		if !there {
			if err := s.mayBegin(ctx, set, "the NATS server"); err != nil {
				return err
			}
		}
	}
	if !set.provisions() {
		return nil
	}
	return settingOf(natslog.Provision(ctx, js, o))
}

// settingOf makes a drifted stream a matter of settings: nothing was started.
func settingOf(err error) error {
	if errors.Is(err, storage.ErrDrift) {
		return &SettingError{err.Error()}
	}
	return err
}

// syncEvery does for the blobs what the server does for its log.
func (s *stores) syncEvery(every time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				_ = s.blobs.Sync(ctx) // the next one tries again
			case <-ctx.Done():
				return
			}
		}
	}()
	s.onClose(func() { cancel(); <-done })
}

func (s *stores) openIndex(ctx context.Context, set *Settings, dir string, logger *slog.Logger) error {
	if set.Storage == "postgres" {
		index, err := pgindex.Open(ctx, set.PostgresURL, pgindex.Options{Schema: set.schema(), Conns: set.PostgresConns})
		if err != nil {
			return fmt.Errorf("--postgres-url: %w", err)
		}
		s.index, s.shared = index, index
		s.onClose(func() { index.Close() })
		return nil
	}
	name := ":memory:"
	if set.Storage != "memory" {
		name = filepath.Join(dir, "index.sqlite")
	}
	index, err := sqliteindex.Open(ctx, name, sqliteindex.Options{})
	if err != nil && name != ":memory:" {
		// The index is disposable: one that cannot be read is made anew.
		logger.WarnContext(ctx, "the index cannot be opened and is made anew", "error", err)
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(name + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove the damaged index: %w", err)
			}
		}
		index, err = sqliteindex.Open(ctx, name, sqliteindex.Options{})
	}
	if err != nil {
		return err
	}
	s.index = index
	s.onClose(func() { index.Close() })
	return nil
}
