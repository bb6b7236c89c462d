package natslog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// PinnedServer is the version of the embedded server whose write path the
// commit barrier rests on. Another one runs only after the tests that pin it
// passed with it and this constant was changed.
const PinnedServer = "2.15.2"

// Sync says when the embedded server's writes reach the disk.
type Sync struct {
	// Barrier: before every answer, by the commit barrier.
	Barrier bool
	// Every: by the server, this often. A loss of power loses at most as much.
	Every time.Duration
}

// Listen opens an embedded server to subscribers outside. They may create and
// read pull consumers of the stream of events, hear it live, and nothing else.
type Listen struct {
	Addr string // host:port; empty: no client outside reaches the server
	// Password of the user "hook". Empty: every client without a user is it.
	Password  string
	Namespace string // default "main"
	// Logger gets what the server finds wrong, with its files above all; nil: no
	// logger does.
	Logger *slog.Logger
}

// Embedded is a NATS server inside this process, reachable by no other unless
// it was told to listen. The log, the events for subscribers outside, and those
// subscribers each have an account: what a consumer is told to deliver where, and
// what the server answers where, is no matter of permissions, so a user can have
// messages put on any subject of its account.
type Embedded struct {
	Server *server.Server
	Conn   *nats.Conn // for the log
	Events *nats.Conn // for the stream of events
	dir    string
}

// eventsAccount holds the stream of events.
const eventsAccount = "EVENTS"

// StartEmbedded starts a server that keeps its files in dir.
func StartEmbedded(dir string, s Sync) (*Embedded, error) { return StartListening(dir, s, Listen{}) }

// StartListening is StartEmbedded for a server that others may reach.
func StartListening(dir string, s Sync, l Listen) (*Embedded, error) {
	if s.Barrier && server.VERSION != PinnedServer {
		return nil, fmt.Errorf("the commit barrier is pinned to nats-server %s, linked is %s: run with --sync 100ms or build with the pinned version",
			PinnedServer, server.VERSION)
	}
	o := &server.Options{
		ServerName: "autocrud", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir,
		JetStreamMaxStore: 1 << 42, JetStreamMaxMemory: 8 << 30,
		MaxPayload: 2 << 20,
	}
	if s.Every > 0 {
		o.SyncInterval = s.Every
	}
	own := rand.Text()
	if err := l.apply(o, own); err != nil {
		return nil, err
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	if l.Logger != nil {
		srv.SetLogger(complaints{l.Logger}, false, false)
	}
	e := &Embedded{Server: srv, dir: dir}
	if err := e.start(own); err != nil {
		e.Stop()
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	return e, nil
}

// start runs the server and connects to both accounts.
func (e *Embedded) start(password string) error {
	e.Server.Start()
	if !e.Server.ReadyForConnections(30 * time.Second) {
		return errors.New("not ready after 30 s")
	}
	events, err := e.Server.LookupAccount(eventsAccount)
	if err != nil {
		return err
	}
	for _, a := range []*server.Account{e.Server.GlobalAccount(), events} {
		if err := a.EnableJetStream(nil, nil); err != nil {
			return fmt.Errorf("jetstream of %s: %w", a.Name, err)
		}
	}
	for user, to := range map[string]**nats.Conn{logUser: &e.Conn, eventsUser: &e.Events} {
		// Answers to the program arrive where subscribers may not listen.
		*to, err = nats.Connect("", nats.InProcessServer(e.Server), nats.Name("autocrud"), nats.MaxReconnects(-1),
			nats.UserInfo(user, password), nats.CustomInboxPrefix("_AUTOCRUD"))
		if err != nil {
			return err
		}
	}
	return nil
}

// The users: the program, once for each account, and subscribers from outside.
const (
	logUser    = "autocrud"
	eventsUser = "autocrud-events"
	hookUser   = "hook"
)

// apply sets accounts and users, and opens the server.
func (l Listen) apply(o *server.Options, password string) error {
	events := server.NewAccount(eventsAccount)
	o.Accounts = []*server.Account{events}
	o.Users = []*server.User{{Username: logUser, Password: password}, {Username: eventsUser, Password: password, Account: events}}
	if l.Addr == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(l.Addr)
	if err != nil {
		return fmt.Errorf("embedded nats: %w", err)
	}
	if o.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("embedded nats: port %q", port)
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	o.Host, o.DontListen = host, false
	hooks, err := hooksAccount(events, l.namespace())
	if err != nil {
		return fmt.Errorf("embedded nats: %w", err)
	}
	o.Accounts = append(o.Accounts, hooks)
	hook := &server.User{Username: hookUser, Password: l.Password, Account: hooks, Permissions: hookPermissions(l.namespace())}
	if l.Password == "" {
		hook.Password, o.NoAuthUser = rand.Text(), hookUser
	}
	o.Users = append(o.Users, hook)
	return nil
}

// Addr is where others reach the server; empty when they cannot.
func (e *Embedded) Addr() string {
	if a := e.Server.Addr(); a != nil {
		return a.String()
	}
	return ""
}

// BlockDir is where the log's block files are.
func (e *Embedded) BlockDir(namespace string) string {
	return filepath.Join(e.dir, "jetstream", "$G", "streams", StreamName(namespace), "msgs")
}

// Stop ends the connections and the server and waits for both.
func (e *Embedded) Stop() {
	for _, c := range []*nats.Conn{e.Conn, e.Events} {
		if c != nil {
			c.Close()
		}
	}
	e.Server.Shutdown()
	e.Server.WaitForShutdown()
}
