package resource

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// The outcomes of what the audit tells.
const (
	OutcomeOK      = "ok"
	OutcomeRefused = "refused"
)

const (
	// auditTimeout is how long the recorded request waits for its entry.
	auditTimeout = 5 * time.Second
	// auditGroup bounds how many entries are kept as one piece.
	auditGroup = 64
	// auditVersion is the format of pieces.
	auditVersion = 1
	// maxNamed bounds the ids that one entry names.
	maxNamed = MaxPageSize
)

// Recorder keeps refusals and audited reads. Entries that are waiting are kept
// together; each process writes a chain of its own, in which every piece has a
// number, the digest of the one before it, and a code that only who has the key
// can make. It is safe for concurrent use.
type Recorder struct {
	store storage.Audit
	key   []byte
	newID func() string

	mu      sync.Mutex
	waiting []waitingEntry
	writing bool // one of the waiting requests writes for all

	chain    string // begins anew after a piece of which it is unknown whether it was kept
	number   uint64
	previous string
}

type waitingEntry struct {
	line []byte
	told chan error
}

// NewRecorder keeps entries in a store, with a secret key that every process of the
// namespace has.
func NewRecorder(store storage.Audit, key []byte) *Recorder {
	return &Recorder{store: store, key: key, newID: newUUID}
}

// Record returns once the entry is kept, or tells that it could not be.
func (r *Recorder) Record(ctx context.Context, e storage.AuditEntry) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	w := waitingEntry{line, make(chan error, 1)}
	r.mu.Lock()
	r.waiting = append(r.waiting, w)
	if !r.writing {
		r.writing = true
		go r.write()
	}
	r.mu.Unlock()
	select {
	case err := <-w.told:
		return err
	case <-ctx.Done():
		return fmt.Errorf("record in the audit: %w", ctx.Err())
	}
}

// write keeps what waits, until nothing does.
func (r *Recorder) write() {
	for {
		r.mu.Lock()
		group := r.waiting[:min(len(r.waiting), auditGroup)]
		r.waiting = r.waiting[len(group):]
		if len(group) == 0 {
			r.writing, r.waiting = false, nil
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		err := r.keep(group)
		for _, w := range group {
			w.told <- err
		}
	}
}

// auditLink is the first line of a piece, after its code.
type auditLink struct {
	Version  int         `json:"v"`
	Chain    string      `json:"chain"`
	Number   uint64      `json:"n"` // from 1
	Previous string      `json:"previous,omitempty"`
	After    *auditPlace `json:"after,omitempty"` // of the first: the last piece of all when the chain began
}

type auditPlace struct {
	Seq    uint64 `json:"seq"`
	Digest string `json:"digest"`
}

// keep writes one piece. Only one goroutine at a time is here.
func (r *Recorder) keep(group []waitingEntry) error {
	ctx, cancel := context.WithTimeout(context.Background(), auditTimeout)
	defer cancel()
	link := auditLink{Version: auditVersion, Chain: r.chain, Number: r.number + 1, Previous: r.previous}
	if r.chain == "" {
		after, err := r.end(ctx)
		if err != nil {
			return err
		}
		link = auditLink{Version: auditVersion, Chain: r.newID(), Number: 1, After: after}
	}
	head, err := json.Marshal(link)
	if err != nil {
		return err
	}
	body := head
	for _, w := range group {
		body = append(append(body, '\n'), w.line...)
	}
	piece := append(append(r.code(body), '\n'), body...)
	id := fmt.Sprintf("%s-%d", link.Chain, link.Number)
	for {
		once, stop := context.WithTimeout(ctx, auditTimeout/4)
		err = r.store.Keep(once, id, piece)
		stop()
		if err == nil {
			r.chain, r.number, r.previous = link.Chain, link.Number, model.HashOf(piece)
			return nil
		}
		if ctx.Err() != nil {
			r.chain = "" // whether it was kept shows when the audit is read
			return err
		}
	}
}

// end is the last piece there is; nil when there is none.
func (r *Recorder) end(ctx context.Context) (*auditPlace, error) {
	first, last, err := r.store.Bounds(ctx)
	if err != nil || last < first || last == 0 {
		return nil, err
	}
	pieces, _, err := r.store.Read(ctx, last, last+1)
	if err != nil || len(pieces) == 0 {
		return nil, err
	}
	return &auditPlace{pieces[0].Seq, model.HashOf(pieces[0].Data)}, nil
}

func (r *Recorder) code(body []byte) []byte {
	mac := hmac.New(sha256.New, r.key)
	mac.Write(body)
	return hex.AppendEncode(nil, mac.Sum(nil))
}

// readPiece takes a piece apart; genuine tells whether its code is right.
func (r *Recorder) readPiece(data []byte) (link auditLink, entries []storage.AuditEntry, genuine bool, err error) {
	code, body, ok := bytes.Cut(data, []byte{'\n'})
	if !ok {
		return link, nil, false, storage.ErrCorrupt
	}
	genuine = hmac.Equal(code, r.code(body))
	lines := bytes.Split(body, []byte{'\n'})
	if err := json.Unmarshal(lines[0], &link); err != nil {
		return link, nil, false, fmt.Errorf("%w: %w", storage.ErrCorrupt, err)
	}
	for _, line := range lines[1:] {
		var e storage.AuditEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return link, nil, false, fmt.Errorf("%w: %w", storage.ErrCorrupt, err)
		}
		entries = append(entries, e)
	}
	return link, entries, genuine, nil
}

