// Package test checks what is shipped for running AutoCRUD elsewhere against
// the schemas of those who read it.
package test

import (
	"os"
	"path/filepath"
	"regexp"
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
	o, err := cli.NewProjectOptions(files, cli.WithEnv(env), cli.WithWorkingDirectory(root))
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
			for _, want := range []string{"nats", "postgres", "s3", "provision", "api", "indexer", "worker"} {
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
	if name != "provision" && (s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) == 0) {
		t.Errorf("%s has no health check", name)
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" {
			t.Errorf("%s is published to %q", name, port.HostIP)
		}
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

func TestDockerfileIsPinnedAndNotRoot(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	from := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(b), -1)
	if len(from) != 2 {
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
