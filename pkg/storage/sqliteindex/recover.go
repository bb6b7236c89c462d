package sqliteindex

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// classify notices from an error that the file is damaged. From then on the
// index is not ready, until Define has made it anew.
func (x *Index) classify(err error) error {
	if err != nil && x.lost.Load() && !errors.Is(err, storage.ErrNotReady) {
		return fmt.Errorf("%w: %w", storage.ErrNotReady, err)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code()&0xff == sqlite3.SQLITE_CORRUPT, e.Code()&0xff == sqlite3.SQLITE_NOTADB, e.Code() == sqlite3.SQLITE_IOERR_SHORT_READ:
		if x.path != "" {
			x.lost.Store(true)
		}
		return fmt.Errorf("%w: %w", storage.ErrNotReady, err)
	}
	return err
}

// whole tells whether the file that is open is the one at the path, and not
// damaged as far as is known.
func (x *Index) whole() error {
	if x.path == "" {
		return nil
	}
	if x.lost.Load() {
		return fmt.Errorf("%w: the file is damaged", storage.ErrNotReady)
	}
	if now, err := os.Stat(x.path); err != nil || !os.SameFile(now, x.file) {
		return fmt.Errorf("%w: the file is gone", storage.ErrNotReady)
	}
	return nil
}

// look finds out whether everything is there.
func (x *Index) look(ctx context.Context) error {
	names := slices.Clone(fixedNames)
	for _, d := range x.defs {
		of := (*x.tables.Load())[d.Type]
		for _, t := range []*writable{of.serving, of.building} {
			if t != nil {
				names = append(names, t.names()...)
			}
		}
	}
	lacks, err := x.schema().lacks(ctx, names)
	if err == nil && lacks != "" {
		err = fmt.Errorf("%w: the table %s is gone", storage.ErrNotReady, lacks)
	}
	return err
}

// filling tells whether the index is being built from nothing: what is not
// there may be yet to come.
func (x *Index) filling() error {
	if x.applied.Load() < x.fill.Load() {
		return storage.ErrNotReady
	}
	return nil
}

// recover begins with an empty file when the one that was open is gone, damaged
// or lacks a fixed table.
func (x *Index) recover(ctx context.Context) error {
	if x.path == "" {
		return nil
	}
	if x.whole() != nil {
		return x.reopen(ctx)
	}
	lacks, err := x.schema().lacks(ctx, fixedNames)
	if lacks != "" {
		return x.reopen(ctx)
	}
	return err
}

// reopen begins with a new file.
func (x *Index) reopen(ctx context.Context) error {
	x.gate.Lock()
	defer x.gate.Unlock()
	x.lost.Store(true)
	_ = x.disconnect() // what cannot be closed is lost already
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(x.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the damaged index: %w", err)
		}
	}
	err := x.private()
	if err == nil {
		err = x.connect(ctx)
	}
	if err != nil {
		_ = x.disconnect()
		return fmt.Errorf("%w: %w", storage.ErrNotReady, err)
	}
	x.lost.Store(false)
	return nil
}
