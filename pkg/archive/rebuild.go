package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Rebuilding is a lost log that is to be made again from its archive.
type Rebuilding struct {
	archive  Reader
	blobs    storage.Blobs
	parts    []archivePart
	identity string
	// Last is the last sequence that was archived. The new log has to begin
	// after every sequence that was ever given away, so well above it.
	Last uint64
}

// lostTail is how many sequences may have been given away after the last that
// was archived or backed up.
const lostTail = 1_000_000

// FirstSeq is where the new log begins.
func (r *Rebuilding) FirstSeq() uint64 { return r.Last + lostTail }

// FirstSeq is where a log that is made for a backup begins: above what the log that
// was backed up had given away, and gives away while it goes on, so that a point of
// that one is none of the new one.
func (b *Backup) FirstSeq() uint64 { return b.header.Last + lostTail }

// Identity is that of the log that was lost.
func (r *Rebuilding) Identity() string { return r.identity }

// Open finds the archive of the log that was lost: of several, the newest
// that is whole. Nothing is changed.
func Open(ctx context.Context, a storage.Archive, blobs storage.Blobs) (*Rebuilding, error) {
	r := NewReader(a)
	all, err := r.parts(ctx)
	if err != nil {
		return nil, err
	}
	var out *Rebuilding
	for identity, parts := range all {
		whole, err := r.whole(ctx, parts)
		if err != nil {
			return nil, err
		}
		last := parts[len(parts)-1].last
		if whole && (out == nil || last > out.Last) {
			out = &Rebuilding{archive: r, blobs: blobs, parts: parts, identity: identity, Last: last}
		}
	}
	if out == nil {
		return nil, fault.Errorf(fault.NotFound, "there is no archive of a log in this bucket and namespace")
	}
	return out, nil
}

// whole reports whether an archive holds its log from the begin on. One that
// begins with a load has to hold the end of that, too.
func (r Reader) whole(ctx context.Context, parts []archivePart) (bool, error) {
	loads := false
	for _, p := range parts {
		o, err := r.read(ctx, p)
		if err != nil {
			return false, err
		}
		for _, e := range o.Entries {
			if e.Subject != LoadSubject {
				continue
			}
			if loads {
				return true, nil
			}
			loads = true
		}
		if !loads {
			return true, nil
		}
	}
	return !loads, nil
}

// RebuildSummary is what RebuildLog did.
type RebuildSummary struct {
	Entries int `json:"entries"`
	Events  int `json:"events"`
	// Lost are events whose content is nowhere any more; they are left out.
	Lost []string `json:"lost,omitempty"`
	// Orphans are revision objects without an event: writes that were not
	// archived in time, or never committed. They are not adopted.
	Orphans int `json:"orphans"`
}

