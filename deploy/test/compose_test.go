// Package test checks what is shipped for running AutoCRUD elsewhere against
// the schemas of those who read it.
package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = "../.."

// secrets are the names in .env.example.
func secrets(t *testing.T) (out []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			if value != "" {
				t.Errorf("%s has a value in .env.example", name)
			}
			out = append(out, name)
		}
	}
	return out
}

func load(t *testing.T, env []string, files ...string) (*types.Project, error) {
	t.Helper()
	for i, f := range files {
		files[i] = filepath.Join(root, f)
	}
	o, err := cli.NewProjectOptions(files, cli.WithEnv(env), cli.WithWorkingDirectory(root), cli.WithProfiles([]string{"recovery"}))
	if err != nil {
		t.Fatal(err)
	}
	return o.LoadProject(t.Context())
}

// pinned is a tag that names one version, or a digest.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+(:v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$`)

func TestComposeFiles(t *testing.T) {
	names := secrets(t)
	var env []string
	for _, n := range names {
		env = append(env, n+"=value-of-"+n)
	}
	for _, files := range [][]string{{"docker-compose.yml"}, {"docker-compose.yml", "compose.override.yml"}, {"docker-compose.yml", "compose.cluster.yml"}} {
		t.Run(files[len(files)-1], func(t *testing.T) {
			p, err := load(t, env, files...)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"nats", "postgres", "s3", "provision", "api", "indexer", "worker", "rebuild-log"} {
				if _, ok := p.Services[want]; !ok {
					t.Errorf("there is no service %s", want)
				}
			}
			for name, s := range p.Services {
				checkService(t, name, s)
			}
		})
	}
}

