package admin

import (
	"context"
	"errors"
	"time"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// pruned is what the log says was pruned: its content is nowhere, and some events are
// with the entries that say so instead of in the log.
type pruned struct {
	last    map[states.Key]*storage.Pruned
	headers map[states.Key][]*storage.Event // that no entry of the log came after yet
	missing map[uint64]*storage.Event       // that the index did not tell yet
}

// readPruned reads it up to a sequence.
func (v *verifier) readPruned(ctx context.Context, last uint64) error {
	v.pruned = pruned{last: map[states.Key]*storage.Pruned{}, headers: map[states.Key][]*storage.Event{}, missing: map[uint64]*storage.Event{}}
	end, err := v.m.log.Last(ctx, storage.AllPruned)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	feed, err := v.m.log.Follow(ctx, 1, storage.AllPruned)
	if err != nil {
		return err
	}
	defer feed.Close()
	for at := uint64(0); at < end.Seq; {
		entry, more, err := nextPruned(ctx, v.m.log, feed, at)
		if err != nil || !more || entry.Seq > last {
			return err
		}
		if entry.Seq > at {
			at = entry.Seq
			v.addPruned(entry)
		}
	}
	return nil
}

// unpruned is how long to wait for an entry that was there a moment ago.
const unpruned = time.Second

// nextPruned is the next entry about what was pruned; more is false when there is none
// after a sequence, because the last one was dropped meanwhile.
func nextPruned(ctx context.Context, log storage.Log, feed storage.Feed, after uint64) (entry storage.Entry, more bool, err error) {
	short, cancel := context.WithTimeout(ctx, unpruned)
	entry, err = feed.Next(short)
	cancel()
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return entry, true, err
	}
	entry, err = log.Next(ctx, storage.AllPruned, after+1)
	if errors.Is(err, storage.ErrNotFound) {
		return entry, false, nil
	}
	return entry, true, err
}

func (v *verifier) addPruned(entry storage.Entry) {
	p, err := storage.DecodePruned(entry.Data, entry.Seq)
	var headers []*storage.Event
	if err == nil {
		headers, err = archive.PrunedHeaders(p)
	}
	if err != nil {
		v.report(Finding{Seq: entry.Seq, Problem: "what was pruned cannot be read"})
		return
	}
	k := states.Key{Type: p.Type, ID: p.ID}
	p.Erase, p.Headers = nil, nil
	v.pruned.last[k] = p
	v.pruned.headers[k] = append(v.pruned.headers[k], headers...)
	for _, e := range headers {
		v.pruned.missing[e.Seq] = e
	}
}

// covers reports whether the content that an event left was pruned.
func (p *pruned) covers(e *storage.Event) bool {
	last := p.last[states.Key{Type: e.Meta.Type, ID: e.Meta.ID}]
	return last != nil && last.Covers(e)
}

// has reports whether an event of the index is one that left the log, as it was.
func (p *pruned) has(past storage.Past) bool {
	e := p.missing[past.Seq]
	if e == nil || e.Digest() != past.Event.Digest() {
		return false
	}
	delete(p.missing, past.Seq)
	return true
}

// passPruned goes over the events of a resource that left the log before an entry of it.
func (v *verifier) passPruned(k states.Key, seq uint64) {
	rest := v.pruned.headers[k]
	for len(rest) > 0 && rest[0].Seq <= seq {
		e := rest[0]
		if rest = rest[1:]; e.Seq == seq { // it is still there
			delete(v.pruned.missing, seq)
			continue
		}
		h := v.heads[k]
		h.digest, h.count, h.purged = e.Digest(), e.Meta.RevisionCount, false
		v.heads[k] = h
	}
	if len(rest) == 0 {
		delete(v.pruned.headers, k)
	} else {
		v.pruned.headers[k] = rest
	}
}

// comparePruned compares what was pruned with what the index tells of it.
func (v *verifier) comparePruned(ctx context.Context) error {
	for seq, e := range v.pruned.missing {
		if v.m.types.Named(e.Meta.Type) != nil {
			v.doubts = append(v.doubts, doubt{states.Key{Type: e.Meta.Type, ID: e.Meta.ID}, seq, "index: the event is missing"})
		}
	}
	for k, want := range v.pruned.last {
		if v.m.types.Named(k.Type) == nil {
			continue
		}
		if purged, err := v.tombs.after(ctx, v.m.log, k, want.Seq); err != nil || purged {
			if err != nil {
				return err
			}
			continue
		}
		got, err := v.m.index.Pruned(ctx, k.Type, k.ID)
		if err != nil {
			return err
		}
		if got == nil || got.Seq < want.Seq || got.Seq == want.Seq && got.Through != want.Through {
			v.report(Finding{Type: k.Type, ID: k.ID, Seq: want.Seq, Problem: "index: it does not know what was pruned"})
		}
	}
	return nil
}

// between reports whether every revision between two was pruned: the events that made
// them are not where they were.
func (p *pruned) between(k states.Key, from, to int) bool {
	last := p.last[k]
	for n := from + 1; n < to; n++ {
		if last == nil || !last.Numbers(n) {
			return false
		}
	}
	return true
}
