// Package docs_test runs what the README and the guides say.
//
// The convention, for every Markdown file of the repository's root and of docs/:
//
//   - a block marked sh is run with `sh -eu` against the built program serving
//     the quickstart with its seed; 127.0.0.1:8080 stands for its address, and
//     `autocrud` is the program. Blocks of one file run in order on one server.
//   - a block of `make` commands is not run; its targets must exist. (`make run`
//     has a test of its own.)
//   - a block marked json right after one marked sh shows its answers: one JSON
//     value for each that is printed. Members that are not shown are not
//     compared, a string that ends in … matches every string that begins so,
//     and any number will do for seq. Lists have as many elements as shown.
//   - a block marked text right after one marked sh shows its lines; a line
//     that ends in … matches every line that begins so.
//   - a block that only reads is run again, for a while, until its answer is
//     the one that is shown: jobs need a moment.
//   - a yaml block with a schema is a model and passes `models check`.
//   - a yaml block that begins with "# policy.yaml", before the first sh block of
//     a file, is the policy of that file's server, which asks for credentials;
//     $ADMIN_KEY is that of its admin.
//   - a go block is part of a file below examples/, which is compiled and tested.
package docs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
)

// root of the repository, and the program built from it.
var root, program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "docs")
	if err == nil {
		defer os.RemoveAll(dir)
		root, err = filepath.Abs("..")
	}
	if err == nil {
		program = filepath.Join(dir, "bin", "autocrud")
		build := exec.Command("go", "build", "-o", program, "./cmd/autocrud")
		build.Dir, build.Stderr = root, os.Stderr
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the program cannot be built:", err)
		return 1
	}
	return m.Run()
}

// environment is ours without the settings of the person who runs the tests.
func environment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "AUTOCRUD_") })
	return append(append(env, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH")), more...)
}

// block of a Markdown file.
type block struct {
	line   int
	kind   string // sh, json, ...
	text   string
	follow bool // only blank lines are between it and the block before
}

func readBlocks(t *testing.T, name string) (out []block) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	inside, follow := false, false
	for i, line := range strings.Split(string(b), "\n") {
		switch {
		case strings.HasPrefix(line, "```") && !inside:
			out = append(out, block{line: i + 2, kind: strings.TrimPrefix(line, "```"), follow: follow})
			inside = true
		case strings.HasPrefix(line, "```"):
			inside, follow = false, true
		case inside:
			out[len(out)-1].text += line + "\n"
		case strings.TrimSpace(line) != "":
			follow = false
		}
	}
	if inside {
		t.Fatalf("%s: a block is never closed", name)
	}
	return out
}

func documents(t *testing.T) (out []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, names...)
	}
	if len(out) < 10 {
		t.Fatalf("only %d documents found: %s", len(out), out)
	}
	return out
}

func TestDocumentsDoWhatTheyShow(t *testing.T) {
	for _, name := range documents(t) {
		rel, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		if rel == filepath.Join("docs", tutorial) {
			continue // TestTheTutorialWorks
		}
		t.Run(rel, func(t *testing.T) {
			blocks := readBlocks(t, name)
			var s *server
			policy := ""
			for i, b := range blocks {
				switch b.kind {
				case "sh":
					if targets, ok := makeTargets(b.text); ok {
						checkTargets(t, b, targets)
						continue
					}
					if s == nil {
						s = quickstart(t, policy)
					}
					var want *block
					if i+1 < len(blocks) && blocks[i+1].follow && (blocks[i+1].kind == "json" || blocks[i+1].kind == "text") {
						want = &blocks[i+1]
					}
					s.check(t, b, want)
				case "yaml":
					checkModel(t, b)
					if strings.HasPrefix(b.text, "# policy.yaml") {
						policy = b.text
					}
				case "go":
					checkGo(t, b)
				case "json", "text":
				default:
					t.Errorf("line %d: a block of the kind %q; use sh, json, text, yaml or go", b.line, b.kind)
				}
			}
		})
	}
}

// makeTargets are the targets of a block that is make commands only.
func makeTargets(text string) (targets []string, ok bool) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] != "make" {
			return nil, false
		}
		targets = append(targets, words[1:]...)
	}
	return targets, len(targets) > 0
}

func checkTargets(t *testing.T, b block, targets []string) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if !strings.Contains(target, "=") && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`:`).Match(makefile) {
			t.Errorf("line %d: the Makefile has no target %s", b.line, target)
		}
	}
}

func checkModel(t *testing.T, b block) {
	t.Helper()
	if !strings.Contains(b.text, "schema:") {
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "model.yaml"), []byte(b.text), 0o600); err != nil {
		t.Fatal(err)
	}
	// A model may refer to the quickstart's and to these.
	for _, name := range []string{"studios", "people"} {
		text := "name: " + name + "\nschema: {type: object, properties: {name: {type: string}}}\n"
		if strings.Contains(b.text, "name: "+name+"\n") {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "models", "check", dir)
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("line %d: %v: %s", b.line, err, out)
	}
}

