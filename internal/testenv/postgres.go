package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// cluster is the one Postgres of a test binary: in a folder of its own, on a
// socket in it, without fsync.
type cluster struct {
	dir string
	cmd *exec.Cmd
	end chan struct{} // closed when the server has ended
	out *bytes.Buffer
}

var postgres struct {
	sync.Mutex
	managed   bool // Main will stop it
	cluster   *cluster
	err       error
	databases atomic.Int64
}

// Main runs a package's tests and stops what they shared. A package whose
// tests use Postgres has `func TestMain(m *testing.M) { testenv.Main(m) }`.
func Main(m *testing.M) {
	Manage()
	code := m.Run()
	StopShared()
	os.Exit(code)
}

// Manage tells that StopShared will follow.
func Manage() { postgres.managed = true }

// StopPostgres ends the server and removes its folder.
func StopPostgres() {
	postgres.Lock()
	defer postgres.Unlock()
	if postgres.cluster != nil {
		postgres.cluster.stop()
		postgres.cluster = nil
	}
}

// Postgres gives the test a fresh, empty database. Its locale is one that
// orders and folds unlike code points where the server can, so that nothing
// that leans on the locale passes by luck.
func Postgres(t testing.TB) string {
	t.Helper()
	if !postgres.managed {
		t.Fatal("the package needs func TestMain(m *testing.M) { testenv.Main(m) }")
	}
	dsn, drop, err := Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(drop)
	return dsn
}

// Database is Postgres outside of tests; StopPostgres must follow.
func Database(ctx context.Context) (dsn string, drop func(), err error) {
	c, err := sharedCluster()
	if err != nil {
		return "", nil, err
	}
	name := fmt.Sprintf("test%d", postgres.databases.Add(1))
	if err := c.exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, fmt.Errorf("create a database: %w", err)
	}
	return c.url(name), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = c.exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)") // the folder goes anyway
	}, nil
}

func (c *cluster) url(database string) string {
	q := url.Values{"host": {c.dir}, "user": {"postgres"}}
	return "postgres:///" + database + "?" + q.Encode()
}

func (c *cluster) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

func sharedCluster() (*cluster, error) {
	postgres.Lock()
	defer postgres.Unlock()
	if postgres.cluster == nil && postgres.err == nil {
		postgres.cluster, postgres.err = startCluster()
	}
	return postgres.cluster, postgres.err
}

func startCluster() (_ *cluster, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	uid, gid, err := serverUser()
	if err != nil {
		return nil, err
	}
	// A socket's path is at most some 100 bytes, so not below t.TempDir.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, end: make(chan struct{}), out: &bytes.Buffer{}}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	attr := &syscall.SysProcAttr{}
	if uid != 0 {
		attr = credential(uid, gid)
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := func(more ...string) ([]byte, error) {
		cmd := exec.Command(filepath.Join(bin, "initdb"), append([]string{"-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"}, more...)...)
		cmd.SysProcAttr, cmd.Dir = attr, dir
		return cmd.CombinedOutput()
	}
	if _, err := initdb("--locale=C", "--locale-provider=icu", "--icu-locale=en-US"); err != nil {
		os.RemoveAll(data) // a server without ICU
		if out, err := initdb("--locale=C"); err != nil {
			return nil, fmt.Errorf("initdb: %w: %s", err, out)
		}
	}
	c.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "shared_buffers=512MB",
		"-c", "max_connections=100", "-c", "max_wal_size=2GB", "-c", "autovacuum_naptime=10s", "-c", "log_min_messages=error")
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = dir, c.out, c.out
	c.cmd.SysProcAttr = endWithThread(attr, syscall.SIGQUIT)
	if err := c.start(); err != nil {
		return nil, err
	}
	return c, c.await()
}

// start starts the server from a thread that stays: the kernel ends the server
// when the thread that started it ends.
func (c *cluster) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // how it ended is in its output
			close(c.end)
		}
	}()
	return <-started
}

// await returns when the server answers.
func (c *cluster) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.end:
			return fmt.Errorf("postgres ended: %s", c.out)
		case <-ctx.Done():
			c.stop()
			return fmt.Errorf("postgres does not answer: %w", err)
		}
	}
}

// Server is a Postgres of one test, which can be restarted.
type Server struct{ c *cluster }

// StartPostgres starts a server until the end of the test.
func StartPostgres(t testing.TB) *Server {
	t.Helper()
	c, err := startCluster()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{c}
	t.Cleanup(func() { s.c.stop() })
	return s
}

// URL of its database.
func (s *Server) URL() string { return s.c.url("postgres") }

// Restart ends it at once and starts it again on what it stored.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(syscall.SIGINT) // fast: connections are cut
	s.Start(t)
}

// Stop ends it by a signal: SIGINT cuts connections, SIGKILL is a crash.
func (s *Server) Stop(sig os.Signal) {
	_ = s.c.cmd.Process.Signal(sig) // it may have ended
	<-s.c.end
}

// Freeze stops all its processes as they are, or lets them go on.
func (s *Server) Freeze(t testing.TB, frozen bool) {
	t.Helper()
	pid := s.c.cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(strings.Fields(string(children)), strconv.Itoa(pid)) {
		child, err := strconv.Atoi(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := os.FindProcess(child)
		if err != nil {
			t.Fatal(err)
		}
		_ = Freeze(p, frozen) // a child may have ended
	}
}

// Start starts it again on what it stored.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	old := s.c
	c := &cluster{dir: old.dir, end: make(chan struct{}), out: old.out}
	c.cmd = exec.Command(old.cmd.Path, old.cmd.Args[1:]...)
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr, c.cmd.SysProcAttr = old.cmd.Dir, old.out, old.out, old.cmd.SysProcAttr
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	s.c = c
	if err := c.await(); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGQUIT) // it may have ended
	<-c.end
	os.RemoveAll(c.dir)
}

// binaries finds the folder with initdb and postgres, the newest version first.
func binaries() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), "postgres")); err == nil {
				return filepath.Dir(p), nil
			}
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	version := func(p string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(p))))
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) == 0 {
		return "", errors.New("these tests need Postgres: install it (Debian: apt-get install postgresql) or put initdb into PATH")
	}
	return filepath.Dir(found[0]), nil
}

// serverUser is the user that the server runs as, since it refuses root; 0 is the user
// of the tests.
func serverUser() (id, group uint32, err error) {
	if os.Geteuid() != 0 {
		return 0, 0, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return uint32(uid), uint32(gid), nil
		}
	}
	return 0, 0, errors.New("Postgres does not run as root: make a user named postgres, or run the tests as another user")
}
