package cli

import (
	"cmp"
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// What the linker says about a build that finds no repository of its own, as in an
// image: -X github.com/autocrud-go/autocrud/internal/cli.tag=0.1.0 and so on.
var tag, commit, committed string

type versionCmd struct{}

// Run prints it.
func (versionCmd) Run(e *env) error {
	info, _ := debug.ReadBuildInfo() // without it only the version is known
	_, err := fmt.Fprintln(e.Out, "autocrud", describe(cmp.Or(tag, e.app.Version), build{commit, committed}, info))
	return err
}

// pseudo is how Go names a commit that has no tag: its time and its hash.
var pseudo = regexp.MustCompile(`[-.](\d{14})-([0-9a-f]{12})(\+dirty)?$`)

// build is what a program was built from.
type build struct{ commit, at string }

// describe says which version this is: the tag that the program was built from, else
// version, and the commit and its time, as far as the linker or Go tell. A build in a
// repository tells all of it, go install only what the version that it fetched says.
func describe(version string, b build, info *debug.BuildInfo) string {
	if info != nil && b.commit == "" {
		if m := pseudo.FindStringSubmatch(info.Main.Version); m != nil {
			b.commit = m[2]
			if t, err := time.Parse("20060102150405", m[1]); err == nil {
				b.at = t.Format(time.RFC3339)
			}
		} else if strings.HasPrefix(info.Main.Version, "v") {
			version = strings.TrimPrefix(info.Main.Version, "v")
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.commit = s.Value
			case "vcs.time":
				b.at = s.Value
			}
		}
	}
	parts := []string{runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	if b.at != "" {
		parts = append([]string{b.at}, parts...)
	}
	if b.commit != "" {
		parts = append([]string{"commit " + b.commit}, parts...)
	}
	return version + " (" + strings.Join(parts, ", ") + ")"
}
