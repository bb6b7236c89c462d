package testenv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// S3 is a running S3 server whose objects are files.
type S3 struct {
	Endpoint             string // host:port, without TLS
	AccessKey, SecretKey string
	Dir                  string // one folder for each bucket, one file for each object
	cmd                  *exec.Cmd
	done                 chan struct{}
	out                  bytes.Buffer
}

// StartS3 starts a server in a folder of its own until the end of the test.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	s, err := NewS3(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// NewS3 is StartS3 outside of a test; Kill must follow.
func NewS3(dir string) (*S3, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.Close()
	s := &S3{Endpoint: l.Addr().String(), AccessKey: "test-access", SecretKey: "test-secret-key", Dir: dir}
	return s, s.start()
}

// Start starts it again at the same address on the same objects.
func (s *S3) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *S3) start() error {
	name, err := s3Server()
	if err != nil {
		return err
	}
	s.cmd = exec.Command(name, "--port", s.Endpoint, "--access", s.AccessKey, "--secret", s.SecretKey, "--quiet", "posix", s.Dir)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.SysProcAttr = endWithThread(&syscall.SysProcAttr{}, syscall.SIGKILL)
	s.done = make(chan struct{})
	started := make(chan error)
	go func() { // from a thread that stays: the kernel ends the server with it
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // how it ended is in its output
			close(s.done)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		resp, err := http.Get("http://" + s.Endpoint + "/")
		if err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-s.done:
			return fmt.Errorf("the S3 server ended: %s", s.out.String())
		case <-ctx.Done():
			return fmt.Errorf("the S3 server does not answer: %w", err)
		}
	}
}

// Kill ends it at once.
func (s *S3) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.done
}

// Signal sends a signal, to freeze it and the like.
func (s *S3) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// s3Server builds the server, whose module is beside this file, into the user's
// cache: the first time takes a minute or two.
var s3Server = sync.OnceValues(func() (string, error) {
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the source of the tests cannot be found")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(filepath.Dir(self), "s3server")
	module, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", err
	}
	version := sha256.Sum256(module)
	name := filepath.Join(cache, "autocrud-test", hex.EncodeToString(version[:8]), "versitygw")
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", err
	}
	// Packages are tested side by side: each builds a file of its own and puts
	// it in place.
	own := fmt.Sprintf("%s.%d", name, os.Getpid())
	cmd := exec.Command("go", "build", "-o", own, "github.com/versity/versitygw/cmd/versitygw")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the S3 server for tests: %w\n%s", err, out)
	}
	return name, os.Rename(own, name)
})
