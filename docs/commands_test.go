package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// elsewhere are the commands of the pages that are in no block marked sh, by how they
// begin: what runs them, a file and what is in it, or the reason why nothing does.
var elsewhere = []struct{ begins, file, text, reason string }{
	{begins: "make up", file: "scripts/compose-test.sh", text: `make -C "$project" -s up`},
	{begins: "make down", file: "scripts/compose-test.sh", text: `make -C "$project" -s down`},
	{begins: "make image", file: "scripts/compose-test.sh", text: "make -s image"},
	{begins: "docker compose -f docker-compose.yml exec -T api /autocrud backup - >", file: "scripts/compose-test.sh", text: "/autocrud backup -"},
	{begins: "docker compose -f docker-compose.yml exec -T api /autocrud restore - <", file: "scripts/compose-test.sh", text: "/autocrud restore - <"},
	{begins: "docker compose -f docker-compose.yml stop api indexer worker", file: "scripts/compose-test.sh", text: "compose stop --timeout 10 api indexer worker"},
	{begins: "docker compose -f docker-compose.yml run --rm rebuild-log", file: "scripts/compose-test.sh", text: "compose run --rm rebuild-log"},
	{begins: "docker compose up --detach", file: "scripts/compose-test.sh", text: "compose up --detach"},
	{begins: "kubectl apply -f deploy/k8s/overlays/production/namespace.yaml", file: "scripts/k8s-test.sh", text: "apply -f deploy/k8s/overlays/$overlay/namespace.yaml"},
	{begins: "kubectl apply -k deploy/k8s/overlays/production", file: "scripts/k8s-test.sh", text: "apply -k deploy/k8s/overlays/$overlay"},
	{begins: "kubectl delete job autocrud-provision", file: "scripts/k8s-test.sh", text: "delete job autocrud-provision"},
	{begins: "kubectl create job rebuild-log", file: "scripts/k8s-test.sh", text: "create job rebuild-log"},
	{begins: "kubectl rollout restart statefulset/nats", reason: "there are no nodes in make k8s-test, so no pod restarts"},
	{begins: "helm upgrade --install nats nats/nats", file: "scripts/k8s-test.sh", text: "helm template nats"},
	{begins: "helm upgrade --install autocrud deploy/helm/autocrud", file: "scripts/k8s-test.sh", text: "helm upgrade autocrud deploy/helm/autocrud"},
	{begins: "make run", file: "docs/docs_test.go", text: `"make", "run"`},
	{begins: "make build", file: "scripts/dist/main.go", text: `"./cmd/autocrud"`},
	{begins: "make site", file: "services/api/guide/guide_test.go", text: "Build("},
	{begins: "make dist", file: "scripts/test-dist.sh", text: "./scripts/dist"},
	{begins: "make platforms", file: "scripts/test-full.sh", text: "platforms"},
	{begins: "make lint", file: ".ci/run", text: "make lint"},
	{begins: "make test", file: ".ci/run", text: "make test"},
	{begins: "make deploy-check", file: "scripts/test.sh", text: "cd deploy/"},
	{begins: "make compose-check", file: "scripts/test.sh", text: "cd deploy/"},
	{begins: "make chart", file: "deploy/test/chart_test.go", text: "chart."},
	{begins: "make fuzz", reason: "chance decides what it finds; the corpus is run by make test"},
	{begins: "make bench", reason: "figures of an hour, which benchmarks.md has"},
	{begins: "make emulated", reason: "it is the run; operations.md has its last result"},
	{begins: "make compose-test", reason: "it is the run; deployment.md has its last result"},
	{begins: "make k8s-test", reason: "it is the run; deployment.md has its last result"},
	{begins: "make clean", reason: "it removes what was built; compose_test.go reads that it leaves the data of containers alone"},
	{begins: "make outdated", reason: "it asks the module proxy for newer versions"},
	{begins: "make vuln", reason: "it asks a database that a test machine need not reach"},
	{begins: "go install github.com/autocrud-go/autocrud", reason: "it fetches a published version; version_test.go reads what it would say"},
}

// TestEveryCommandIsRunOrHasAReason looks at lines of blocks, and at code within the text.
func TestEveryCommandIsRunOrHasAReason(t *testing.T) {
	command := regexp.MustCompile(`(?m)^(?:make|docker|kubectl|helm|go install) [^\n#]*|` + "`((?:make|docker|kubectl|helm|go install) [^`]*)`")
	used := map[string]bool{}
	for _, name := range documents(t) {
		if strings.Contains(name, "CHANGELOG") || strings.Contains(name, string(filepath.Separator)+"adr"+string(filepath.Separator)) {
			continue // they say what was
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(b), -1) {
			said, found := strings.TrimSpace(strings.TrimSuffix(m[0], "`")), false
			if m[1] != "" {
				said = m[1]
			}
			for _, e := range elsewhere {
				if strings.HasPrefix(said, e.begins) {
					found, used[e.begins] = true, true
				}
			}
			if !found {
				t.Errorf("%s: nothing runs %q, and no reason is given", filepath.Base(name), said)
			}
		}
	}
	for _, e := range elsewhere {
		if !used[e.begins] {
			t.Errorf("no page says %q", e.begins)
		}
		if e.reason != "" {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(root, e.file)); err != nil || !strings.Contains(string(b), e.text) {
			t.Errorf("%s does not run %q: %v", e.file, e.begins, err)
		}
	}
}

// TestEveryCommandAboutResourcesIsOnItsPage and is run there.
func TestEveryCommandAboutResourcesIsOnItsPage(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program, "--help")
	cmd.Env = environment()
	help, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(help), "\n  get ")
	if !found {
		t.Fatalf("there is no get in\n%s", help)
	}
	run := ""
	for _, b := range readBlocks(t, "cli.md") {
		if b.kind == "sh" {
			run += "\n" + b.text
		}
	}
	commands := regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)?)  `).FindAllStringSubmatch("  get  "+text, -1)
	if len(commands) < 25 {
		t.Fatalf("only %d commands: %q", len(commands), commands)
	}
	for _, m := range commands {
		if name := strings.TrimPrefix(m[1], "context use"); name != "" && !strings.Contains(run, "autocrud "+name+" ") && !strings.Contains(run, "autocrud "+name+"\n") {
			t.Errorf("cli.md runs no `autocrud %s`", name)
		}
	}
}
