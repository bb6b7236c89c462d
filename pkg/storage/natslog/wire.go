package natslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Wire is the way to the server. Its replies may be false, doubled or lost;
// only what Get finds is true, and a "not found" only until it is found.
// Subjects are complete, the namespace included.
type Wire interface {
	// Publish sends every record by itself and returns a reply for each.
	Publish(ctx context.Context, msgs []Message) []Reply
	// Batch sends the records as one atomic batch.
	Batch(ctx context.Context, msgs []Message) Reply
	// Get returns the first entry on the subject at or after seq.
	Get(ctx context.Context, subject string, seq uint64) (storage.Entry, error)
}

// Message is a record with what the server compares before it stores it: the
// sequence of the record's subject, or the sequence of the stream.
type Message struct {
	storage.Record
	Check Check
	Last  uint64 // of the stream, for CheckStream
}

// Check is the precondition that a server compares.
type Check int

// What there is to compare. CheckNothing is for a member of a batch whose first one
// is compared with the stream.
const (
	CheckSubject Check = iota
	CheckStream
	CheckNothing
)

// messages compares every record with its subject.
func messages(unit []storage.Record) []Message {
	out := make([]Message, len(unit))
	for i, r := range unit {
		out[i].Record = r
	}
	return out
}

// Reply is the server's answer to a publish.
type Reply struct {
	Seq       uint64 // of the last record
	Duplicate bool
	Code      int    // JetStream error code, 0 for none
	Text      string // of the error
	Err       error  // no reply
}

// The codes of the server that need a name. Anything that is not a clean
// acknowledgement is decided by the log, so the list need not be complete.
const (
	codeWrongLast      = 10071 // the subject has another last sequence
	codeWrongLastBusy  = 10164 // another write on the subject is under way, or twice in a batch
	codeBatchPartial   = 10176 // a member of the batch was refused or lost
	codeBatchDuplicate = 10201 // a member of the batch was stored before
	codeBatchTooLarge  = 10199
	codeStoreFailed    = 10077 // the stream is full, among others
	codeTooLarge       = 10054
)

// Clean reports the one kind of reply that is believed.
func (r Reply) Clean() bool { return r.Err == nil && r.Code == 0 && !r.Duplicate && r.Seq > 0 }

const (
	hdrExpected = "Nats-Expected-Last-Subject-Sequence"
	hdrStream   = "Nats-Expected-Last-Sequence"
	hdrGuard    = "Nats-Expected-Last-Subject-Sequence-Subject"
	hdrBatch    = "Nats-Batch-Id"
	hdrBatchSeq = "Nats-Batch-Sequence"
	hdrCommit   = "Nats-Batch-Commit"
)

// replyTimeout is how long a reply is waited for before the log is asked.
const replyTimeout = 3 * time.Second

// natsWire is the real one. Replies of a whole group arrive on one
// subscription, by token, so a group costs no subscription of its own.
type natsWire struct {
	nc      *nats.Conn
	stream  jetstream.Stream
	inbox   string
	token   atomic.Uint64
	mu      sync.Mutex
	waiting map[string]waiter
}

type waiter struct {
	i  int
	to chan<- indexedReply
}

type indexedReply struct {
	i int
	r Reply
}

func newNATSWire(nc *nats.Conn, s jetstream.Stream) (*natsWire, error) {
	w := &natsWire{nc: nc, stream: s, inbox: nc.NewRespInbox(), waiting: map[string]waiter{}}
	if _, err := nc.Subscribe(w.inbox+".*", w.deliver); err != nil {
		return nil, unavailable("subscribe to replies", err)
	}
	return w, nil
}

func (w *natsWire) deliver(m *nats.Msg) {
	w.mu.Lock()
	to, ok := w.waiting[m.Subject]
	delete(w.waiting, m.Subject)
	w.mu.Unlock()
	if ok {
		to.to <- indexedReply{to.i, parseReply(m)}
	}
}

func parseReply(m *nats.Msg) Reply {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return Reply{Err: nats.ErrNoResponders}
	}
	if seq, ok := plainAck(m.Data); ok {
		return Reply{Seq: seq}
	}
	var a struct {
		Seq   uint64 `json:"seq"`
		Dup   bool   `json:"duplicate"`
		Error *struct {
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return Reply{Err: fmt.Errorf("unreadable reply: %w", err)}
	}
	if a.Error != nil {
		return Reply{Code: a.Error.ErrCode, Text: a.Error.Description}
	}
	return Reply{Seq: a.Seq, Duplicate: a.Dup}
}