func checkGo(t *testing.T, b block) {
	t.Helper()
	found := false
	err := filepath.WalkDir(filepath.Join(root, "examples"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		source, err := os.ReadFile(path)
		found = found || bytes.Contains(source, []byte(b.text))
		return err
	})
	if err != nil || !found {
		t.Errorf("line %d: no file below examples/ holds this code, %v", b.line, err)
	}
}

// server is the program at work, and a folder from which commands are run.
type server struct {
	token    string // of its admin; empty: it asks for none
	url, dir string
}

// quickstart serves the quickstart's models with its seed on a free port.
// With a policy it asks for credentials.
func quickstart(t *testing.T, policy string) *server {
	t.Helper()
	s := &server{dir: t.TempDir()}
	for name, target := range map[string]string{"examples": "examples", "models": "examples/quickstart/models"} {
		if err := os.Symlink(filepath.Join(root, target), filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	settings := []string{"AUTOCRUD_ADDR=127.0.0.1:0", "AUTOCRUD_DATA_DIR=" + filepath.Join(s.dir, "data")}
	if policy != "" {
		if err := os.WriteFile(filepath.Join(s.dir, "policy.yaml"), []byte(policy), 0o600); err != nil {
			t.Fatal(err)
		}
		s.token = "the-admin-key-of-a-test-of-the-guides"
		settings = append(settings, "AUTOCRUD_AUTH=required", "AUTOCRUD_ADMIN_KEY="+s.token, "AUTOCRUD_POLICIES=policy.yaml")
	}
	p := start(t, settings, s.dir, program, "up")
	line := p.await(t, "ready at ")
	s.url = "http://" + regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	p.mustExitZero(t)
	for _, x := range [][2]string{{"planets", "name"}, {"moons", "name"}, {"elements", "symbol"}} { // moons refer to planets
		typ, field := x[0], x[1]
		cmd := exec.CommandContext(t.Context(), program, "import", typ, "examples/quickstart/seed/"+typ+".ndjson", "--id-field", field, "--url", s.url, "--token", s.token)
		cmd.Dir, cmd.Env = s.dir, environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("the seed of %s: %v: %s", typ, err, out)
		}
	}
	return s
}

// patience is how long a block that reads may need to show what is written.
const patience = 15 * time.Second

var writes = regexp.MustCompile(`-X|\s-d\s*'?\{|--data-binary|autocrud (import|create|apply|patch|edit|run|login)`)

func (s *server) check(t *testing.T, b block, want *block) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		stdout, stderr, err := s.sh(t, b.text)
		problem := ""
		switch {
		case err != nil:
			problem = fmt.Sprintf("%v: %s", err, stderr)
		case want != nil && want.kind == "json":
			problem = compareJSON(want.text, stdout)
		case want != nil:
			problem = compareLines(want.text, stdout)
		}
		if problem == "" {
			return
		}
		if writes.MatchString(b.text) || time.Now().After(deadline) {
			t.Fatalf("line %d: %s\nprinted:\n%s", b.line, problem, stdout)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *server) sh(t *testing.T, script string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu")
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(script, "127.0.0.1:8080", strings.TrimPrefix(s.url, "http://")))
	cmd.Dir, cmd.Env = s.dir, environment("AUTOCRUD_URL="+s.url, "ADMIN_KEY="+s.token)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func compareLines(want, got string) string {
	w, g := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	if len(w) != len(g) {
		return fmt.Sprintf("%d lines are shown, %d printed", len(w), len(g))
	}
	for i := range w {
		if prefix, open := strings.CutSuffix(w[i], "…"); open && strings.HasPrefix(g[i], prefix) || w[i] == strings.TrimRight(g[i], " \r") {
			continue
		}
		return fmt.Sprintf("shown is %q, printed %q", w[i], g[i])
	}
	return ""
}

func compareJSON(want, got string) string {
	w, err := values(want)
	if err != nil {
		return fmt.Sprintf("what is shown is not JSON: %v", err)
	}
	g, err := values(got)
	if err != nil {
		return fmt.Sprintf("what was printed is not JSON: %v", err)
	}
	return compare("", w, g)
}

func values(text string) (out []any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var v any
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

// compare tells the first difference at a place of the answer.
func compare(at string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for k, x := range w {
			y, ok := g[k]
			if !ok {
				return fmt.Sprintf("%s/%s is shown and not there", at, k)
			}
			if _, number := y.(float64); k == "seq" && number {
				continue
			}
			if p := compare(at+"/"+k, x, y); p != "" {
				return p
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		for i := range w {
			if p := compare(fmt.Sprintf("%s/%d", at, i), w[i], g[i]); p != "" {
				return p
			}
		}
		return ""
	case string:
		g, ok := got.(string)
		if prefix, open := strings.CutSuffix(w, "…"); ok && (g == w || open && strings.HasPrefix(g, prefix)) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("at %q %v is shown, %v was answered", at, want, got)
}

// The comparison would be worth nothing if it found nothing.
func TestComparisonFindsDifferences(t *testing.T) {
	for _, c := range [][2]string{
		{`{"a":1}`, `{"a":2}`}, {`{"a":1}`, `{"b":1}`}, {`{"a":[1]}`, `{"a":[1,2]}`}, {`{"a":"x…"}`, `{"a":"yx"}`},
		{`{"a":null}`, `{"a":0}`}, {`{"a":1}`, `{"a":1}{"a":1}`}, {`{"seq":1}`, `{"seq":"1"}`}, {`{"a":{}}`, `{"a":[]}`},
	} {
		if compareJSON(c[0], c[1]) == "" {
			t.Errorf("%s passes for %s", c[1], c[0])
		}
	}
	if p := compareJSON(`{"a":[{"b":"x…"}],"seq":3}`, `{"a":[{"b":"xyz","c":1}],"seq":9,"d":null}`); p != "" {
		t.Error(p)
	}
}

// process that runs beside the test and is ended with it.
type process struct {
	cmd  *exec.Cmd
	done chan error

	mu   sync.Mutex
	out  []string
	more chan struct{} // closed and replaced with every line
}

func start(t *testing.T, env []string, dir, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), done: make(chan error, 1), more: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, environment(env...)
	p.cmd.SysProcAttr = testenv.OwnGroup()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			p.add(s.Text())
		}
		r.Close()
	}()
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = testenv.SignalGroup(p.cmd.Process.Pid, syscall.SIGKILL) }) // gone already, unless the test failed
	return p
}

