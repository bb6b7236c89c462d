package tests_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

func TestAWrongModelIsToldWithItsLine(t *testing.T) {
	t.Parallel()
	const fine = "name: studios\nschema: {type: object}\n"
	for _, x := range []struct {
		name   string
		models map[string]string
		says   string // file:line: and a part of the reason
		reason string
	}{
		{"unknown path in the index", map[string]string{"a": "name: as\nschema:\n  type: object\n  properties: {title: {type: string}}\nindex:\n  - title\n  - titel\n"}, "a.yaml:7: ", "titel"},
		{"unknown path in full text", map[string]string{"a": "name: as\nschema: {type: object}\nfulltext: [x]\n"}, "a.yaml:3: ", "x"},
		{"bad name", map[string]string{"a": "schema: {type: object}\nname: Bad_Name\n"}, "a.yaml:2: ", "Bad_Name"},
		{"taken name", map[string]string{"a": "name: blobs\nschema: {type: object}\n"}, "a.yaml:1: ", "blobs"},
		{"no name", map[string]string{"a": "schema: {type: object}\n"}, "a.yaml:1: ", "name"},
		{"reference to nothing", map[string]string{"a": "name: as\nschema: {type: object, properties: {s: {type: string}}}\nrefs:\n  s: {type: studio}\n", "s": fine}, "a.yaml:4: ", "studio"},
		{"one name twice", map[string]string{"a": fine, "b": fine}, "b.yaml:1: ", "studios"},
		{"bad schema", map[string]string{"a": "name: as\nschema:\n  type: objekt\n"}, "a.yaml:3: ", "type"},
		{"unknown key", map[string]string{"a": "name: as\nschema: {type: object}\nindexes: [x]\n"}, "a.yaml:3: ", "indexes"},
		{"broken YAML", map[string]string{"a": "name: as\nschema: {type: [object\n"}, "a.yaml:", ""},
		{"bad job", map[string]string{"a": "name: as\nschema: {type: object}\njob:\n  maxAttempts: 0\n  timeout: soon\n"}, "a.yaml:5: ", "soon"},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := apitest.WriteModels(t, x.models)
			for _, args := range [][]string{{"up", "--addr", "127.0.0.1:0", "--data-dir", filepath.Join(t.TempDir(), "data"), "--models", dir}, {"models", "check", dir}} {
				r := apitest.Run(t, "", args...)
				if r.Code != 2 || !strings.Contains(r.Stderr, x.says) || !strings.Contains(r.Stderr, x.reason) {
					t.Errorf("%s: exit %d: %s", args[0], r.Code, r.Stderr)
				}
				if r.Stdout != "" && args[0] == "up" {
					t.Errorf("it said %q", r.Stdout)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "data", "*")); len(left) > 0 {
				t.Errorf("something was started: %v", left)
			}
		})
	}
}

func TestWrongSettingsAreOneLineAndExitTwo(t *testing.T) {
	dir := apitest.WriteModels(t, models)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, args := range [][]string{
		{"--sync", "sometimes"}, {"--storage", "tape"}, {"--addr", "nowhere"}, {"--addr", "0.0.0.0:0"}, {"--addr", ":0"}, {"--addr", "[::]:0"},
		{"--auth", "maybe"}, {"--namespace", "A B"}, {"--models", "/no/such/folder"}, {"--no-such-flag"}, {"--log-level", "loud"},
		{"--addr", busy.Addr().String()}, {"--models", t.TempDir()}, {"--nats-url", "nats://127.0.0.1:1"}, {"--worker-concurrency", "x"}, {"extra"},
	} {
		data := filepath.Join(t.TempDir(), "data")
		all := []string{"up", "--data-dir", data}
		for _, d := range [][]string{{"--addr", "127.0.0.1:0"}, {"--models", dir}} {
			if args[0] != d[0] {
				all = append(all, d...)
			}
		}
		r := apitest.Run(t, "", append(all, args...)...)
		if r.Code != 2 || strings.Count(strings.TrimSpace(r.Stderr), "\n") != 0 || r.Stderr == "" || r.Stdout != "" {
			t.Errorf("%v: exit %d, %q, %q", args, r.Code, r.Stdout, r.Stderr)
		}
	}
	if r := apitest.Run(t, "", "no-such-command"); r.Code != 2 || strings.Count(strings.TrimSpace(r.Stderr), "\n") != 0 {
		t.Errorf("an unknown command: exit %d, %q", r.Code, r.Stderr)
	}
	if r := apitest.Run(t, "", "up", "--help"); r.Code != 0 || !strings.Contains(r.Stdout, "--data-dir") || !strings.Contains(r.Stdout, "AUTOCRUD_DATA_DIR") {
		t.Errorf("--help: exit %d, %q", r.Code, r.Stdout)
	}
}

func TestListeningBeyondLoopbackNeedsToBeSaid(t *testing.T) {
	dir := apitest.WriteModels(t, models)
	p := apitest.Launch(t, "--addr", "0.0.0.0:0", "--auth", "off", "--models", dir, "--data-dir", t.TempDir(), "--log-level", "error")
	if !strings.HasPrefix(p.URL, "http://") {
		t.Errorf("address %q", p.URL)
	}
}