// Run fills a log that is empty. Contents come from the revision objects.
func (r *Rebuilding) Run(ctx context.Context, log storage.Log, report func(done, total uint64)) (out RebuildSummary, err error) {
	state, err := log.State(ctx)
	if err != nil {
		return out, err
	}
	full, err := HasEvents(ctx, log)
	if err != nil {
		return out, err
	}
	if full {
		return out, &fault.Error{Code: fault.InvalidState, Detail: ErrNotEmpty.Error()}
	}
	tombs, erased, err := r.beforehand(ctx)
	if err != nil {
		return out, err
	}
	b := &rebuild{Rebuilding: r, tombs: tombs, report: report, refs: map[string]bool{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	groups := make(chan []filled, 2)
	read := make(chan error, 1)
	go func() {
		defer close(groups)
		read <- b.read(ctx, groups)
	}()
	places := &places{numbers: Renumber(state), digests: map[string]string{}}
	var group []filled
	next := func() (storage.Record, bool, error) {
		for {
			for len(group) > 0 {
				f := group[0]
				e, err := erased.Next(f.seq)
				if err != nil {
					return f.record, false, err
				}
				if e == nil || e.Seq == f.seq {
					group = group[1:]
				}
				if e != nil {
					if f = emptied(e); e.Seq < tombs[f.record.Subject] {
						continue
					}
				}
				if f.lost != "" {
					out.Lost = append(out.Lost, f.lost)
					continue
				}
				out.Entries++
				if f.event != nil {
					out.Events++
					if err := places.in(&f); err != nil {
						return f.record, false, err
					}
				}
				places.numbers.Sent()
				return f.record, true, nil
			}
			var ok bool
			if group, ok = <-groups; !ok {
				return storage.Record{}, false, <-read
			}
		}
	}
	mark := LoadMark{From: "archive", Source: r.identity}
	if _, err := log.Load(ctx, Filling(mark, max(state.Last, r.FirstSeq()-1), next)); err != nil {
		return out, err
	}
	err = r.blobs.List(ctx, func(_, ref string) error {
		if !b.refs[ref] {
			out.Orphans++
		}
		return nil
	})
	return out, err
}

// beforehand reads what has to be known of the end of the archive: the last purge of
// each resource that was purged, since what was before it is not made again, and the
// events that left the log.
func (r *Rebuilding) beforehand(ctx context.Context) (tombs map[string]uint64, erased *Erased, err error) {
	tombs, erased = map[string]uint64{}, &Erased{}
	for _, p := range r.parts {
		o, err := r.archive.read(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range o.Entries {
			if tombstoneOf(e) != nil {
				tombs[e.Subject] = e.Seq
			}
			if err := erased.Add(e.Subject, e.Data, e.Seq); err != nil {
				return nil, nil, err
			}
		}
	}
	erased.Sort()
	return tombs, erased, nil
}

type rebuild struct {
	*Rebuilding
	tombs  map[string]uint64
	refs   map[string]bool // that events refer to
	report func(done, total uint64)
}

// filled is an entry with its content again.
type filled struct {
	seq    uint64 // in the log that was lost
	record storage.Record
	event  *storage.Event // of a resource, without its content; nil: of none
	lost   string
}

const (
	rebuildGroup   = 256
	rebuildReaders = 16
)

// read reads the archive in order, group by group. The beginning of a unit whose
// end was not archived is left out.
func (b *rebuild) read(ctx context.Context, to chan<- []filled) error {
	var unit, ready []storage.Entry
	told := time.Now()
	flush := func() error {
		out, err := b.fill(ctx, ready)
		if err != nil {
			return err
		}
		ready = nil
		select {
		case to <- out:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, p := range b.parts {
		o, err := b.archive.read(ctx, p)
		if err != nil {
			return err
		}
		for _, e := range o.Entries {
			unit = append(unit, e)
			if e.More {
				continue
			}
			ready = append(ready, unit...)
			unit = nil
			if len(ready) >= rebuildGroup {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		if b.report != nil && time.Since(told) > 100*time.Millisecond {
			b.report(p.last, b.Last)
			told = time.Now()
		}
	}
	return flush()
}

func (b *rebuild) fill(ctx context.Context, entries []storage.Entry) ([]filled, error) {
	entries = slices.DeleteFunc(entries, func(e storage.Entry) bool { return Skipped(e.Subject) || e.Seq < b.tombs[e.Subject] })
	out := make([]filled, len(entries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(rebuildReaders)
	var mu sync.Mutex
	for i, e := range entries {
		out[i].seq, out[i].record = e.Seq, storage.Record{Subject: e.Subject, ID: e.ID, Data: e.Data}
		if storage.IsPruned(e.Subject) {
			p, err := Emptied(e.Data, e.Seq)
			if err != nil {
				return nil, err
			}
			if out[i].record.Data, err = p.Encode(); err != nil {
				return nil, err
			}
		}
		if _, _, ok := storage.SplitRevisionSubject(e.Subject); !ok {
			continue
		}
		g.Go(func() error {
			ref, err := b.content(ctx, e, &out[i])
			if ref != "" {
				mu.Lock()
				b.refs[ref] = true
				mu.Unlock()
			}
			return err
		})
	}
	return out, g.Wait()
}

// content puts the content of an event back where it travelled with it.
func (b *rebuild) content(ctx context.Context, entry storage.Entry, f *filled) (ref string, err error) {
	header := entry.Data[:len(entry.Data)-1]
	e, err := storage.DecodeHeader(header, entry.Seq)
	if err != nil {
		return "", fmt.Errorf("entry %d: %w", entry.Seq, err)
	}
	f.event = e
	if !e.Inline {
		return e.Ref, nil
	}
	content, err := b.blobs.Get(ctx, e.Ref)
	if err == nil {
		err = model.CheckHash(content, e.Revision.Hash)
	}
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrCorrupt) {
		f.lost = fmt.Sprintf("%s %s at %d: %v", e.Meta.Type, e.Meta.ID, entry.Seq, err)
		return "", nil
	}
	if err != nil {
		return "", err
	}
	f.record.Data, e.Content = append(slices.Clip(entry.Data), content...), content
	return e.Ref, nil
}

// emptied is an event that had left the log.
func emptied(e *storage.Event) filled {
	return filled{seq: e.Seq, event: e, record: storage.Record{Subject: storage.RevisionSubject(e.Meta.Type, e.Meta.ID), ID: e.ID}}
}

// places has events name the places of others in the log that is made.
type places struct {
	numbers *Renumbering
	digests map[string]string // of the newest event of a resource of which one had to change
}

// in encodes an event again that names others of its resource by what they were.
func (p *places) in(f *filled) error {
	e := f.event
	changed := p.numbers.Event(e)
	if digest, ok := p.digests[f.record.Subject]; ok && e.Previous != "" {
		e.Previous, changed = digest, true
	}
	if !changed && f.record.Data != nil {
		return nil
	}
	data, err := e.Encode()
	if err != nil {
		return err
	}
	f.record.Data, p.digests[f.record.Subject] = data, e.Digest()
	return nil
}

// Check refuses a log that is not the one that the archive is of: an
// operator who lost a log and goes on with an empty one would lose the data for good.
func Check(ctx context.Context, a storage.Archive, log storage.Log) error {
	state, err := log.State(ctx)
	if err != nil {
		return err
	}
	others, err := NewReader(a).Others(ctx, state.Identity)
	if err != nil || len(others) == 0 {
		return err
	}
	mark, _, err := Loading(ctx, log)
	if err != nil || mark.Complete && slices.Contains(others, mark.Source) {
		return err
	}
	return fault.Errorf(fault.InvalidState, "the archive in the bucket is of another log, which seems to be lost: `autocrud rebuild-log` makes it again; for an empty start use another bucket or namespace")
}

// Tidy removes the archives of logs that this one was rebuilt from, once
// the own one holds what was rebuilt.
func Tidy(ctx context.Context, a storage.Archive, log storage.Log, archived uint64) (done bool, err error) {
	mark, seq, err := Loading(ctx, log)
	if err != nil || !mark.Complete || seq == 0 || mark.Source == "" {
		return err == nil, err
	}
	if archived < seq {
		return false, nil
	}
	return true, NewReader(a).Drop(ctx, mark.Source)
}
