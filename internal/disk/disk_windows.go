package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// KeepsOpen tells whether a file can be renamed over another that is open.
const KeepsOpen = false

const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

// openForSync asks for the right to write, without which FlushFileBuffers is refused,
// and shares everything, which os.OpenFile does not.
func openForSync(name string) (*os.File, error) {
	return open(name, windows.GENERIC_READ|windows.GENERIC_WRITE, windows.FILE_ATTRIBUTE_NORMAL)
}

func openShared(name string) (*os.File, error) {
	return open(name, windows.GENERIC_READ, windows.FILE_ATTRIBUTE_NORMAL)
}

func open(name string, access, attributes uint32) (*os.File, error) {
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	h, err := windows.CreateFile(p, access, share, nil, windows.OPEN_EXISTING, attributes, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

// syncFolder flushes the folder itself where the file system takes that. Where it
// does not, the names are in the journal that FlushFileBuffers of any file on the
// volume writes: NTFS has no more to offer.
func syncFolder(name string) error {
	d, err := open(name, windows.GENERIC_WRITE, windows.FILE_FLAG_BACKUP_SEMANTICS)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	err = windows.FlushFileBuffers(windows.Handle(d.Fd()))
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_INVALID_FUNCTION) || errors.Is(err, windows.ERROR_INVALID_HANDLE) {
		return nil
	}
	return err
}

func lock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

func free(folder string) (n uint64, err error) {
	p, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return 0, err
	}
	err = windows.GetDiskFreeSpaceEx(p, &n, nil, nil)
	return n, err
}

func full(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}