func checkService(t *testing.T, name string, s types.ServiceConfig) {
	t.Helper()
	if s.Build == nil && !pinned.MatchString(s.Image) {
		t.Errorf("%s: the image %s is not pinned", name, s.Image)
	}
	if user, _, _ := strings.Cut(s.User, ":"); user == "" || user == "0" || user == "root" {
		t.Errorf("%s runs as %q", name, s.User)
	}
	if s.Privileged || len(s.CapAdd) > 0 || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || !s.ReadOnly {
		t.Errorf("%s has rights that it does not need", name)
	}
	if s.MemLimit == 0 {
		t.Errorf("%s may take all memory", name)
	}
	if name != "provision" && name != "rebuild-log" && (s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) == 0) {
		t.Errorf("%s has no health check", name)
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" {
			t.Errorf("%s is published to %q", name, port.HostIP)
		}
	}
	if s.Logging == nil || s.Logging.Options["max-size"] == "" {
		t.Errorf("the log of %s may fill the disk", name)
	}
	for key, value := range s.Environment {
		if regexp.MustCompile(`PASSWORD|SECRET|ACCESS_KEY`).MatchString(key) && (value == nil || !strings.Contains(*value, "value-of-")) {
			t.Errorf("%s: %s does not come from the environment", name, key)
		}
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind {
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestComposeNeedsEverySecret leaves one out at a time.
func TestComposeNeedsEverySecret(t *testing.T) {
	names := secrets(t)
	for _, missing := range names {
		var env []string
		for _, n := range names {
			if n != missing {
				env = append(env, n+"=x")
			}
		}
		if _, err := load(t, env, "docker-compose.yml", "compose.cluster.yml"); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

// TestComposeRunsOnEngine20 leaves out what Debian 12 ships no engine for.
func TestComposeRunsOnEngine20(t *testing.T) {
	for _, name := range []string{"docker-compose.yml", "compose.cluster.yml", "compose.override.yml"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "start_interval") {
			t.Errorf("%s: start_interval needs Docker Engine 25", name)
		}
	}
}

// copied finds the folders of the program that the Dockerfile copies.
func copied(dockerfile string) (out []string) {
	for _, m := range regexp.MustCompile(`(?m)^COPY ([^-\s]\S*) `).FindAllStringSubmatch(dockerfile, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestTheImageIsMadeOfTheProgramOnly: each package of the program is copied, and
// the README compiles nothing. The guides are part of the program.
func TestTheImageIsMadeOfTheProgramOnly(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	folders := copied(string(b))
	if slices.ContainsFunc(folders, func(f string) bool { return f == "." || strings.HasSuffix(f, ".md") }) {
		t.Errorf("copied are %v", folders)
	}
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./cmd/autocrud")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for path := range strings.FieldsSeq(string(out)) {
		dir, ours := strings.CutPrefix(path, "github.com/autocrud-go/autocrud/")
		if !ours {
			continue
		}
		packages++
		if top, _, _ := strings.Cut(dir, "/"); !slices.Contains(folders, top) {
			t.Errorf("%s is not copied", dir)
		}
	}
	if packages < 10 {
		t.Errorf("%d packages", packages)
	}
}

// TestEnvIsOfItsCheckout makes two, in two folders.
func TestEnvIsOfItsCheckout(t *testing.T) {
	var projects []string
	for range 2 {
		dir := t.TempDir()
		for _, name := range []string{".env.example", "scripts/env.sh", "deploy/nats/nats.conf", "examples/quickstart/models/planets.yaml"} {
			b, err := os.ReadFile(filepath.Join(root, name))
			if err == nil {
				err = os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("sh", "scripts/env.sh")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(filepath.Join(dir, ".env"))
		if err != nil {
			t.Fatal(err)
		}
		missing := regexp.MustCompile(`(?m)^NATS_RECOVERY_PASSWORD=.*\n`).ReplaceAllString(string(b), "") + "AUTOCRUD_AUTH=required\n"
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(missing), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd = exec.Command("sh", "scripts/env.sh")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if again, err := os.ReadFile(filepath.Join(dir, ".env")); err != nil || !regexp.MustCompile(`(?m)^NATS_RECOVERY_PASSWORD=[0-9a-f]{48}$`).Match(again) ||
			!regexp.MustCompile(`(?m)^AUTOCRUD_ADMIN_KEY=[0-9a-f]{48}$`).Match(again) || !strings.HasPrefix(string(again), missing) {
			t.Errorf("an .env of an earlier version became %s, %v", again, err)
		}
		for models, want := range map[string]string{"models": "begin it with ./", "./nowhere": "is not there"} {
			cmd = exec.Command("sh", "scripts/env.sh")
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "AUTOCRUD_MODELS="+models)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
				t.Errorf("AUTOCRUD_MODELS=%s: %v, %s", models, err, out)
			}
		}
		projects = append(projects, regexp.MustCompile(`(?m)^COMPOSE_PROJECT_NAME=autocrud-\d+$`).FindString(string(b)))
		info, err := os.Stat(filepath.Join(dir, "deploy/nats/nats.conf"))
		if err != nil || info.Mode().Perm()&0o004 == 0 {
			t.Errorf("other users cannot read what the containers read: %v, %v", info.Mode(), err)
		}
	}
	if projects[0] == "" || projects[0] == projects[1] {
		t.Errorf("the projects are %q", projects)
	}
}

// TestCleanKeepsTheDataOfContainers runs make clean on a folder.
func TestCleanKeepsTheDataOfContainers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"data/compose/nats", "data/blobs", "bin", "dist"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	makefile, err := filepath.Abs(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "-f", makefile, "clean")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, stays := range map[string]bool{"data/compose/nats": true, "data/blobs": false, "bin": false, "dist": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDockerfileIsPinnedAndNotRoot(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	from := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(b), -1)
	if len(from) != 3 {
		t.Fatal(from)
	}
	for _, f := range from {
		if !pinned.MatchString(f[1]) && f[1] != "scratch" {
			t.Errorf("%s is not pinned", f[1])
		}
	}
	if users := regexp.MustCompile(`(?m)^USER (\S+)`).FindAllStringSubmatch(string(b), -1); len(users) == 0 || users[len(users)-1][1] != "65532:65532" {
		t.Errorf("the last user is %v", users)
	}
}