func TestADataFolderIsUsedByOneProcess(t *testing.T) {
	t.Parallel()
	dir, data := apitest.WriteModels(t, models), t.TempDir()
	p := apitest.Launch(t, "--models", dir, "--data-dir", data, "--log-level", "error")
	r := apitest.Run(t, "", "up", "--addr", "127.0.0.1:0", "--models", dir, "--data-dir", data)
	if r.Code != 2 || !strings.Contains(r.Stderr, "in use") {
		t.Errorf("a second process: exit %d: %s", r.Code, r.Stderr)
	}
	apitest.NewClient(t, p.URL).Post(t, "/v1/movies?id=a", heat).Want(t, 201)
	p.Kill()
	p = apitest.Launch(t, "--models", dir, "--data-dir", data, "--log-level", "error")
	apitest.NewClient(t, p.URL).Get(t, "/v1/movies/a").Want(t, 200)
}

// The index may not have seen the data yet when the process is killed.
func TestATypeWithDataNeedsItsModel(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := apitest.Launch(t, "--models", apitest.WriteModels(t, models), "--data-dir", data, "--log-level", "error")
	apitest.NewClient(t, p.URL).Post(t, "/v1/notes?id=a", `{"text":"x"}`).Want(t, 201)
	p.Kill()
	less := with(nil)
	delete(less, "notes")
	args := []string{"--models", apitest.WriteModels(t, less), "--data-dir", data, "--log-level", "error"}
	r := apitest.Run(t, "", append([]string{"up", "--addr", "127.0.0.1:0"}, args...)...)
	if r.Code != 2 || !strings.Contains(r.Stderr, "notes") {
		t.Errorf("exit %d: %s", r.Code, r.Stderr)
	}
	p = apitest.Launch(t, append(args, "--allow-missing-types")...)
	apitest.NewClient(t, p.URL).Get(t, "/v1/notes/a").WantProblem(t, 404, "unknown_type")
}

func TestSIGTERMFinishesWhatIsUnderWay(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--models", apitest.WriteModels(t, with(jobModel("sleepers", fmt.Sprintf(`{exec: [sh, -c, "trap '' TERM; echo $$ >> %s/pids; sleep 1000"]}`, dir)))), "--data-dir", t.TempDir(), "--log-level", "error"}
	p := apitest.Launch(t, args...)
	c := apitest.NewClient(t, p.URL)
	if !testing.Short() { // it takes as long as the program has patience
		defer hang(t, p, c)()
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := []string{}
	begun := make(chan struct{}, 8)
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("w%d-%d", w, i)
				r, err := c.Try(t, "POST", "/v1/movies?id="+id, heat)
				if err != nil {
					return
				}
				if r.Status == 201 {
					mu.Lock()
					made = append(made, id)
					mu.Unlock()
				} else if r.Status != 503 {
					t.Errorf("%s: %d %s", r.What, r.Status, r.Body)
				}
				if i == 10 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	code, took := p.Terminate(t, 20*time.Second)
	wg.Wait()
	t.Logf("%d writes, exit %d after %s", len(made), code, took)
	if code != 0 || took > 10*time.Second {
		t.Errorf("exit %d after %s", code, took)
	}
	gone(t, dir, 1)
	p = apitest.Launch(t, args...)
	c = apitest.NewClient(t, p.URL)
	for _, id := range made {
		c.Get(t, "/v1/movies/"+id).Want(t, 200)
	}
	if n := total(t, c, "movies"); n < len(made) {
		t.Errorf("%d listed of %d", n, len(made))
	}
	if !testing.Short() {
		apitest.Eventually(t, 10*time.Second, "the job runs again", func() bool { return len(groups(dir)) == 2 })
		p.Kill()
		gone(t, dir, 2)
	}
}

// groups are the process groups of the sleepers that were begun.
func groups(dir string) (out []int) {
	b, _ := os.ReadFile(filepath.Join(dir, "pids"))
	for _, line := range strings.Fields(string(b)) {
		n, _ := strconv.Atoi(line)
		out = append(out, n)
	}
	return out
}

// gone waits until no process of the sleepers' groups is left, of which there
// were so many.
func gone(t *testing.T, dir string, want int) {
	t.Helper()
	all := groups(dir)
	if len(all) != want && !testing.Short() {
		t.Errorf("%d commands were run, not %d", len(all), want)
	}
	for _, group := range all {
		apitest.Eventually(t, 10*time.Second, "the command and its children are gone", func() bool {
			return testenv.GroupGone(group)
		})
	}
}

// hang begins a job that does not want to end and a request whose body never
// does.
func hang(t *testing.T, p *apitest.Process, c *apitest.Client) (end func()) {
	t.Helper()
	c.Post(t, "/v1/sleepers?id=s", `{"to":"x"}`).Want(t, 201)
	apitest.Eventually(t, 10*time.Second, "the job runs", func() bool {
		return c.Get(t, "/v1/sleepers/s").Text("/meta/job/state") == "running"
	})
	stuck, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(stuck, "POST /v1/movies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	return func() { stuck.Close() }
}