func (p *process) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = append(p.out, line)
	close(p.more)
	p.more = make(chan struct{})
}

func (p *process) lines() ([]string, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.out), p.more
}

// await waits for a line that holds the text.
func (p *process) await(t *testing.T, text string) string {
	t.Helper()
	deadline := time.After(90 * time.Second)
	for {
		lines, more := p.lines()
		for _, l := range lines {
			if strings.Contains(l, text) {
				return l
			}
		}
		select {
		case <-more:
		case err := <-p.done:
			t.Fatalf("it ended, %v, without %q:\n%s", err, text, strings.Join(lines, "\n"))
		case <-deadline:
			t.Fatalf("%q is not printed:\n%s", text, strings.Join(lines, "\n"))
		}
	}
}

// mustExitZero ends the process with the test, by SIGTERM, and checks that it
// ends well.
func (p *process) mustExitZero(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if err := p.stop(syscall.SIGTERM); err != nil {
			lines, _ := p.lines()
			t.Errorf("stopped: %v:\n%s", err, strings.Join(lines, "\n"))
		}
	})
}

// stop sends a signal to the process and waits for its end.
func (p *process) stop(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("it did not end within 20 s")
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// TestMakeRun does what the README says first, then the same again: the second
// start finds everything there.
func TestMakeRun(t *testing.T) {
	env := []string{"AUTOCRUD_ADDR=127.0.0.1:0", "AUTOCRUD_DATA_DIR=" + filepath.Join(t.TempDir(), "data")}
	p := start(t, env, root, "make", "run")
	p.await(t, "Ctrl-C stops it.")
	url := address.FindString(p.await(t, "AutoCRUD runs at "))
	if code, body := get(t, url+"/v1/elements/Fe"); code != http.StatusOK || !strings.Contains(body, `"name":"iron"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := get(t, url+"/docs"); code != http.StatusOK {
		t.Errorf("/docs: %d %s", code, body)
	}
	if err := testenv.SignalGroup(p.cmd.Process.Pid, syscall.SIGINT); err != nil { // as Ctrl-C does
		t.Fatal(err)
	}
	select {
	case <-p.done: // make itself does not end with 0 after Ctrl-C
	case <-time.After(20 * time.Second):
		t.Fatal("Ctrl-C does not stop it")
	}

	p = start(t, env, root, "sh", "examples/quickstart/run.sh", program)
	p.await(t, "Ctrl-C stops it.")
	for _, n := range []string{"9", "21", "118"} {
		p.await(t, "0 imported, 0 replaced, "+n+" there already, 0 refused")
	}
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// TestRunFindsAFreePort: the one it would take is taken.
func TestRunFindsAFreePort(t *testing.T) {
	taken := start(t, []string{"AUTOCRUD_ADDR=127.0.0.1:0", "AUTOCRUD_STORAGE=memory", "AUTOCRUD_MODELS=examples/quickstart/models"}, root, program, "up")
	taken.mustExitZero(t)
	addr := strings.TrimPrefix(address.FindString(taken.await(t, "ready at ")), "http://")
	script, err := os.ReadFile(filepath.Join(root, "examples/quickstart/run.sh"))
	if err != nil {
		t.Fatal(err)
	}
	// The same script with the taken port in the place of 8080, which may be
	// another process's.
	dir := filepath.Join(t.TempDir(), "quickstart")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "examples/quickstart"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run.sh"), []byte(strings.ReplaceAll(string(script), "127.0.0.1:8080", addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, t.TempDir(), "sh", filepath.Join(dir, "run.sh"), program)
	p.await(t, "is taken")
	p.await(t, "Ctrl-C stops it.")
	if url := address.FindString(p.await(t, "AutoCRUD runs at ")); url == "http://"+addr || url == "" {
		t.Errorf("it runs at %q", url)
	}
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}
