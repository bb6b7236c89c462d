package apitest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// WriteModels puts model files, by name without extension, into a new folder.
func WriteModels(t testing.TB, models map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range models {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Start runs the program inside the test until its end and returns a client.
// A nil app is the stock program.
func Start(t testing.TB, app *autocrud.App, s autocrud.Settings) *Client {
	t.Helper()
	if app == nil {
		app = autocrud.New()
	}
	if s.Addr == "" {
		s.Addr = "127.0.0.1:0"
	}
	if s.LogLevel == "" {
		s.LogLevel = "error"
	}
	if s.DataDir == "" {
		s.DataDir = t.TempDir()
	}
	r, err := app.Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Errorf("the program ended with: %v", err)
		}
	})
	return NewClient(t, r.URL)
}

var buildDir string

// build makes the program once for a run of the tests.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "autocrud-test-")
	if err != nil {
		return "", err
	}
	buildDir = dir
	name := filepath.Join(dir, "autocrud")
	cmd := exec.Command("go", "build", "-o", name, "github.com/autocrud-go/autocrud/cmd/autocrud")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return name, nil
})

// Main runs the tests and removes the built program.
func Main(m *testing.M) {
	testenv.Manage()
	code := m.Run()
	testenv.StopShared()
	if buildDir != "" {
		_ = os.RemoveAll(buildDir) // the system's temporary folder
	}
	os.Exit(code)
}

// Process is the program as a child process.
type Process struct {
	URL    string
	Began  time.Duration // from start to ready
	cmd    *exec.Cmd
	stderr output // to be read after it ended
	exited chan struct{}
}

// Program is where the built program is.
func Program(t testing.TB) string {
	t.Helper()
	name, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(Program(t), args...)
	cmd.Dir = t.TempDir()
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AUTOCRUD_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	return cmd
}

// Launch runs `up` with the arguments on a free port and waits until it is
// ready. It is killed at the end of the test at the latest.
func Launch(t testing.TB, args ...string) *Process {
	t.Helper()
	return LaunchCommand(t, command(t, append([]string{"up", "--addr", "127.0.0.1:0"}, args...)...))
}

// LaunchService is Launch for any command that serves.
func LaunchService(t testing.TB, args ...string) *Process {
	t.Helper()
	return LaunchCommand(t, command(t, args...))
}

// LaunchWith is LaunchService with more of an environment.
func LaunchWith(t testing.TB, env []string, args ...string) *Process {
	t.Helper()
	cmd := command(t, args...)
	cmd.Env = append(cmd.Env, env...)
	return LaunchCommand(t, cmd)
}

// LaunchCommand is Launch for any program that tells its address.
func LaunchCommand(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, _ := lines.ReadString('\n') // the address, or nothing when it ended
	p.Began = time.Since(begun)
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		_ = p.cmd.Wait() // its state tells
		close(p.exited)
	}()
	t.Cleanup(p.Kill)
	_, rest, ok := strings.Cut(line, " at http")
	if !ok {
		p.Kill()
		t.Fatalf("it did not get ready: %q\n%s", line, p.stderr.String())
	}
	p.URL = "http" + strings.Fields(rest)[0]
	return p
}

// TryLaunch is Launch for a program that may refuse to start: p is nil then, and
// the result what it said.
func TryLaunch(t testing.TB, args ...string) (p *Process, refused Result) {
	t.Helper()
	cmd := command(t, append([]string{"up", "--addr", "127.0.0.1:0"}, args...)...)
	p = &Process{cmd: cmd, exited: make(chan struct{})}
	cmd.Stderr = &p.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	line, _ := lines.ReadString('\n') // the address, or nothing when it ended
	timer.Stop()
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait() // its state tells
		close(p.exited)
	}()
	_, rest, ok := strings.Cut(line, " at http")
	if !ok {
		<-p.exited
		return nil, Result{cmd.ProcessState.ExitCode(), line, p.stderr.String()}
	}
	p.URL = "http" + strings.Fields(rest)[0]
	return p, Result{}
}

// Freeze stops it as it is, or lets it go on.
func (p *Process) Freeze(frozen bool) error { return testenv.Freeze(p.cmd.Process, frozen) }

// Kill ends it at once, without a chance to clean up.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.exited
}

// Terminate asks it to end and returns its exit code and how long it took.
func (p *Process) Terminate(t testing.TB, within time.Duration) (code int, took time.Duration) {
	t.Helper()
	begun := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(within):
		p.Kill()
		t.Fatalf("still there %s after SIGTERM\n%s", within, p.stderr.String())
	}
	return p.cmd.ProcessState.ExitCode(), time.Since(begun)
}

// output is what a process writes, which may be read meanwhile.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(b)
}

// String is what was written so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// Said is what it wrote to stderr so far.
func (p *Process) Said() string { return p.stderr.String() }

// Log is what it wrote to stderr, once it ended.
func (p *Process) Log() string {
	<-p.exited
	return p.stderr.String()
}

// Result of a command that ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs a command of the program to its end.
func Run(t testing.TB, stdin string, args ...string) Result {
	t.Helper()
	return run(t, nil, stdin, args...)
}

// RunWith is Run with more of an environment.
func RunWith(t testing.TB, env []string, args ...string) Result {
	t.Helper()
	return run(t, env, "", args...)
}

func run(t testing.TB, env []string, stdin string, args ...string) Result {
	t.Helper()
	cmd := command(t, args...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// Spawn begins a command and returns how to kill it.
func Spawn(t testing.TB, args ...string) (kill func()) {
	t.Helper()
	cmd := command(t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill() // it may have ended already
		_ = cmd.Wait()
	}
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }
