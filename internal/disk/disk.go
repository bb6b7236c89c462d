// Package disk makes files and folders durable by the call with which the platform
// promises it, tells the room that is left, and locks a folder. What it promises
// holds when the drive keeps its own promise.
//
//	Linux     fdatasync, fsync for folders; flock
//	macOS     fcntl F_FULLFSYNC, because fsync leaves the bytes in the drive's cache; flock
//	FreeBSD   fsync; flock
//	Windows   FlushFileBuffers, which needs a handle that may write; LockFileEx
package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// ErrLocked is returned by Lock when another process holds the lock.
var ErrLocked = errors.New("locked by another process")

// Sync makes the content of f, and its length, durable. f may write.
func Sync(f *os.File) error { return syncData(f) }

// SyncFile makes the content of the named file durable, whichever process wrote it. A file
// that is gone needs nothing.
func SyncFile(name string) error {
	f, err := OpenForSync(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// OpenForSync opens a file that another part of the program writes, so that Sync
// works, and is in no other process's way: the file can be written and removed, and
// where KeepsOpen says so replaced, while it is open.
func OpenForSync(name string) (*os.File, error) { return openForSync(name) }

// Open opens a file to be read, so that another process can still remove it.
func Open(name string) (*os.File, error) { return openShared(name) }

// SyncFolder makes the names in a folder durable: files that were made, renamed or
// removed. A folder that is gone needs nothing.
func SyncFolder(name string) error {
	err := syncFolder(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Replace renames a file that is closed over another name, and makes that durable.
func Replace(old, name string) error {
	if err := os.Rename(old, name); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(name))
}

// Lock keeps every other process out until f is closed or this process ends. It
// does not wait: ErrLocked tells that another process has it.
func Lock(f *os.File) error { return lock(f) }

// Free tells how many bytes this process may still store in the folder's file
// system.
func Free(folder string) (uint64, error) { return free(folder) }

// Full tells whether an error says that the file system, or the caller's share of
// it, is full.
func Full(err error) bool { return full(err) }

// Room tells whether a file system is nearly full. It looks once a second.
type Room struct {
	looked atomic.Int64 // unix seconds
	low    atomic.Bool
}

// Low tells whether less than least bytes are free in the folder's file system. What
// cannot be found out is not low.
func (r *Room) Low(folder string, least uint64) bool {
	now := time.Now().Unix()
	if old := r.looked.Load(); old != now && r.looked.CompareAndSwap(old, now) {
		if n, err := Free(folder); err == nil {
			r.low.Store(n < least)
		}
	}
	return r.low.Load()
}
