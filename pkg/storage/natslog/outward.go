package natslog

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// OutwardOptions of the stream for subscribers outside. The zero value keeps
// events for 7 days and up to 10 GiB.
type OutwardOptions struct {
	Namespace string // default "main"
	Replicas  int    // default 1
	Memory    bool
	MaxAge    time.Duration // default 7 days; negative: nothing expires
	MaxBytes  int64         // default 10 GiB; the oldest events go first
}

// Outward implements storage.Outward with one JetStream stream.
type Outward struct {
	o      OutwardOptions
	prefix string // of subjects, up to the type
	nc     *nats.Conn
	stream jetstream.Stream
	key    []byte               // of the names of subscriptions
	found  func(n int, e error) // gets foreign messages; nil: they are only counted

	mu    sync.Mutex
	last  uint64 // sequence in the stream that the next event follows
	empty bool   // it held nothing when it was asked
}

var _ storage.Outward = (*Outward)(nil)

// OutwardName is the name of the stream of a namespace.
func OutwardName(namespace string) string {
	return storage.StreamName(namespace, storage.OutwardStream)
}

func (o OutwardOptions) withDefaults() OutwardOptions {
	if o.Namespace == "" {
		o.Namespace = "main"
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.MaxAge == 0 {
		o.MaxAge = 7 * 24 * time.Hour
	}
	o.MaxAge = max(o.MaxAge, 0)
	if o.MaxBytes == 0 {
		o.MaxBytes = 10 << 30
	}
	return o
}

func (o OutwardOptions) streamConfig() jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:              OutwardName(o.Namespace),
		Description:       "AutoCRUD events of namespace " + o.Namespace + ", written by the indexer.",
		Subjects:          []string{"ac." + o.Namespace + ".event.>"},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardOld,
		MaxAge:            o.MaxAge,
		MaxBytes:          o.MaxBytes,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: -1,
		MaxConsumers:      -1,
		Storage:           jetstream.FileStorage,
		Compression:       jetstream.S2Compression,
		Replicas:          o.Replicas,
		// A repeat is refused by its expected sequence; ids would only take memory.
		Duplicates: time.Second,
		DenyPurge:  true,
		// A stored event is sent once more, to programs that only listen: on the
		// subjects of the stream itself they would also hear what was refused.
		RePublish: &jetstream.RePublish{Source: "ac." + o.Namespace + ".event.>", Destination: "ac." + o.Namespace + ".live.>"},
	}
	if o.Memory {
		c.Storage, c.Compression, c.MaxBytes = jetstream.MemoryStorage, jetstream.NoCompression, min(c.MaxBytes, 1<<30)
	}
	return c
}

// ProvisionOutward creates the stream when there is none. Otherwise it sets how
// long and how much is kept, and checks the rest.
func ProvisionOutward(ctx context.Context, js jetstream.JetStream, o OutwardOptions) error {
	want := o.withDefaults().streamConfig()
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
	got := s.CachedInfo().Config
	if err := checkOutward(got, want); err != nil {
		return err
	}
	if got.MaxAge == want.MaxAge && got.MaxBytes == want.MaxBytes && got.Compression == want.Compression {
		return nil
	}
	got.MaxAge, got.MaxBytes, got.Compression = want.MaxAge, want.MaxBytes, want.Compression
	if _, err := js.UpdateStream(ctx, got); err != nil {
		return fmt.Errorf("set what stream %s keeps: %w: %w", want.Name, storage.ErrUnavailable, err)
	}
	return nil
}

