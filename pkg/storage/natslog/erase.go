package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Erase implements storage.Log. The server rewrites the block of every erased
// message under a new inode; the barrier must not sync the old one meanwhile
// and must open the new one afterwards.
func (l *Log) Erase(ctx context.Context, subject string, before uint64) (n int, err error) {
	return l.remove(ctx, subject, before, l.eraseOne)
}

// Forget implements storage.Log.
func (l *Log) Forget(ctx context.Context, subject string, before uint64) (n int, err error) {
	return l.remove(ctx, subject, before, func(ctx context.Context, seq uint64) error { return l.deleteOne(ctx, seq, l.stream.DeleteMsg) })
}

func (l *Log) remove(ctx context.Context, subject string, before uint64, one func(context.Context, uint64) error) (n int, err error) {
	if _, err := l.Next(ctx, subject, before); err != nil {
		return 0, fmt.Errorf("erase %s before %d: nothing would stay: %w", subject, before, err)
	}
	var doomed []uint64
	for seq := uint64(1); ; {
		e, err := l.wire.Get(ctx, l.prefix+subject, seq)
		if errors.Is(err, storage.ErrNotFound) || err == nil && e.Seq >= before {
			break
		}
		if err != nil {
			return 0, err
		}
		doomed = append(doomed, e.Seq)
		seq = e.Seq + 1
	}
	if err := l.erasing(len(doomed)); err != nil {
		return 0, err
	}
	for _, seq := range doomed {
		if err := one(ctx, seq); err != nil {
			return n, fmt.Errorf("erase %d: %w", seq, err)
		}
		n++
	}
	return n, nil
}

// EraseAt implements storage.Log.
func (l *Log) EraseAt(ctx context.Context, seqs []uint64) error {
	var doomed []uint64
	for _, seq := range seqs {
		_, err := l.At(ctx, seq)
		if errors.Is(err, storage.ErrNotFound) {
			continue // erased already
		}
		if err != nil {
			return err
		}
		doomed = append(doomed, seq)
	}
	if err := l.erasing(len(doomed)); err != nil {
		return err
	}
	for _, seq := range doomed {
		if err := l.eraseOne(ctx, seq); err != nil {
			return fmt.Errorf("erase %d: %w", seq, err)
		}
	}
	return nil
}

// erasing tells of entries that are about to be erased.
func (l *Log) erasing(n int) error {
	if n == 0 || l.o.Erasing == nil {
		return nil
	}
	if err := l.o.Erasing(uint64(n)); err != nil {
		return fmt.Errorf("erase %d entries: %w: %w", n, storage.ErrUnavailable, err)
	}
	return nil
}

// Drop implements storage.Log.
func (l *Log) Drop(ctx context.Context, subject string, seq uint64) error {
	_, err := l.Forget(ctx, subject, seq)
	if err == nil {
		err = l.erasing(1)
	}
	if err == nil {
		if l.tail != nil {
			l.tail.end(l.prefix + subject)
		}
		err = l.deleteOne(ctx, seq, l.stream.DeleteMsg)
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("drop %s up to %d: %w", subject, seq, err)
	}
	return nil
}

func (l *Log) eraseOne(ctx context.Context, seq uint64) error {
	return l.deleteOne(ctx, seq, l.stream.SecureDeleteMsg)
}

// deleteOne removes an entry. Either way the server may replace a block file.
func (l *Log) deleteOne(ctx context.Context, seq uint64, remove func(context.Context, uint64) error) error {
	if l.barrier != nil {
		l.barrier.mu.Lock()
		defer l.barrier.mu.Unlock()
	}
	if err := remove(ctx, seq); err != nil {
		// Another eraser may have been faster; the client library tells that
		// only in words.
		if _, gone := l.stream.GetMsg(ctx, seq); !errors.Is(gone, jetstream.ErrMsgNotFound) {
			return unavailable("erase", err)
		}
	}
	l.echo.erase(seq) // once it is gone: a reader must not miss what the log still has
	if l.barrier == nil {
		return nil
	}
	return l.barrier.reopen()
}

// reopen follows a block that was replaced: everything is synced by its new
// name, and the folder. The caller holds the lock.
func (b *barrier) reopen() error {
	b.letGo()
	if err := b.syncBlocks(); err != nil {
		return err
	}
	return disk.SyncFolder(b.dir)
}
