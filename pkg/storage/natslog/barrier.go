package natslog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// barrier makes the embedded server's stream durable from outside: the server
// writes a message to its newest block file before it acknowledges it (pinned
// by TestAcknowledgedBytesAreInTheBlockFile for the linked version), so one
// fdatasync of that file makes every message durable that was acknowledged
// before the sync began.
type barrier struct {
	dir    string
	with   func(context.Context) error
	before func()

	mu   sync.Mutex // one sync at a time; shared with the code that rewrites blocks
	n    int        // number of the open block
	file *os.File

	durable atomic.Uint64
	wakeMu  sync.Mutex
	wake    chan struct{} // closed and replaced when durable advances

	space disk.Room
}

// minFree is the free space below which writes are refused: the server's store
// freezes until a restart when the disk is really full.
const minFree = 256 << 20

func openBarrier(o Options, last uint64) (*barrier, error) {
	b := &barrier{dir: o.BlockDir, with: o.SyncWith, before: o.BeforeSync, wake: make(chan struct{})}
	// What an earlier process wrote and was killed before it synced.
	blocks, err := filepath.Glob(filepath.Join(b.dir, "*.blk"))
	if err != nil {
		return nil, err
	}
	for _, name := range blocks {
		if err := disk.SyncFile(name); err != nil {
			return nil, fmt.Errorf("sync the log's blocks: %w", err)
		}
		if n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".blk")); err == nil {
			b.n = max(b.n, n)
		}
	}
	if err := disk.SyncFolder(b.dir); err != nil {
		return nil, fmt.Errorf("sync the log's folder: %w", err)
	}
	b.durable.Store(last)
	return b, nil
}

// sync makes everything acknowledged so far durable; high is the highest
// sequence among it.
func (b *barrier) sync(ctx context.Context, high uint64) error {
	if b.before != nil {
		b.before()
	}
	var beside chan error
	if b.with != nil {
		beside = make(chan error, 1)
		go func() { beside <- b.with(ctx) }()
	}
	b.mu.Lock()
	err := b.syncBlocks()
	b.mu.Unlock()
	if beside != nil {
		if e := <-beside; err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	b.advance(high)
	return nil
}

// syncBlocks syncs the open block and every block begun after it. The old file
// stays open until it is synced, whatever the server does to its name.
func (b *barrier) syncBlocks() error {
	rolled := false
	for {
		if b.file == nil {
			if !b.open() {
				return fmt.Errorf("no block file in %s", b.dir)
			}
		}
		if err := disk.Sync(b.file); err != nil {
			return fmt.Errorf("sync block %d: %w", b.n, err)
		}
		if _, err := os.Stat(b.name(b.n + 1)); err != nil {
			break
		}
		b.letGo()
		b.n++
		rolled = true
	}
	if !disk.KeepsOpen {
		b.letGo() // the server may replace it
	}
	if rolled {
		return disk.SyncFolder(b.dir)
	}
	return nil
}

// open opens the newest block from number n on.
func (b *barrier) open() bool {
	f, err := disk.OpenForSync(b.name(b.n))
	if err != nil {
		// Block n may be gone (erased and empty) or not begun yet.
		newest := 0
		names, _ := filepath.Glob(filepath.Join(b.dir, "*.blk"))
		for _, name := range names {
			if n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".blk")); err == nil {
				newest = max(newest, n)
			}
		}
		if newest < b.n || newest == 0 {
			return false
		}
		if f, err = disk.OpenForSync(b.name(newest)); err != nil {
			return false
		}
		b.n = newest
	}
	b.file = f
	return true
}

func (b *barrier) name(n int) string { return filepath.Join(b.dir, strconv.Itoa(n)+".blk") }

func (b *barrier) advance(seq uint64) {
	for {
		old := b.durable.Load()
		if seq <= old {
			return
		}
		if b.durable.CompareAndSwap(old, seq) {
			break
		}
	}
	b.wakeMu.Lock()
	close(b.wake)
	b.wake = make(chan struct{})
	b.wakeMu.Unlock()
}

func (b *barrier) advanced() <-chan struct{} {
	b.wakeMu.Lock()
	defer b.wakeMu.Unlock()
	return b.wake
}

// room refuses writes when the disk is nearly full.
func (b *barrier) room() error {
	if b.space.Low(b.dir, minFree) {
		return fmt.Errorf("%w: less than %d MiB left on the log's disk", storage.ErrFull, minFree>>20)
	}
	return nil
}

func (b *barrier) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letGo()
}

// letGo closes the open block. The caller holds the lock.
func (b *barrier) letGo() {
	if b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

// sync makes the acknowledged records durable, if that is this process's work.
// A failed sync is never tried again: the kernel may have dropped the pages.
func (l *Log) sync(ctx context.Context, high uint64) error {
	if l.barrier == nil || high == 0 {
		return nil
	}
	if high <= l.barrier.durable.Load() {
		return nil
	}
	err := l.barrier.sync(ctx, high)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.broken == nil {
		l.broken = err
	}
	if l.broken != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnknown, l.broken)
	}
	return nil
}

// Durable is the watermark: what is after it must not be seen.
func (l *Log) Durable() uint64 {
	if l.barrier == nil {
		return ^uint64(0)
	}
	return l.barrier.durable.Load()
}

// awaitDurable waits until seq, which is known to be stored, is durable. A
// record whose append is never completed (its reply was lost) is synced for here.
func (l *Log) awaitDurable(ctx context.Context, seq uint64) error {
	if l.barrier == nil {
		return nil
	}
	for {
		wake := l.barrier.advanced()
		if l.barrier.durable.Load() >= seq {
			return nil
		}
		t := time.NewTimer(20 * time.Millisecond)
		select {
		case <-wake:
		case <-t.C:
			if err := l.sync(ctx, seq); err != nil {
				t.Stop()
				return err
			}
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("wait for sequence %d to be durable: %w: %w", seq, storage.ErrUnavailable, ctx.Err())
		}
		t.Stop()
	}
}

// Condemn ends all writes: what the log holds is damaged.
func (l *Log) Condemn(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = why
	}
}

// Broken tells why the log takes no more writes, or nil.
func (l *Log) Broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// Close releases what Open took; the connection stays the caller's.
func (l *Log) Close() {
	if l.barrier != nil {
		l.barrier.close()
	}
}