// checkOutward compares the settings that order and completeness rest on.
func checkOutward(got, want jetstream.StreamConfig) error {
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
	check("max messages", got.MaxMsgs, want.MaxMsgs)
	check("max messages per subject", got.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	check("subjects", strings.Join(got.Subjects, " "), strings.Join(want.Subjects, " "))
	check("rollup", got.AllowRollup, false)
	check("deny delete", got.DenyDelete, false)
	check("deny purge", got.DenyPurge, true)
	check("sealed", got.Sealed, false)
	check("no ack", got.NoAck, false)
	check("persist mode", got.PersistMode, want.PersistMode)
	if got.RePublish == nil || *got.RePublish != *want.RePublish {
		bad = append(bad, "the republish is another")
	}
	if got.SubjectTransform != nil || got.Mirror != nil || len(got.Sources) > 0 {
		bad = append(bad, "a transform, mirror or source is set")
	}
	if len(bad) > 0 {
		return fmt.Errorf("stream %s: %w: %s", want.Name, storage.ErrDrift, strings.Join(bad, "; "))
	}
	return nil
}

// OpenOutward uses the stream that ProvisionOutward made. The connection stays
// the caller's.
func OpenOutward(ctx context.Context, nc *nats.Conn, o OutwardOptions) (*Outward, error) {
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
	if err := checkOutward(cfg, want); err != nil {
		return nil, err
	}
	o.MaxAge = cfg.MaxAge
	return &Outward{o: o, prefix: "ac." + o.Namespace + ".event.", nc: nc, stream: s}, nil
}

// The headers of a CloudEvent in NATS binary mode (CloudEvents 1.0, NATS
// protocol binding), and its extensions.
const (
	ceID       = "ce-id"
	ceSource   = "ce-source"
	ceType     = "ce-type"
	ceSubject  = "ce-subject"
	ceTime     = "ce-time"
	ceVersion  = "ce-specversion"
	ceContent  = "ce-datacontenttype"
	ceSequence = "ce-sequence"
	// ceSequenceType says how sequences are compared (Sequence extension 1.0).
	ceSequenceType = "ce-sequencetype"
	cePrincipal    = "ce-principal"
	ceCause        = "ce-cause"
	ceDataRef      = "ce-dataref"     // Claim Check extension
	ceTraceparent  = "ce-traceparent" // Distributed Tracing extension

	hdrExpectedLast   = "Nats-Expected-Last-Sequence"
	hdrExpectedLastID = "Nats-Expected-Last-Msg-Id"
)

func (w *Outward) message(e storage.Outgoing, after uint64) *nats.Msg {
	x := e.Event
	seq := strconv.FormatUint(x.Seq, 10)
	h := nats.Header{
		hdrExpectedLast: {strconv.FormatUint(after, 10)}, nats.MsgIdHdr: {seq},
		ceVersion: {"1.0"}, ceID: {x.ID}, ceSource: {"/autocrud/" + w.o.Namespace + "/" + x.Meta.Type},
		ceType: {"autocrud." + x.Meta.Type + "." + string(x.Action)}, ceSubject: {x.Meta.ID},
		ceTime: {x.At.UTC().Format(time.RFC3339Nano)}, ceContent: {"application/json"}, "content-type": {"application/json"},
		ceSequence: {seq}, ceSequenceType: {"Integer"},
	}
	for name, v := range map[string]string{cePrincipal: x.Principal, ceCause: x.Cause, ceDataRef: e.DataRef, ceTraceparent: x.Trace} {
		if v != "" {
			h[name] = []string{headerValue(v)}
		}
	}
	return &nats.Msg{Subject: w.prefix + x.Meta.Type + "." + string(x.Action) + "." + x.Meta.ID, Header: h, Data: e.Body}
}

// headerValue encodes what is not printable ASCII, as CloudEvents asks for
// headers (HTTP binding section 3.1.3.2).
func headerValue(s string) string {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
		}
	}
	return s
}

// Position implements storage.Outward.
func (w *Outward) Position(ctx context.Context) (storage.OutwardPosition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seq, last, err := w.newest(ctx)
	if err != nil {
		return storage.OutwardPosition{}, err
	}
	w.last, w.empty = last, seq == 0
	p := storage.OutwardPosition{Seq: seq}
	if seq == 0 && w.o.MaxAge > 0 {
		p.Since = time.Now().Add(-w.o.MaxAge)
	}
	return p, nil
}

// newest returns the place in the log of the newest event, and the stream's last
// sequence.
func (w *Outward) newest(ctx context.Context) (seq, last uint64, err error) {
	info, err := w.stream.Info(ctx)
	if err != nil {
		return 0, 0, unavailable("state of the events", err)
	}
	if info.State.Msgs == 0 {
		return 0, info.State.LastSeq, nil
	}
	return w.genuine(ctx, info)
}

// Publish implements storage.Outward. Every message expects the one before it to
// be the stream's last, so the acknowledgement of the last one is that of all.
// A publisher that is behind may have its first ones refused and a later one
// stored: it is the one that belongs there, because all publishers go on from
// an event in the stream by the same log. In an empty stream they may differ in
// where they begin, so the first event goes alone.
func (w *Outward) Publish(ctx context.Context, events []storage.Outgoing) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.empty && len(events) > 1 {
		if err := w.publish(ctx, events[:1]); err != nil {
			return err
		}
		events = events[1:]
	}
	if len(events) == 0 {
		return nil
	}
	return w.publish(ctx, events)
}

