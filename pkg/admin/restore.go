package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Restorable refuses a log that is not empty.
func (ad *Admin) Restorable(ctx context.Context) error {
	if err := ad.Guard.Admin(ctx); err != nil {
		return err
	}
	mark, seq, err := archive.Loading(ctx, ad.log)
	if err != nil {
		return states.StoreError(err)
	}
	if !mark.Complete {
		return archive.ErrInterrupted(mark.From)
	}
	full, err := archive.HasEvents(ctx, ad.log)
	if err != nil {
		return states.StoreError(err)
	}
	if full || seq > 0 {
		return &fault.Error{Code: fault.InvalidState, Detail: archive.ErrNotEmpty.Error()}
	}
	return nil
}

// RestoreBackup fills an empty log and its blobs from a backup that was checked. What
// it holds keeps its content, history and order; sequences are new, and so are
// the references to objects, with which the chain of digests is made again.
func (ad *Admin) RestoreBackup(ctx context.Context, b *archive.Backup, report func(done, total uint64)) error {
	if err := ad.Guard.Admin(ctx); err != nil {
		return err
	}
	if err := ad.Restorable(ctx); err != nil {
		return err
	}
	state, err := ad.log.State(ctx)
	if err != nil {
		return states.StoreError(err)
	}
	if !ad.loading.CompareAndSwap(false, true) {
		return fault.Errorf(fault.Conflict, "another backup is being restored")
	}
	defer ad.loading.Store(false)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &restoring{m: ad, b: b, refs: map[string]string{}, erased: b.Erased, numbers: archive.Renumber(state), digests: map[string]string{}, records: make(chan storage.Record), done: make(chan error, 1), report: report}
	go func() {
		defer close(r.records)
		r.done <- r.read(ctx)
	}()
	last, err := ad.log.Load(ctx, archive.Filling(archive.LoadMark{From: "backup"}, state.Last, r.next))
	if err != nil {
		if fault.CodeOf(err) == "" && errors.Is(err, storage.ErrConflict) {
			return &fault.Error{Code: fault.Conflict, Detail: "another process wrote while the backup was restored; empty the stores and restore again", Cause: err}
		}
		return states.StoreError(err)
	}
	ad.recent.Jump(last)
	ad.o.Heads.Clear()
	if r.claimKey != nil {
		ad.hashKey.Store(&r.claimKey)
	}
	return nil
}

// restoring turns the frames of a backup into records.
type restoring struct {
	m        *Admin
	b        *archive.Backup
	refs     map[string]string // of objects, old to new
	erased   archive.Erased
	numbers  *archive.Renumbering
	digests  map[string]string // of the last event of each subject
	content  []byte            // of the next entry
	binary   *io.PipeWriter
	put      chan error
	claimKey []byte
	records  chan storage.Record
	done     chan error
	entries  uint64
	report   func(done, total uint64)
}

func (r *restoring) next() (storage.Record, bool, error) {
	rec, ok := <-r.records
	if ok {
		return rec, true, nil
	}
	return rec, false, <-r.done
}

func (r *restoring) read(ctx context.Context) error {
	err := r.b.Frames(func(kind byte, body []byte) error {
		if kind != archive.FrameBytes {
			if err := r.endBinary(nil); err != nil {
				return err
			}
		}
		switch kind {
		case archive.FrameContent:
			r.content = bytes.Clone(body)
		case archive.FrameEntry:
			return r.entry(ctx, body)
		case archive.FrameBinary:
			return r.beginBinary(ctx, body)
		case archive.FrameBytes:
			if r.binary == nil {
				return nil // of one that is lost
			}
			_, err := r.binary.Write(body)
			return err
		}
		return nil
	})
	return errors.Join(err, r.endBinary(err))
}

func (r *restoring) beginBinary(ctx context.Context, body []byte) error {
	var of storage.Binary
	if err := json.Unmarshal(body, &of); err != nil {
		return archive.DamagedBackup("%v", err)
	}
	if slices.Contains(r.b.Summary.Lost, of.Digest) {
		return nil
	}
	from, to := io.Pipe()
	r.binary, r.put = to, make(chan error, 1)
	go func() {
		_, err := r.m.blobs.PutBinary(ctx, from, commit.MaxBinary)
		from.CloseWithError(err)
		r.put <- err
	}()
	return nil
}

