// Package natslog keeps the log in one JetStream stream.
//
// Append is a compare-and-set per subject. What happened is decided by the log
// itself, never by a reply: replies can be false, doubled or lost. With an
// embedded server a commit barrier makes many appends durable with one fsync;
// nothing that is not durable is shown to anyone.
package natslog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// MaxMessage is the most bytes of data a record may carry.
const MaxMessage = 1 << 20

// Options of a Log. The zero value is a remote server that syncs every message.
type Options struct {
	Namespace string // default "main"; [a-z][a-z0-9-]*
	// Replicas of the stream: 1, or 3 in a cluster. Default 1.
	Replicas int
	// MaxBytes of the stream; a full log refuses writes. Default 256 GiB.
	MaxBytes int64
	// FirstSeq of a stream that is made; what was before it is gone for good.
	// Default 1.
	FirstSeq uint64
	// Memory keeps the stream in memory; nothing survives.
	Memory bool
	// BlockDir is the folder of the stream's block files when the server is
	// embedded and its appends are to be made durable by the commit barrier.
	// Empty: the server syncs, or nothing does.
	BlockDir string
	// SyncWith is called beside every sync of the barrier, for the store whose
	// writes the appended events refer to.
	SyncWith func(context.Context) error
	// Sole tells that no other process writes to this log.
	Sole bool
	// Timeout bounds an append, the decision included. Default 10 s.
	Timeout time.Duration
	// Flight is told of every group of appends that was made durable together:
	// how many, and how long that took. It must not wait.
	Flight func(appends int, took time.Duration)
	// Erasing is told before so many entries are erased; an error keeps them.
	// What is missing beyond what it was told is lost.
	Erasing func(entries uint64) error
	// Foreign is called when the log holds an entry of another writer though
	// Sole promises that there is none. It must not wait.
	Foreign func()
	// Wire replaces the way to the server, for tests of what a server may do.
	Wire func(Wire) Wire
	// BeforeSync is called before each sync of the barrier, for tests.
	BeforeSync func()
}

// Stats are counters since the start.
type Stats struct {
	Flights   uint64 // groups of appends made durable together
	Units     uint64 // appends in them
	Conflicts uint64
	Unknown   uint64
	Decided   uint64 // outcomes that the reply did not tell
	Foreign   uint64 // flights beside which another program wrote
}

// Log implements storage.Log.
type Log struct {
	o       Options
	prefix  string
	name    string
	nc      *nats.Conn
	js      jetstream.JetStream
	stream  jetstream.Stream
	wire    Wire
	id      string
	origin  uint64
	barrier *barrier // nil: durable is what is stored
	tail    *tail    // nil: others write too, or flights are side by side
	echo    *echo    // nil: as tail

	mu     sync.Mutex
	queue  []*pending
	flying bool
	broken error // a failed sync: nothing after it can be trusted
	stats  Stats
}

var _ storage.Log = (*Log)(nil)

// StreamName of the log of a namespace.
func StreamName(namespace string) string {
	return storage.StreamName(namespace, "LOG")
}

const (
	metaIdentity = "autocrud-identity"
	metaFormat   = "autocrud-format"
)

func (o Options) withDefaults() Options {
	if o.Namespace == "" {
		o.Namespace = "main"
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 30
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	return o
}

func (o Options) streamConfig() jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:               StreamName(o.Namespace),
		Description:        "AutoCRUD log of namespace " + o.Namespace + ". Deleting or changing it loses data.",
		Subjects:           []string{"ac." + o.Namespace + ".rev.>", "ac." + o.Namespace + ".claim.>", "ac." + o.Namespace + ".ref.>", "ac." + o.Namespace + ".sys.>"},
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		MaxBytes:           o.MaxBytes,
		MaxMsgs:            -1,
		MaxMsgsPerSubject:  -1,
		MaxConsumers:       -1,
		MaxMsgSize:         MaxMessage + 16<<10,
		Storage:            jetstream.FileStorage,
		Replicas:           o.Replicas,
		Duplicates:         2 * time.Minute,
		DenyPurge:          true,
		AllowAtomicPublish: true,
		Compression:        jetstream.S2Compression,
	}
	if o.Memory {
		c.Storage, c.Compression = jetstream.MemoryStorage, jetstream.NoCompression
		c.MaxBytes = min(c.MaxBytes, 4<<30)
	}
	return c
}

// Provision creates the stream when there is none and otherwise checks it.
func Provision(ctx context.Context, js jetstream.JetStream, o Options) error {
	o = o.withDefaults()
	want := o.streamConfig()
	want.Metadata = map[string]string{metaIdentity: uuid.NewString(), metaFormat: strconv.Itoa(storage.EventVersion)}
	want.FirstSeq = o.FirstSeq
	err := createStream(ctx, js, want)
	if err == nil {
		return nil
	}
	if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("create stream %s: %w: %w", want.Name, storage.ErrUnavailable, err)
	}
	s, err := js.Stream(ctx, want.Name)
	if err != nil {
		return fmt.Errorf("open stream %s: %w: %w", want.Name, storage.ErrUnavailable, err)
	}
	return checkDrift(s.CachedInfo().Config, want)
}

// creating is how long servers may take to make a stream or a consumer: those of a cluster
// that has just begun choose leaders first. The client's own 5 seconds are too few.
const creating = 20 * time.Second

func createStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, creating)
	defer cancel()
	_, err := js.CreateStream(ctx, want)
	return err
}

