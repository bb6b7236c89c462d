package memory_test

import (
	"runtime/debug"
	"testing"
	"testing/fstest"

	"github.com/autocrud-go/autocrud/internal/memory"
)

func TestTheLowestLimitOfTheGroupsCounts(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"version 2, in a container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"version 2, a service":      {map[string]string{"proc/self/cgroup": "0::/system.slice/a.service\n", "sys/fs/cgroup/system.slice/memory.max": "1000\n", "sys/fs/cgroup/system.slice/a.service/memory.max": "max\n"}, 1000},
		"version 2, the lower one":  {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "3000\n", "sys/fs/cgroup/a/b/memory.max": "2000\n"}, 2000},
		"version 2, none":           {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		"version 1, a path outside": {map[string]string{"proc/self/cgroup": "12:cpu,cpuacct:/x\n4:memory:/docker/0123\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, 1 << 30},
		"version 1, none":           {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"no control groups":         {map[string]string{}, 0},
		"a line that says nothing":  {map[string]string{"proc/self/cgroup": "\nx\n"}, 0},
	} {
		files := fstest.MapFS{}
		for path, text := range c.files {
			files[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memory.Limit(files); got != c.want {
			t.Errorf("%s: %d, not %d", name, got, c.want)
		}
	}
}

func TestWhatIsSaidWins(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Setenv("GOMEMLIMIT", "1GiB")
	if limit := memory.Heed(); limit != 0 || debug.SetMemoryLimit(-1) != before {
		t.Errorf("%d, %d", limit, debug.SetMemoryLimit(-1))
	}
}
