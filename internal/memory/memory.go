// Package memory tells how much memory the control group of this process may take, so
// that Go's collector works harder before the kernel kills.
package memory

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// share of the limit that the heap may reach; the rest is for what Go does not count,
// such as pages of mapped files.
const share = 0.9

// Heed sets Go's limit from that of the control group, unless GOMEMLIMIT says one. It
// gives the limit in bytes, 0 without one.
func Heed() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	limit := int64(float64(Limit(os.DirFS("/"))) * share)
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return limit
}

// Limit is the lowest one of the groups that the process is in, 0 without any. root is
// that of the file system; it has the files of version 2 or 1 of control groups.
func Limit(root fs.FS) int64 {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	lowest := int64(math.MaxInt64)
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(parts) != 3 {
			continue
		}
		var folder, file string
		switch {
		case parts[1] == "":
			folder, file = "sys/fs/cgroup", "memory.max"
		case parts[1] == "memory":
			folder, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the path may be that outside of it, so its end may not be there.
		for at := path.Join("/", parts[2]); ; at = path.Dir(at) {
			if n, ok := read(root, path.Join(folder, at, file)); ok {
				lowest = min(lowest, n)
			}
			if at == "/" {
				break
			}
		}
	}
	if lowest > 1<<50 { // as good as none: version 1 says so with a large number
		return 0
	}
	return lowest
}

func read(root fs.FS, name string) (int64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" is none
	return n, err == nil && n > 0
}
