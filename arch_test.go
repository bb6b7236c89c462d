package autocrud_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/autocrud-go/autocrud"

// layers, lowest first: a package may import its own line and those below,
// except where barred says otherwise.
var layers = [][]string{
	{"pkg/query", "pkg/jsonpatch", "pkg/format", "pkg/fault", "pkg/password", "internal/restart", "internal/disk", "internal/memory", "internal/otlp", "docs"},
	{"pkg/reshape"},
	{"pkg/storage"},
	{"pkg/storage/internal/sqlrender", "pkg/storage/internal/sqltables"},
	{"pkg/storage/natslog", "pkg/storage/memblob", "pkg/storage/fsblob", "pkg/storage/s3blob", "pkg/storage/sqliteindex", "pkg/storage/pgindex"},
	{"pkg/model"},
	{"pkg/archive", "pkg/tabular"},
	{"pkg/retention"},
	{"pkg/policy"},
	{"pkg/audit"},
	{"pkg/states"},
	{"pkg/commit"},
	{"pkg/rights", "pkg/jobs", "pkg/publishing"},
	{"pkg/upkeep"},
	{"pkg/notify"},
	{"pkg/admin"},
	{"pkg/resource"},
	{"pkg/job", "pkg/hook"},
	{"services/api/openapi", "services/api/guide", "services/api/limit", "services/api/identity"},
	{"services/api", "services/indexer", "services/worker"},
	{"internal/wiring", "internal/cli/grammar", "internal/cli/remote", "internal/cli/show", "internal/clients"},
	{"internal/cli/resources"},
	{"internal/cli"},
	{"."}, // package autocrud
	{"cmd", "examples", "internal/bench", "scripts", "deploy/test"},
}

// barred imports that the layers alone would allow.
var barred = map[string][]string{
	"pkg/model":      {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/archive":    {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/retention":  {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/policy":     {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/audit":      {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/states":     {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/commit":     {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/rights":     {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/jobs":       {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/publishing": {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/upkeep":     {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/notify":     {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/admin":      {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/resource":   {"pkg/storage/", "net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg/job":        {"pkg/storage/", "net/http", "github.com/nats-io"},
	"pkg/hook":       {"pkg/storage/", "pkg/resource", "net/http"},
	"pkg/query":      {"net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc"},
	"pkg/jsonpatch":  {"net/http", "database/sql", "github.com/"},
	"pkg/fault":      {"net/http", "database/sql", "github.com/"},
	"pkg/reshape":    {"net/http", "database/sql"},
	"pkg/format":     {"net/http", "database/sql", "github.com/"},
	"pkg/storage":    {"net/http", "database/sql", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio"},
	"pkg":            {"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters"},
	"services":       {"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters", "pkg/storage/", "github.com/nats-io", "modernc.org", "github.com/jackc", "github.com/minio", "database/sql"},
	"internal/cli":   {"pkg/storage/"},
	"cmd":            {"pkg/storage/", "internal/"},
	"examples":       {"pkg/storage/", "internal/"},
}

// testOnly packages are for tests; shipped code must not import them.
var testOnly = []string{"pkg/storage/storagetest", "internal/testenv", "internal/faultlog", "internal/apitest"}

func layerOf(dir string) int {
	best, length := -1, -1
	for i, names := range layers {
		for _, n := range names {
			if (dir == n || strings.HasPrefix(dir, n+"/")) && len(n) > length {
				best, length = i, len(n)
			}
		}
	}
	return best
}

func within(dir, prefix string) bool {
	return dir == prefix || strings.HasPrefix(dir, strings.TrimSuffix(prefix, "/")+"/")
}

func isTestOnly(dir string) bool {
	for _, p := range testOnly {
		if within(dir, p) {
			return true
		}
	}
	return false
}

// TestImportsRunOneWay reads the imports of every shipped file.
func TestImportsRunOneWay(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || isTestOnly(dir) {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		for _, spec := range f.Imports {
			for _, problem := range checkImport(dir, strings.Trim(spec.Path.Value, `"`)) {
				t.Errorf("%s: %s", path, problem)
			}
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Fatalf("%d files read, %v", files, err)
	}
}

func checkImport(dir, imported string) (problems []string) {
	for from, what := range barred {
		if !within(dir, from) || from == "pkg/storage" && dir != from {
			continue
		}
		for _, w := range what {
			target := strings.TrimPrefix(imported, module+"/")
			if strings.HasPrefix(target, w) && !strings.HasPrefix(w, "internal/") || strings.HasPrefix(w, "internal/") && within(target, w) && target != imported {
				problems = append(problems, from+" must not import "+imported)
			}
		}
	}
	target, ours := strings.CutPrefix(imported, module)
	if !ours {
		return problems
	}
	if target = strings.TrimPrefix(target, "/"); target == "" {
		target = "."
	}
	if isTestOnly(target) {
		return append(problems, "shipped code imports the test package "+target)
	}
	from, to := layerOf(dir), layerOf(target)
	switch {
	case from < 0:
		problems = append(problems, "the package has no place in the layers")
	case to > from:
		problems = append(problems, "imports upwards: "+target)
	case to == from && dir != target && !within(dir, target) && !within(target, dir):
		problems = append(problems, "imports its neighbour "+target)
	}
	return problems
}

// The rule would be worth nothing if it found nothing.
func TestImportRuleCatchesBreaches(t *testing.T) {
	for _, c := range [][2]string{
		{"pkg/query", module + "/pkg/storage"},
		{"pkg/resource", module + "/pkg/storage/natslog"},
		{"pkg/resource", "net/http"},
		{"pkg/model", module + "/pkg/resource"},
		{"pkg/archive", module + "/pkg/resource"},
		{"pkg/policy", module + "/pkg/resource"},
		{"pkg/fault", module + "/pkg/storage"},
		{"services/api", module + "/services/worker"},
		{"services/api/openapi", module + "/services/api"},
		{"pkg/storage/fsblob", module + "/pkg/storage/memblob"},
		{"services/api", module + "/internal/wiring"},
		{"cmd/autocrud", module + "/internal/cli"},
		{"services/api", module + "/internal/testenv"},
		{"pkg/resource", "go.opentelemetry.io/otel/sdk/trace"},
		{"pkg/new", module + "/pkg/query"},
	} {
		if len(checkImport(c[0], c[1])) == 0 {
			t.Errorf("%s may import %s", c[0], c[1])
		}
	}
}
