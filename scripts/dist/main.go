// Command dist makes what a release consists of: an archive of the program for each
// platform, an SPDX document of what is in them, and their checksums. The same commit
// and the same Go give the same bytes, on every machine.
//
//	go run ./scripts/dist [-out dist] [-platforms linux/amd64,...]
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const every = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

// largest is what an archive may weigh. One that weighs more may have lost what ADR 0037
// is about.
const largest = 17_000_000

func main() {
	out := flag.String("out", "dist", "folder to fill; what is in it goes")
	platforms := flag.String("platforms", every, "operating systems and architectures")
	flag.Parse()
	if err := release(*out, strings.Split(*platforms, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func release(out string, platforms []string) error {
	c, err := head()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	programs, err := os.MkdirTemp("", "dist")
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	var made []string
	modules := map[string]module{}
	for _, platform := range platforms {
		goos, arch, _ := strings.Cut(platform, "/")
		program, err := build(programs, goos, arch, c)
		if err != nil {
			return err
		}
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return err
		}
		collect(modules, info)
		name, err := pack(out, program, goos, arch, c)
		if err != nil {
			return err
		}
		made = append(made, name)
	}
	sbom := "autocrud_" + c.version + ".spdx.json"
	doc, err := document(modules, c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, sbom), doc, 0o644); err != nil {
		return err
	}
	return sums(out, append(made, sbom))
}

// commit is what is released.
type commit struct {
	version string // of its tag, without v; 0.0.0 and the hash without a tag
	hash    string
	at      time.Time
}

func head() (c commit, err error) {
	git := func(args ...string) string {
		if err != nil {
			return ""
		}
		var b []byte
		if b, err = exec.Command("git", args...).Output(); err != nil {
			err = fmt.Errorf("git %s: %w", args[0], err)
		}
		return strings.TrimSpace(string(b))
	}
	if changed := git("status", "--porcelain"); changed != "" {
		return c, errors.New("commit first: what is released is a commit")
	}
	c.hash = git("rev-parse", "HEAD")
	seconds, e := strconv.ParseInt(git("log", "-1", "--format=%ct"), 10, 64)
	if err == nil {
		err = e
	}
	if err != nil {
		return c, err
	}
	c.at = time.Unix(seconds, 0).UTC()
	c.version = "0.0.0-" + c.hash[:12]
	for _, tag := range strings.Fields(git("tag", "--points-at", "HEAD")) {
		if v, ok := strings.CutPrefix(tag, "v"); ok {
			c.version = v
			return c, noted(v)
		}
	}
	return c, err
}

// noted tells whether the changelog says what is new in a version.
func noted(version string) error {
	b, err := os.ReadFile("CHANGELOG.md")
	if err == nil && !strings.Contains(string(b), "\n## ["+version+"] - ") {
		err = fmt.Errorf("CHANGELOG.md has no section for %s", version)
	}
	return err
}

// build makes the program of one platform, without paths of this machine.
func build(dir, goos, arch string, c commit) (string, error) {
	name := filepath.Join(dir, goos+"-"+arch)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "timetzdata",
		"-ldflags", fmt.Sprintf("-s -w -buildid= -X %[1]s.tag=%[2]s -X %[1]s.commit=%[3]s -X %[1]s.committed=%[4]s", ours+"/internal/cli", c.version, c.hash, c.at.Format(time.RFC3339)), "-o", name, "./cmd/autocrud")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS="+goos, "GOARCH="+arch)
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build for %s/%s: %w: %s", goos, arch, err, b)
	}
	return name, nil
}

// pack puts the program, with what a user reads first, into an archive.
func pack(out, program, goos, arch string, c commit) (string, error) {
	base := fmt.Sprintf("autocrud_%s_%s_%s", c.version, goos, arch)
	files := []file{{from: program, name: "autocrud", mode: 0o755}}
	if goos == "windows" {
		files[0].name = "autocrud.exe"
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		files = append(files, file{from: name, name: name, mode: 0o644})
	}
	var b bytes.Buffer
	name, write := base+".tar.gz", tarball
	if goos == "windows" {
		name, write = base+".zip", zipped
	}
	if err := write(&b, base, files, c.at); err != nil {
		return "", err
	}
	if b.Len() > largest {
		return "", fmt.Errorf("%s has %d bytes, more than %d", name, b.Len(), largest)
	}
	fmt.Printf("%9d  %s\n", b.Len(), name)
	return name, os.WriteFile(filepath.Join(out, name), b.Bytes(), 0o644)
}

// sums writes SHA256SUMS, as sha256sum --check reads it.
func sums(dir string, names []string) error {
	var b bytes.Buffer
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(content), name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), b.Bytes(), 0o644)
}