// verify reads every piece and reports what was altered, added or taken out.
func (r *Recorder) verify(ctx context.Context, report func(Finding)) (entries int, err error) {
	first, last, err := r.store.Bounds(ctx)
	if err != nil || last == 0 || last < first {
		return 0, err
	}
	find := func(seq uint64, format string, args ...any) {
		report(Finding{Seq: seq, Problem: "audit: " + fmt.Sprintf(format, args...)})
	}
	type end struct {
		number uint64
		digest string
	}
	chains, digests := map[string]end{}, map[uint64]string{}
	expected := first
	for from := first; from <= last; {
		pieces, next, err := r.store.Read(ctx, from, last+1)
		if err != nil {
			return entries, err
		}
		for _, p := range pieces {
			if p.Seq > expected {
				find(expected, "the pieces from %d to %d are missing", expected, p.Seq-1)
			}
			expected = p.Seq + 1
			digest := model.HashOf(p.Data)
			digests[p.Seq] = digest
			link, list, genuine, err := r.readPiece(p.Data)
			if err != nil || !genuine {
				find(p.Seq, "the piece was altered")
				if err != nil {
					continue
				}
			}
			entries += len(list)
			before, known := chains[link.Chain]
			switch {
			case known && (link.Number != before.number+1 || link.Previous != before.digest):
				find(p.Seq, "piece %d of its chain does not follow piece %d: entries were altered or taken out", link.Number, before.number)
			case !known && link.Number != 1 && first == 1:
				find(p.Seq, "its chain begins with piece %d: entries were taken out", link.Number)
			case link.After != nil && link.After.Seq >= first && digests[link.After.Seq] != link.After.Digest:
				find(link.After.Seq, "it is not what it was when a later chain began")
			}
			chains[link.Chain] = end{link.Number, digest}
		}
		from = next
	}
	if expected <= last {
		find(expected, "the pieces from %d to %d are missing", expected, last)
	}
	return entries, nil
}

// byOthers reports whether an actor is one that the audit tells about: not the
// program itself.
func byOthers(a policy.Actor) bool { return a.RequestID != "" || a.Identity != nil }

// tellRead records that an actor reads resources of a type that says so. Nothing is
// shown of which the audit does not tell.
func (gd *Guard) tellRead(ctx context.Context, t *model.Type, action string, ids ...string) error {
	actor := policy.ActorOf(ctx)
	if t == nil || !t.AuditReads || gd.o.Recorder == nil || !byOthers(actor) {
		return nil
	}
	e := storage.AuditEntry{Outcome: OutcomeOK, Action: action, Type: t.Name}
	if len(ids) == 1 && action != "list" {
		e.ID = ids[0]
	} else {
		e.IDs = ids[:min(len(ids), maxNamed)]
	}
	return gd.Tell(ctx, e)
}

// Tell records something that the actor of the context did or was refused, and
// returns once it is kept.
func (gd *Guard) Tell(ctx context.Context, e storage.AuditEntry) error {
	if gd.o.Recorder == nil {
		return nil
	}
	actor := policy.ActorOf(ctx)
	if e.Principal == "" {
		e.Principal = actor.Principal
	}
	e.At, e.RequestID, e.Address, e.UserAgent = gd.States.now(), actor.RequestID, actor.Address, actor.UserAgent
	e.Path = strings.ToValidUTF8(e.Path, "?")
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	if err := gd.o.Recorder.Record(ctx, e); err != nil {
		return &fault.Error{Code: fault.Unavailable, Detail: "the audit cannot be written, without which this is not answered; try again", Cause: err}
	}
	return nil
}

// AuditsReads reports whether reads of any type are recorded.
func (gd *Guard) AuditsReads() bool {
	for _, t := range gd.types {
		if t.AuditReads {
			return true
		}
	}
	return false
}

// Finding is one difference between the log, the blobs and the index.
type Finding struct {
	Type    string `json:"type,omitempty"`
	ID      string `json:"id,omitempty"`
	Seq     uint64 `json:"seq,omitempty"`
	Problem string `json:"problem"`
}
