package cli

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionTellsTagCommitAndTime(t *testing.T) {
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}, {Key: "vcs.time", Value: "2026-11-27T01:02:03Z"}}
	for name, c := range map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"nothing is known":                {nil, "0.1.0 (go"},
		"a folder without a repository":   {&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "0.1.0 (go"},
		"a tag, from a repository":        {&debug.BuildInfo{Main: debug.Module{Version: "v0.2.0"}, Settings: vcs}, "0.2.0 (commit 0123456789abcdef0123456789abcdef01234567, 2026-11-27T01:02:03Z, go"},
		"go install of a tag":             {&debug.BuildInfo{Main: debug.Module{Version: "v0.2.0-rc.1"}}, "0.2.0-rc.1 (go"},
		"go install of a commit":          {&debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20261127010203-0123456789ab"}}, "0.1.0 (commit 0123456789ab, 2026-11-27T01:02:03Z, go"},
		"go install of a later commit":    {&debug.BuildInfo{Main: debug.Module{Version: "v0.2.1-0.20261127010203-0123456789ab"}}, "0.1.0 (commit 0123456789ab, 2026-11-27T01:02:03Z, go"},
		"a commit with changes beside it": {&debug.BuildInfo{Main: debug.Module{Version: "v0.2.1-0.20261127010203-0123456789ab+dirty"}, Settings: vcs}, "0.1.0 (commit 0123456789abcdef0123456789abcdef01234567, 2026-11-27T01:02:03Z, go"},
	} {
		if got := describe("0.1.0", build{}, c.info); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := describe("0.3.0", build{"fedcba", "2026-11-28T00:00:00Z"}, &debug.BuildInfo{Settings: vcs}); !strings.HasPrefix(got, "0.3.0 (commit fedcba, 2026-11-28T00:00:00Z, go") {
		t.Errorf("what the linker says: %s", got)
	}
}
