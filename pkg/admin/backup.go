package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/retention"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Backup writes everything up to where the log ends now: its entries, what they
// refer to, and the binaries. Writes go on meanwhile and are not in it. report,
// if not nil, is told how many of how many sequences are done.
func (ad *Admin) Backup(ctx context.Context, w io.Writer, report func(done, total uint64)) (out archive.BackupSummary, err error) {
	if err := ad.Guard.Admin(ctx); err != nil {
		return out, err
	}
	state, err := ad.log.State(ctx)
	if err != nil {
		return out, states.StoreError(err)
	}
	f, err := archive.NewFrameWriter(w)
	if err != nil {
		return out, err
	}
	b := &backing{m: ad, f: f, dropped: map[string]bool{}, wanted: map[string]bool{}, report: report, last: state.Last, told: retention.NewTold(ad.log), pruned: map[states.Key]bool{}}
	if err := b.all(ctx, state); err != nil {
		var told *fault.Error
		if err = states.StoreError(err); errors.As(err, &told) {
			f.Fail(told.Detail)
		}
		return out, err
	}
	err = f.Close()
	b.out.Bytes = f.Written
	return b.out, err
}

// all writes the frames.
func (b *backing) all(ctx context.Context, state storage.LogState) error {
	if err := b.f.JSON(archive.FrameHeader, archive.BackupHeader{Format: 1, Identity: state.Identity, Last: state.Last, At: b.m.o.Now().UTC()}); err != nil {
		return err
	}
	if err := b.log(ctx, state); err != nil {
		return err
	}
	if err := b.prunedSince(ctx); err != nil {
		return err
	}
	for subject := range b.dropped {
		if err := b.f.Frame(archive.FrameDropped, []byte(subject)); err != nil {
			return err
		}
	}
	if err := b.binaries(ctx); err != nil {
		return err
	}
	return b.f.JSON(archive.FrameEnd, b.out)
}

type backing struct {
	m       *Admin
	f       *archive.FrameWriter
	out     archive.BackupSummary
	dropped map[string]bool // subjects of resources that were purged meanwhile
	wanted  map[string]bool // binaries that the events refer to
	last    uint64
	told    *retention.Told
	pruned  map[states.Key]bool // resources of which something was pruned meanwhile
	report  func(done, total uint64)
}

func (b *backing) log(ctx context.Context, state storage.LogState) error {
	if state.Last < state.First {
		return nil
	}
	told := time.Now()
	read, err := archive.ReadLog(ctx, b.m.log, state, func(entry storage.Entry) error {
		if err := b.entry(ctx, entry); err != nil {
			return fmt.Errorf("entry %d: %w", entry.Seq, err)
		}
		if b.report != nil && time.Since(told) > 100*time.Millisecond {
			b.report(entry.Seq, state.Last)
			told = time.Now()
		}
		return nil
	})
	if what := read.Damage(); err == nil && what != "" {
		return &fault.Error{Code: fault.InvalidState, Detail: "the backup is not made, it would not hold everything: " + what}
	}
	return err
}

func (b *backing) entry(ctx context.Context, entry storage.Entry) error {
	if archive.Skipped(entry.Subject) || b.dropped[entry.Subject] {
		return nil
	}
	b.out.Entries++
	typ, id, ok := storage.SplitRevisionSubject(entry.Subject)
	if !ok {
		return b.f.Entry(entry)
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return err
	}
	gone, err := b.isPruned(ctx, e)
	if err != nil {
		return err
	}
	if gone && e.Inline { // its header is with what tells that
		b.out.Entries--
		return nil
	}
	b.out.Events++
	for _, d := range e.Binaries {
		b.wanted[d] = true
	}
	if e.Wrote > 0 && e.Content == nil && !gone {
		content, err := b.m.States.Content(ctx, e)
		if err != nil {
			if last, lerr := b.m.States.LastEvent(ctx, states.Key{Type: typ, ID: id}); lerr == nil && last != nil && last.Action == storage.Purged {
				b.dropped[entry.Subject] = true
				return nil
			}
			return err
		}
		if err := b.f.Frame(archive.FrameContent, content); err != nil {
			return err
		}
	}
	return b.f.Entry(entry)
}

func (b *backing) binaries(ctx context.Context) error {
	var all []storage.Binary // few beside what they weigh
	if err := b.m.blobs.ListBinaries(ctx, func(x storage.Binary, _ time.Time) error { all = append(all, x); return nil }); err != nil {
		return err
	}
	for _, x := range all {
		err := b.binary(ctx, x)
		if errors.Is(err, storage.ErrNotFound) {
			continue // swept or purged meanwhile, or told below
		}
		if errors.Is(err, storage.ErrCorrupt) {
			return b.m.rotten(ctx, x.Digest, "is damaged", err)
		}
		if err != nil {
			return fmt.Errorf("binary %s: %w", x.Digest, err)
		}
		delete(b.wanted, x.Digest)
	}
	for digest := range b.wanted {
		held, err := b.m.index.Holders(ctx, digest, "", "", 1)
		if err != nil {
			return err
		}
		if len(held) > 0 { // else it was purged meanwhile
			return b.m.rotten(ctx, digest, "is lost", storage.ErrNotFound)
		}
	}
	return nil
}

// rottenNamed is how many holders of a binary that is not whole are named.
const rottenNamed = 5

// rotten names a binary that is not whole and the resources that refer to it.
func (ad *Admin) rotten(ctx context.Context, digest, what string, cause error) error {
	held, err := ad.index.Holders(ctx, digest, "", "", rottenNamed)
	if err != nil {
		return err
	}
	by := "nothing refers to it: remove it with gc, or put it back"
	for i, h := range held {
		if i == 0 {
			by = "referred to by "
		} else {
			by += ", "
		}
		by += h.Type + "/" + h.ID
	}
	return &fault.Error{Code: fault.InvalidState, Cause: cause, Detail: fmt.Sprintf("the backup is not made, it would not hold everything: the binary %s %s (%s)", digest, what, by)}
}

// binary writes one, which has to be what its digest says.
func (b *backing) binary(ctx context.Context, x storage.Binary) error {
	r, err := b.m.blobs.OpenBinary(ctx, x.Digest)
	if err != nil {
		return err
	}
	defer r.Close()
	whole := &commit.WholeReader{BinaryReader: r, Digest: x.Digest, Sum: sha256.New()}
	if err := b.f.JSON(archive.FrameBinary, x); err != nil {
		return err
	}
	b.out.Binaries++
	piece := make([]byte, archive.PieceBytes)
	for {
		n, err := io.ReadFull(whole, piece)
		if n > 0 {
			if err := b.f.Frame(archive.FrameBytes, piece[:n]); err != nil {
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