// checkDrift compares the settings that correctness rests on.
func checkDrift(got, want jetstream.StreamConfig) error {
	var bad []string
	check := func(name string, got, want any) {
		if got != want {
			bad = append(bad, fmt.Sprintf("%s is %v, must be %v", name, got, want))
		}
	}
	check("storage", got.Storage, want.Storage)
	check("retention", got.Retention, want.Retention)
	check("discard", got.Discard, want.Discard)
	check("replicas", got.Replicas, want.Replicas)
	check("max age", got.MaxAge, time.Duration(0))
	check("max messages", got.MaxMsgs, int64(-1))
	check("max messages per subject", got.MaxMsgsPerSubject, int64(-1))
	check("subjects", strings.Join(got.Subjects, " "), strings.Join(want.Subjects, " "))
	check("rollup", got.AllowRollup, false)
	check("message TTL", got.AllowMsgTTL, false)
	check("direct get", got.AllowDirect, false)
	check("mirror direct get", got.MirrorDirect, false)
	check("atomic publish", got.AllowAtomicPublish, true)
	check("deny purge", got.DenyPurge, true)
	check("sealed", got.Sealed, false)
	check("no ack", got.NoAck, false)
	check("duplicate window", got.Duplicates, want.Duplicates)
	check("compression", got.Compression, want.Compression)
	check("persist mode", got.PersistMode, want.PersistMode)
	check("counters", got.AllowMsgCounter, false)
	check("message schedules", got.AllowMsgSchedules, false)
	if got.SubjectTransform != nil || got.RePublish != nil || got.Mirror != nil || len(got.Sources) > 0 {
		bad = append(bad, "a transform, republish, mirror or source is set")
	}
	if got.MaxBytes <= 0 {
		bad = append(bad, "max bytes is not set")
	}
	if got.Metadata[metaIdentity] == "" {
		bad = append(bad, "it was not created by AutoCRUD")
	}
	if len(bad) > 0 {
		return fmt.Errorf("stream %s: %w: %s", want.Name, storage.ErrDrift, strings.Join(bad, "; "))
	}
	return nil
}

// Open uses the stream that Provision made. The connection stays the caller's.
func Open(ctx context.Context, nc *nats.Conn, o Options) (*Log, error) {
	o = o.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	want := o.streamConfig()
	s, err := js.Stream(ctx, want.Name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w: %w", want.Name, storage.ErrUnavailable, err)
	}
	cfg := s.CachedInfo().Config
	if err := checkDrift(cfg, want); err != nil {
		return nil, err
	}
	l := &Log{o: o, prefix: "ac." + o.Namespace + ".", name: want.Name, nc: nc, js: js, stream: s,
		id: cfg.Metadata[metaIdentity], origin: max(cfg.FirstSeq, 1)}
	w, err := newNATSWire(nc, s)
	if err != nil {
		return nil, err
	}
	l.wire = w
	if o.Wire != nil {
		l.wire = o.Wire(l.wire)
	}
	if o.BlockDir != "" && !o.Memory {
		if l.barrier, err = openBarrier(o, s.CachedInfo().State.LastSeq); err != nil {
			return nil, err
		}
		if o.Sole {
			l.tail = newTail(s.CachedInfo().State.LastSeq)
			l.echo = newEcho(s.CachedInfo().State.LastSeq)
		}
	}
	return l, nil
}

// Stats returns a copy of the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// State implements storage.Log.
func (l *Log) State(ctx context.Context) (storage.LogState, error) {
	info, err := l.stream.Info(ctx)
	if err != nil {
		return storage.LogState{}, unavailable("state", err)
	}
	s := storage.LogState{Identity: l.id, First: l.origin, Last: info.State.LastSeq, Kept: info.State.Msgs, Sole: l.o.Sole}
	return s, l.awaitDurable(ctx, s.Last)
}

// Next implements storage.Log.
func (l *Log) Next(ctx context.Context, subject string, seq uint64) (storage.Entry, error) {
	e, err := l.wire.Get(ctx, l.prefix+subject, max(seq, 1))
	if err != nil {
		return e, err
	}
	return l.local(e), l.awaitDurable(ctx, e.Seq)
}

// Last implements storage.Log.
func (l *Log) Last(ctx context.Context, subject string) (storage.Entry, error) {
	m, err := l.stream.GetLastMsgForSubject(ctx, l.prefix+subject)
	if err != nil {
		return storage.Entry{}, getError("last of "+subject, err)
	}
	e := l.local(entryOf(m))
	return e, l.awaitDurable(ctx, e.Seq)
}

// At implements storage.Log.
func (l *Log) At(ctx context.Context, seq uint64) (storage.Entry, error) {
	m, err := l.stream.GetMsg(ctx, seq)
	if err != nil {
		return storage.Entry{}, getError("entry "+strconv.FormatUint(seq, 10), err)
	}
	e := l.local(entryOf(m))
	return e, l.awaitDurable(ctx, e.Seq)
}

func (l *Log) local(e storage.Entry) storage.Entry {
	e.Subject = strings.TrimPrefix(e.Subject, l.prefix)
	return e
}

func entryOf(m *jetstream.RawStreamMsg) storage.Entry {
	return storage.Entry{Seq: m.Sequence, Subject: m.Subject, ID: m.Header.Get(nats.MsgIdHdr), Data: m.Data, More: unfinished(m.Header)}
}

// unfinished reports whether a message is of a batch that goes on after it.
func unfinished(h nats.Header) bool { return h.Get(hdrBatch) != "" && h.Get(hdrCommit) == "" }

func getError(op string, err error) error {
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("%s: %w", op, storage.ErrNotFound)
	}
	return unavailable(op, err)
}

func unavailable(op string, err error) error {
	return fmt.Errorf("log %s: %w: %w", op, storage.ErrUnavailable, err)
}
