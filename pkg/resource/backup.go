package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Backup writes everything up to where the log ends now: its entries, what they
// refer to, and the binaries. Writes go on meanwhile and are not in it. report,
// if not nil, is told how many of how many sequences are done.
func (m *Manager) Backup(ctx context.Context, w io.Writer, report func(done, total uint64)) (out BackupSummary, err error) {
	if err := m.Admin(ctx); err != nil {
		return out, err
	}
	state, err := m.log.State(ctx)
	if err != nil {
		return out, stored(err)
	}
	f, err := newFrameWriter(w)
	if err != nil {
		return out, err
	}
	b := &backing{m: m, f: f, dropped: map[string]bool{}, report: report}
	if err := f.json(frameHeader, backupHeader{Format: 1, Identity: state.Identity, Last: state.Last, At: m.o.Now().UTC()}); err != nil {
		return out, err
	}
	if err := b.log(ctx, state); err != nil {
		return out, stored(err)
	}
	for subject := range b.dropped {
		if err := f.frame(frameDropped, []byte(subject)); err != nil {
			return out, err
		}
	}
	if err := b.binaries(ctx); err != nil {
		return out, stored(err)
	}
	if err := f.json(frameEnd, b.out); err != nil {
		return out, err
	}
	err = f.close()
	b.out.Bytes = f.n
	return b.out, err
}

type backing struct {
	m       *Manager
	f       *frameWriter
	out     BackupSummary
	dropped map[string]bool // subjects of resources that were purged meanwhile
	report  func(done, total uint64)
}

func (b *backing) log(ctx context.Context, state storage.LogState) error {
	if state.Last < state.First {
		return nil
	}
	feed, err := b.m.log.Follow(ctx, state.First)
	if err != nil {
		return err
	}
	defer feed.Close()
	told := time.Now()
	for {
		entry, more, err := b.next(ctx, feed, state.Last)
		if err != nil || !more {
			return err
		}
		if entry.Seq > state.Last {
			return nil
		}
		if err := b.entry(ctx, entry); err != nil {
			return fmt.Errorf("entry %d: %w", entry.Seq, err)
		}
		if b.report != nil && time.Since(told) > 100*time.Millisecond {
			b.report(entry.Seq, state.Last)
			told = time.Now()
		}
		if entry.Seq == state.Last {
			return nil
		}
	}
}

// next is the next entry; more is false when the last ones were erased.
func (b *backing) next(ctx context.Context, feed storage.Feed, last uint64) (storage.Entry, bool, error) {
	for {
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		entry, err := feed.Next(short)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return entry, true, err
		}
		if _, err := b.m.log.At(ctx, last); errors.Is(err, storage.ErrNotFound) {
			return storage.Entry{}, false, nil
		}
	}
}

// skipped are the program's own entries that a restored log has of its own.
func skipped(subject string) bool {
	return subject == storage.SystemSubject(upkeepSubject) || subject == LoadSubject || subject == ExpirySubject || subject == claimExpirySubject
}

func (b *backing) entry(ctx context.Context, entry storage.Entry) error {
	if skipped(entry.Subject) || b.dropped[entry.Subject] {
		return nil
	}
	b.out.Entries++
	typ, id, ok := storage.SplitRevisionSubject(entry.Subject)
	if !ok {
		return b.f.entry(entry)
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return err
	}
	b.out.Events++
	if e.Wrote > 0 && e.Content == nil {
		content, err := b.m.content(ctx, e)
		if err != nil {
			if last, lerr := b.m.lastEvent(ctx, key{typ, id}); lerr == nil && last != nil && last.Action == storage.Purged {
				b.dropped[entry.Subject] = true
				return nil
			}
			return err
		}
		if err := b.f.frame(frameContent, content); err != nil {
			return err
		}
	}
	return b.f.entry(entry)
}

func (b *backing) binaries(ctx context.Context) error {
	var all []storage.Binary // few beside what they weigh
	if err := b.m.blobs.ListBinaries(ctx, func(x storage.Binary, _ time.Time) error { all = append(all, x); return nil }); err != nil {
		return err
	}
	piece := make([]byte, pieceBytes)
	for _, x := range all {
		r, err := b.m.blobs.OpenBinary(ctx, x.Digest)
		if errors.Is(err, storage.ErrNotFound) {
			continue // swept or purged meanwhile
		}
		if err != nil {
			return err
		}
		err = b.binary(r, x, piece)
		r.Close()
		if err != nil {
			return fmt.Errorf("binary %s: %w", x.Digest, err)
		}
	}
	return nil
}

func (b *backing) binary(r io.Reader, x storage.Binary, piece []byte) error {
	if err := b.f.json(frameBinary, x); err != nil {
		return err
	}
	b.out.Binaries++
	for {
		n, err := io.ReadFull(r, piece)
		if n > 0 {
			if err := b.f.frame(frameBytes, piece[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
