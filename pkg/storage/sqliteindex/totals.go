package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// totals are numbers of matches that are asked for again and again. To count anew looks
// at every match, so they are kept: a batch adds the matches among the resources that it
// changes, counted after it, and takes away those counted before it, in its own
// transaction. A number is dropped when keeping it has taken longer, since it was asked
// for last, than counting anew would.
type totals struct {
	mu    sync.Mutex
	kept  map[string]*total
	asked map[string]int // how often, of those that are not kept
}

type total struct {
	typ   string
	n     int64
	among *sql.Stmt // counts the matches among the resources of a list of ids, its first argument
	args  []any     // the others
	cost  time.Duration
	spent time.Duration // on keeping it, since it was asked for last
}

const (
	maxTotals = 64
	maxAsked  = 1000
)

// worthKeeping is how long counting takes at least for a number to be kept. A test
// changes it.
var worthKeeping = 300 * time.Microsecond

// get is a kept number. again tells that one which is not kept was asked for before.
func (k *totals) get(key string) (n int64, ok, again bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.kept[key]; t != nil {
		t.spent = 0
		return t.n, true, false
	}
	if k.asked == nil || len(k.asked) >= maxAsked {
		k.asked = map[string]int{}
	}
	k.asked[key]++
	return 0, false, k.asked[key] > 1
}

// put keeps a number; x.mu is held, so that nothing is applied meanwhile.
func (k *totals) put(key string, t *total) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept = map[string]*total{}
	}
	if len(k.kept) >= maxTotals {
		k.drop(k.idlest())
	}
	k.kept[key] = t
	delete(k.asked, key)
}

func (k *totals) idlest() (key string) {
	for other, t := range k.kept {
		if key == "" || t.spent > k.kept[key].spent {
			key = other
		}
	}
	return key
}

// drop forgets one; k.mu is held.
func (k *totals) drop(key string) {
	if t := k.kept[key]; t != nil {
		t.among.Close()
		delete(k.kept, key)
	}
}

// clear forgets all.
func (k *totals) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key := range k.kept {
		k.drop(key)
	}
	k.asked = nil
}

// rarely notes that a number is not worth keeping.
func (k *totals) rarely(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked != nil {
		k.asked[key] = -1000
	}
}

// shift is what a batch does to one number.
type shift struct {
	*total
	key  string
	ids  string // JSON
	by   int64
	took time.Duration
}

// shifts are the numbers that a batch may change, and the resources by which.
func (k *totals) shifts(newest map[resource]int) (out []*shift, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	lists := map[string]string{}
	for key, t := range k.kept {
		if _, ok := lists[t.typ]; !ok {
			if lists[t.typ], err = idsOf(newest, t.typ); err != nil {
				return nil, err
			}
		}
		if ids := lists[t.typ]; ids != "" {
			out = append(out, &shift{total: t, key: key, ids: ids})
		}
	}
	return out, nil
}

// idsOf lists the resources of a type as JSON; empty for none.
func idsOf(newest map[resource]int, typ string) (string, error) {
	var ids []string
	for r := range newest {
		if r.typ == typ {
			ids = append(ids, r.id)
		}
	}
	if len(ids) == 0 {
		return "", nil
	}
	b, err := json.Marshal(ids)
	return string(b), err
}

// count adds the matches among the changed resources, times a sign.
func (s *shift) count(ctx context.Context, sign int64) error {
	begun := time.Now()
	var n int64
	if err := s.among.QueryRowContext(ctx, append([]any{s.ids}, s.args...)...).Scan(&n); err != nil {
		return fmt.Errorf("count what changes: %w", err)
	}
	s.by += sign * n
	s.took += time.Since(begun)
	return nil
}

func countAll(ctx context.Context, shifts []*shift, sign int64) error {
	for _, s := range shifts {
		if err := s.count(ctx, sign); err != nil {
			return err
		}
	}
	return nil
}

// move makes the numbers what they are after the batch.
func (k *totals) move(shifts []*shift) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range shifts {
		s.n += s.by
		if s.spent += s.took; s.spent > s.cost {
			k.drop(s.key)
		}
	}
}

// total is how many match, by a second statement: what is written after the page was read
// may show.
func (x *Index) total(ctx context.Context, t *writable, q storage.Search) (int64, error) {
	text, args, err := t.counting(q)
	if err != nil {
		return 0, err
	}
	key := text + fmt.Sprintf("%#v", args)
	if q.Text != "" || len(key) > maxKept {
		return x.count(ctx, text, args)
	}
	n, ok, again := x.totals.get(key)
	if ok {
		return n, nil
	}
	if again && x.mu.TryLock() {
		n, ok = x.keep(ctx, t, q, key)
		x.mu.Unlock()
		if ok {
			return n, nil
		}
	}
	return x.count(ctx, text, args)
}

// keep counts and keeps the number; x.mu is held. ok is false when it could not.
func (x *Index) keep(ctx context.Context, t *writable, q storage.Search, key string) (n int64, ok bool) {
	of := (*x.tables.Load())[q.Type]
	if of == nil || of.serving != t || x.stale || x.conn == nil {
		return 0, false
	}
	text, args, err := t.counting(q)
	if err != nil {
		return 0, false
	}
	begun := time.Now()
	if n, err = x.count(ctx, text, args); err != nil {
		return 0, false
	}
	cost := time.Since(begun)
	if cost < worthKeeping {
		x.totals.rarely(key)
		return n, true
	}
	if text, args, err = t.among(q); err != nil {
		return n, true
	}
	stmt, err := x.conn.PrepareContext(ctx, text)
	if err != nil {
		return n, true
	}
	x.totals.put(key, &total{typ: q.Type, n: n, among: stmt, args: args[1:], cost: cost})
	return n, true
}

// among writes the statement that counts the matches among some resources, found by
// their ids.
func (t *writable) among(q storage.Search) (string, []any, error) {
	s, err := t.search(q)
	if err != nil {
		return "", nil, err
	}
	view := s.view
	view.From = "(SELECT value AS changed FROM json_each(?1)) CROSS JOIN " + t.view.Name + " ON id = changed"
	r := sqlrender.New(dialect{table: t.view.Name}, view)
	r.Arg("") // the ids
	text := r.Count(s.conditions(r))
	args, err := r.Args()
	return text, args, err
}