// following is the message of an event that follows those before it. It names the
// one before it besides its place: one that is not an event may have taken the
// place, and the event before be refused.
func (w *Outward) following(events []storage.Outgoing, i int) *nats.Msg {
	m := w.message(events[i], w.last+uint64(i))
	if i > 0 {
		m.Header[hdrExpectedLastID] = []string{strconv.FormatUint(events[i-1].Event.Seq, 10)}
	}
	return m
}

func (w *Outward) publish(ctx context.Context, events []storage.Outgoing) error {
	for i := range events[:len(events)-1] {
		if err := w.nc.PublishMsg(w.following(events, i)); err != nil {
			return unavailable("publish an event", err)
		}
	}
	n := uint64(len(events))
	m := w.following(events, int(n-1))
	ctx, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	answer, err := w.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return unavailable("publish an event", err)
	}
	r := parseReply(answer)
	switch {
	case r.Clean() && r.Seq == w.last+n:
		w.last += n
		w.empty = false
		return nil
	case r.Code == codeStoreFailed:
		return fmt.Errorf("publish event %d: %w: %s", events[n-1].Event.Seq, storage.ErrFull, r.Text)
	case r.Err != nil:
		return unavailable("publish an event", r.Err)
	}
	return fmt.Errorf("publish event %d after %d: %w: %d %s", events[n-1].Event.Seq, w.last, storage.ErrConflict, r.Code, r.Text)
}

// tombstoneWait is how long Erase waits for the publisher.
const tombstoneWait = 10 * time.Second

// Erase implements storage.Outward.
func (w *Outward) Erase(ctx context.Context, tombstone *storage.Event) (n int, err error) {
	if done, err := w.awaitPublished(ctx, tombstone); err != nil || done {
		return 0, err
	}
	subject := w.prefix + tombstone.Meta.Type + ".*." + tombstone.Meta.ID
	for seq := uint64(1); ; {
		m, err := w.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return n, nil
		}
		if err != nil {
			return n, unavailable("erase events", err)
		}
		at, err := strconv.ParseUint(m.Header.Get(ceSequence), 10, 64)
		if err == nil && at >= tombstone.Seq {
			return n, nil
		}
		if err := w.stream.SecureDeleteMsg(ctx, m.Sequence); err != nil {
			// Another eraser may have been faster, or its time had come.
			if _, gone := w.stream.GetMsg(ctx, m.Sequence); !errors.Is(gone, jetstream.ErrMsgNotFound) {
				return n, unavailable("erase events", err)
			}
		}
		n++
		seq = m.Sequence + 1
	}
}

// EraseAt implements storage.Outward.
func (w *Outward) EraseAt(ctx context.Context, typ, id string, seqs []uint64) error {
	if len(seqs) == 0 {
		return nil
	}
	last := &storage.Event{Seq: slices.Max(seqs), At: time.Now(), Meta: storage.Meta{Type: typ, ID: id}}
	if done, err := w.awaitPublished(ctx, last); err != nil || done {
		return err
	}
	doomed := map[uint64]bool{}
	for _, seq := range seqs {
		doomed[seq] = true
	}
	subject := w.prefix + typ + ".*." + id
	for seq := uint64(1); ; {
		m, err := w.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return unavailable("erase events", err)
		}
		at, err := strconv.ParseUint(m.Header.Get(ceSequence), 10, 64)
		if err == nil && at > last.Seq {
			return nil
		}
		if seq = m.Sequence + 1; !doomed[at] {
			continue
		}
		if err := w.stream.SecureDeleteMsg(ctx, m.Sequence); err != nil {
			if _, gone := w.stream.GetMsg(ctx, m.Sequence); !errors.Is(gone, jetstream.ErrMsgNotFound) {
				return unavailable("erase events", err)
			}
		}
	}
}

// awaitPublished returns once the stream holds the tombstone; done when nothing
// that old can be in it.
func (w *Outward) awaitPublished(ctx context.Context, tombstone *storage.Event) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tombstoneWait)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		seq, _, err := w.newest(ctx)
		switch {
		case err == nil && seq >= tombstone.Seq:
			return false, nil
		case err == nil && seq == 0 && w.o.MaxAge > 0 && time.Since(tombstone.At) > w.o.MaxAge:
			return true, nil
		case err != nil && ctx.Err() == nil:
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("erase events of %s %s: the tombstone is not published yet: %w", tombstone.Meta.Type, tombstone.Meta.ID, storage.ErrNotReady)
		case <-time.After(wait):
		}
	}
}
