package tests_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

func TestHealthTellsByItsExitCode(t *testing.T) {
	p := apitest.Launch(t, "--models", apitest.WriteModels(t, models), "--storage", "memory")
	for _, more := range [][]string{nil, {"--live"}} {
		if r := apitest.Run(t, "", append([]string{"health", "--url", p.URL}, more...)...); r.Code != 0 || r.Stdout != "ok\n" {
			t.Errorf("%v: exit %d: %s%s", more, r.Code, r.Stdout, r.Stderr)
		}
	}
	p.Kill()
	if r := apitest.Run(t, "", "health", "--url", p.URL); r.Code != 1 || r.Stderr == "" {
		t.Errorf("of nothing: exit %d: %s", r.Code, r.Stderr)
	}
}

// TestEveryFlagIsAnEnvironmentVariable reads what the help says of each.
func TestEveryFlagIsAnEnvironmentVariable(t *testing.T) {
	for _, command := range []string{"up", "api", "indexer", "worker", "provision"} {
		help := strings.Join(strings.Fields(apitest.Run(t, "", command, "--help").Stdout), " ")
		flags := regexp.MustCompile(`--([a-z0-9-]+)(=|\b)[^$]*?\(\$([A-Z0-9_]+)\)`).FindAllStringSubmatch(help, -1)
		if len(flags) < 20 {
			t.Fatalf("%s: %d flags found in %s", command, len(flags), help)
		}
		for _, name := range []string{"s3-endpoint", "s3-use-tls", "nats-url", "data-dir", "postgres-url", "drain-delay"} {
			if env := "$AUTOCRUD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")); !strings.Contains(help, env+")") {
				t.Errorf("%s: %s is not said for --%s", command, env, name)
			}
		}
	}
}