// plainAck reads the acknowledgement of nearly every publish,
// {"stream":"NAME","seq":N}, and leaves every other to the JSON decoder.
func plainAck(b []byte) (seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(`{"stream":"`))
	if !ok {
		return 0, false
	}
	i := bytes.IndexByte(rest, '"')
	if i < 0 {
		return 0, false
	}
	if rest, ok = bytes.CutPrefix(rest[i:], []byte(`","seq":`)); !ok || len(rest) < 2 || len(rest) > 21 || rest[len(rest)-1] != '}' {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(rest[:len(rest)-1]), 10, 64)
	return seq, err == nil
}

func message(m Message) *nats.Msg {
	h := nats.Header{nats.MsgIdHdr: {m.ID}}
	switch m.Check {
	case CheckSubject:
		h[hdrExpected] = []string{strconv.FormatUint(m.Expected, 10)}
		if m.Guard != "" {
			h[hdrGuard] = []string{m.Guard}
		}
	case CheckStream:
		h[hdrStream] = []string{strconv.FormatUint(m.Last, 10)}
	case CheckNothing:
	}
	return &nats.Msg{Subject: m.Subject, Header: h, Data: m.Data}
}

// await registers a token for each index and returns the reply subjects.
func (w *natsWire) await(n int, to chan<- indexedReply) []string {
	subjects := make([]string, n)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range subjects {
		subjects[i] = w.inbox + "." + strconv.FormatUint(w.token.Add(1), 36)
		w.waiting[subjects[i]] = waiter{i, to}
	}
	return subjects
}

func (w *natsWire) forget(subjects []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range subjects {
		delete(w.waiting, s)
	}
}

// Publish implements Wire.
func (w *natsWire) Publish(ctx context.Context, msgs []Message) []Reply {
	out := make([]Reply, len(msgs))
	to := make(chan indexedReply, len(msgs)) // room for all: deliver never blocks
	subjects := w.await(len(msgs), to)
	defer w.forget(subjects)
	left := 0
	for i, x := range msgs {
		m := message(x)
		m.Reply = subjects[i]
		if err := w.nc.PublishMsg(m); err != nil {
			out[i].Err = err
			continue
		}
		out[i].Err = nats.ErrTimeout
		left++
	}
	timer := time.NewTimer(replyTimeout)
	defer timer.Stop()
	for ; left > 0; left-- {
		select {
		case r := <-to:
			out[r.i] = r.r
		case <-timer.C:
			return out
		case <-ctx.Done():
			return out
		}
	}
	return out
}

// Batch implements Wire. Only the last member asks for a reply; a member that
// was refused on the way shows as an incomplete batch.
func (w *natsWire) Batch(ctx context.Context, msgs []Message) Reply {
	to := make(chan indexedReply, 1)
	subjects := w.await(1, to)
	defer w.forget(subjects)
	id := nats.NewInbox()[len(nats.InboxPrefix):]
	for i, x := range msgs {
		m := message(x)
		m.Header[hdrBatch] = []string{id}
		m.Header[hdrBatchSeq] = []string{strconv.Itoa(i + 1)}
		if i == len(msgs)-1 {
			m.Header[hdrCommit] = []string{"1"}
			m.Reply = subjects[0]
		}
		if err := w.nc.PublishMsg(m); err != nil {
			return Reply{Err: err}
		}
	}
	timer := time.NewTimer(replyTimeout)
	defer timer.Stop()
	select {
	case r := <-to:
		return r.r
	case <-timer.C:
		return Reply{Err: nats.ErrTimeout}
	case <-ctx.Done():
		return Reply{Err: ctx.Err()}
	}
}

// Get implements Wire.
func (w *natsWire) Get(ctx context.Context, subject string, seq uint64) (storage.Entry, error) {
	m, err := w.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
	if err != nil {
		return storage.Entry{}, getError("next of "+subject, err)
	}
	return entryOf(m), nil
}

// notSent reports replies after which the record is known not to be stored.
func notSent(r Reply) bool {
	return errors.Is(r.Err, nats.ErrNoResponders) || errors.Is(r.Err, nats.ErrConnectionClosed)
}
