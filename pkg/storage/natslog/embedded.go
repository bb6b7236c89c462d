package natslog

import (
	"crypto/rand"
	"fmt"
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
// read consumers of the stream of events, hear it live, and nothing else.
type Listen struct {
	Addr string // host:port; empty: nobody outside reaches the server
	// Password of the user "hook". Empty: who connects without a user is it.
	Password  string
	Namespace string // default "main"
}

// Embedded is a NATS server inside this process, reachable by nobody else unless
// it was told to listen.
type Embedded struct {
	Server *server.Server
	Conn   *nats.Conn
	dir    string
}

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
	connect, err := l.apply(o)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		srv.Shutdown()
		return nil, fmt.Errorf("embedded nats: not ready after 30 s")
	}
	nc, err := nats.Connect("", append(connect, nats.InProcessServer(srv), nats.Name("autocrud"), nats.MaxReconnects(-1))...)
	if err != nil {
		srv.Shutdown()
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	return &Embedded{Server: srv, Conn: nc, dir: dir}, nil
}

// hookUser is who subscribes from outside.
const hookUser = "hook"

// apply opens a server's options and returns what the program itself connects
// with.
func (l Listen) apply(o *server.Options) ([]nats.Option, error) {
	if l.Addr == "" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(l.Addr)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	if o.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("embedded nats: port %q", port)
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	o.Host, o.DontListen = host, false
	own := rand.Text()
	hook := &server.User{Username: hookUser, Password: l.Password, Permissions: HookPermissions(l.Namespace)}
	if l.Password == "" {
		hook.Password, o.NoAuthUser = rand.Text(), hookUser
	}
	o.Users = []*server.User{{Username: "autocrud", Password: own}, hook}
	// Answers to the program arrive where subscribers may not listen.
	return []nats.Option{nats.UserInfo("autocrud", own), nats.CustomInboxPrefix("_AUTOCRUD")}, nil
}

// HookPermissions are the rights of a subscriber of a namespace's events.
func HookPermissions(namespace string) *server.Permissions {
	if namespace == "" {
		namespace = "main"
	}
	stream := OutwardName(namespace)
	var may []string
	for _, what := range []string{"CONSUMER.CREATE", "CONSUMER.DURABLE.CREATE", "CONSUMER.INFO", "CONSUMER.DELETE", "CONSUMER.MSG.NEXT"} {
		may = append(may, "$JS.API."+what+"."+stream+".>")
	}
	may = append(may, "$JS.API.CONSUMER.CREATE."+stream, "$JS.API.CONSUMER.NAMES."+stream, "$JS.API.CONSUMER.LIST."+stream,
		"$JS.API.STREAM.INFO."+stream, "$JS.API.STREAM.NAMES", "$JS.API.INFO", "$JS.ACK."+stream+".>", "$JS.FC."+stream+".>")
	return &server.Permissions{Publish: &server.SubjectPermission{Allow: may},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>", "ac." + namespace + ".live.>"}}}
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

// Stop ends the connection and the server and waits for both.
func (e *Embedded) Stop() {
	e.Conn.Close()
	e.Server.Shutdown()
	e.Server.WaitForShutdown()
}
