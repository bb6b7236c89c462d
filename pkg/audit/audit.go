package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/google/uuid"
)

// The outcomes of what the audit tells.
const (
	OutcomeOK      = "ok"
	OutcomeRefused = "refused"
)

const (
	// Timeout is how long the recorded request waits for its entry.
	Timeout = 5 * time.Second
	// auditGroup bounds how many entries are kept as one piece.
	auditGroup = 64
	// auditVersion is the format of pieces.
	auditVersion = 1
)

// Recorder keeps refusals and audited reads. Entries that are waiting are kept
// together; each process writes a chain of its own, in which every piece has a
// number, the digest of the one before it, and a code that only who has the key
// can make. It is safe for concurrent use.
type Recorder struct {
	Store storage.Audit
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
	return &Recorder{Store: store, key: key, newID: func() string { return uuid.Must(uuid.NewV7()).String() }}
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

// Link is the first line of a piece, after its code.
type Link struct {
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
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	link := Link{Version: auditVersion, Chain: r.chain, Number: r.number + 1, Previous: r.previous}
	if r.chain == "" {
		after, err := r.end(ctx)
		if err != nil {
			return err
		}
		link = Link{Version: auditVersion, Chain: r.newID(), Number: 1, After: after}
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
		once, stop := context.WithTimeout(ctx, Timeout/4)
		err = r.Store.Keep(once, id, piece)
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
	first, last, err := r.Store.Bounds(ctx)
	if err != nil || last < first || last == 0 {
		return nil, err
	}
	pieces, _, err := r.Store.Read(ctx, last, last+1)
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

// ReadPiece takes a piece apart; genuine tells whether its code is right.
func (r *Recorder) ReadPiece(data []byte) (link Link, entries []storage.AuditEntry, genuine bool, err error) {
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

// Verify reads every piece and reports what was altered, added or taken out.
func (r *Recorder) Verify(ctx context.Context, report func(seq uint64, problem string)) (entries int, err error) {
	first, last, err := r.Store.Bounds(ctx)
	if err != nil || last == 0 || last < first {
		return 0, err
	}
	find := func(seq uint64, format string, args ...any) {
		report(seq, fmt.Sprintf(format, args...))
	}
	type end struct {
		number uint64
		digest string
	}
	chains, digests := map[string]end{}, map[uint64]string{}
	expected := first
	for from := first; from <= last; {
		pieces, next, err := r.Store.Read(ctx, from, last+1)
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
			link, list, genuine, err := r.ReadPiece(p.Data)
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
