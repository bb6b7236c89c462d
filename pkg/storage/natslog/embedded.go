package natslog

import (
	"fmt"
	"path/filepath"
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

// Embedded is a NATS server inside this process, reachable by nobody else.
type Embedded struct {
	Server *server.Server
	Conn   *nats.Conn
	dir    string
}

// StartEmbedded starts a server that keeps its files in dir.
func StartEmbedded(dir string, s Sync) (*Embedded, error) {
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
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		srv.Shutdown()
		return nil, fmt.Errorf("embedded nats: not ready after 30 s")
	}
	nc, err := nats.Connect("", nats.InProcessServer(srv), nats.Name("autocrud"), nats.MaxReconnects(-1))
	if err != nil {
		srv.Shutdown()
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	return &Embedded{Server: srv, Conn: nc, dir: dir}, nil
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