func (r *restoring) endBinary(cause error) error {
	if r.binary == nil {
		return nil
	}
	r.binary.CloseWithError(cause)
	r.binary = nil
	return <-r.put
}

func (r *restoring) entry(ctx context.Context, body []byte) error {
	head, data, _ := bytes.Cut(body, []byte{'\n'})
	var a archive.LoadedEntry
	if err := json.Unmarshal(head, &a); err != nil {
		return archive.DamagedBackup("%v", err)
	}
	content := r.content
	r.content = nil
	if r.entries++; r.report != nil && r.entries%256 == 0 {
		r.report(r.entries, uint64(max(r.b.Summary.Entries, 0)))
	}
	if again, err := r.emptied(ctx, a.Seq); err != nil || again {
		return err
	}
	if r.b.Dropped[a.Subject] {
		return nil
	}
	rec := storage.Record{Subject: a.Subject, ID: a.ID, Data: bytes.Clone(data)}
	if a.Subject == storage.SystemSubject("key") {
		r.claimKey = rec.Data
	}
	if storage.IsPruned(a.Subject) { // a backup holds nothing of it
		p, err := archive.Emptied(rec.Data, a.Seq)
		if err != nil {
			return err
		}
		p.Erase, p.Erased = nil, true
		if rec.Data, err = p.Encode(); err != nil {
			return err
		}
	}
	if typ, _, ok := storage.SplitRevisionSubject(a.Subject); ok {
		e, err := storage.DecodeEvent(rec.Data, a.Seq)
		if err != nil {
			return err
		}
		if rec.Data, err = r.event(ctx, typ, e, content); err != nil {
			return fmt.Errorf("event %d: %w", a.Seq, err)
		}
	}
	return r.send(ctx, rec)
}

func (r *restoring) send(ctx context.Context, rec storage.Record) error {
	select {
	case r.records <- rec:
		r.numbers.Sent()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// emptied puts the events up to a sequence that had left the log in their places, and
// reports whether the last of them has that sequence.
func (r *restoring) emptied(ctx context.Context, through uint64) (again bool, err error) {
	for {
		e, err := r.erased.Next(through)
		if err != nil || e == nil {
			return again, err
		}
		again = e.Seq == through
		subject := storage.RevisionSubject(e.Meta.Type, e.Meta.ID)
		if r.b.Dropped[subject] {
			continue
		}
		data, err := r.event(ctx, e.Meta.Type, e, nil)
		if err != nil {
			return again, err
		}
		if err := r.send(ctx, storage.Record{Subject: subject, ID: e.ID, Data: data}); err != nil {
			return again, err
		}
	}
}

// event puts the object of a revision and encodes the event that refers to it.
func (r *restoring) event(ctx context.Context, typ string, e *storage.Event, content []byte) ([]byte, error) {
	if e.Content != nil {
		content = e.Content
	}
	if e.Wrote > 0 && e.Action != storage.Purged && content != nil { // else it was pruned
		if err := model.CheckHash(content, e.Revision.Hash); err != nil {
			return nil, err
		}
		ref, err := r.m.blobs.Put(ctx, typ+"/"+e.Revision.ID+"/"+e.ID, content)
		if err != nil {
			return nil, err
		}
		r.refs[e.Ref] = ref
	}
	e.Ref = r.refs[e.Ref] // none of what was pruned: elsewhere it may name another object
	if r.numbers.Event(e); e.Shown != nil {
		shown := *e.Shown
		shown.Ref, e.Shown = r.refs[shown.Ref], &shown
	}
	subject := storage.RevisionSubject(typ, e.Meta.ID)
	if e.Previous != "" {
		e.Previous = r.digests[subject]
	}
	data, err := e.Encode()
	if err != nil {
		return nil, err
	}
	r.digests[subject] = e.Digest()
	return data, nil
}
