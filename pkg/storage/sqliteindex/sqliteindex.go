// Package sqliteindex is the index in one SQLite file, or in memory. One
// connection writes, several read; readers see the state before or after a
// batch, never between. The file is disposable: it is rebuilt from the log.
package sqliteindex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Options of Open.
type Options struct {
	Readers int // connections that read; 0: 4
}

// Index implements storage.Index.
type Index struct {
	writer *sql.DB // one connection
	conn   *sql.Conn
	reader *sql.DB

	// mu is held by the writer.
	mu      sync.Mutex
	stained bool // the write-ahead log holds what was erased; mu is held
	defs    []storage.Definition
	writing map[string][]*writer // prepared, by type; the one that answers first
	fixed   fixedStatements

	path  string      // empty: in memory
	file  os.FileInfo // what was opened
	lost  atomic.Bool // the file is damaged
	stale bool        // there are tables that Define does not know yet
	o     Options

	// gate keeps readers out while the file is opened anew and, in memory, where
	// SQLite has no snapshots, while a batch is written.
	gate sync.RWMutex

	tables   atomic.Pointer[map[string]*tables]
	applied  atomic.Uint64
	fill     atomic.Uint64 // until applied reaches it, the index is built from nothing
	identity atomic.Pointer[string]
	prepared statementCache
	totals   totals
}

var _ storage.Index = (*Index)(nil)

var memories atomic.Int64

// mapped is how many bytes of the file readers read in place. Pages that were
// read so count as memory of the process, though the system may take them.
const mapped = "134217728"

// Open opens or creates the index at path; ":memory:" is one that ends with
// Close and is shared with no other code.
func Open(ctx context.Context, path string, o Options) (_ *Index, err error) {
	if err := register(); err != nil {
		return nil, fmt.Errorf("sqliteindex: register functions: %w", err)
	}
	if o.Readers <= 0 {
		o.Readers = 4
	}
	x := &Index{o: o}
	if path != ":memory:" {
		if x.path, err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("sqliteindex: %w", err)
		}
	}
	defer func() {
		if err != nil {
			x.Close()
			err = fmt.Errorf("sqliteindex: open %s: %w", path, err)
		}
	}()
	if err := x.private(); err != nil {
		return nil, err
	}
	return x, x.connect(ctx)
}

// private keeps other users of the machine from the file, and from what SQLite puts
// beside it, which has the same mode.
func (x *Index) private() error {
	if x.path == "" {
		return nil
	}
	f, err := os.OpenFile(x.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(x.path+suffix, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// connect opens the connections and the fixed tables.
func (x *Index) connect(ctx context.Context) (err error) {
	dsn := x.source()
	if x.writer, err = sql.Open("sqlite", dsn+"&_pragma=secure_delete(1)&_pragma=cache_size(-64000)"); err != nil {
		return err
	}
	x.writer.SetMaxOpenConns(1)
	if x.conn, err = x.writer.Conn(ctx); err != nil {
		return err
	}
	if err = x.createFixed(ctx); err != nil {
		return err
	}
	if x.reader, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)&_pragma=cache_size(-16000)&_pragma=mmap_size("+mapped+")"); err != nil {
		return err
	}
	x.reader.SetMaxOpenConns(x.o.Readers)
	x.reader.SetMaxIdleConns(x.o.Readers)
	x.prepared.db = x.reader
	if x.path != "" {
		if x.file, err = os.Stat(x.path); err != nil {
			return err
		}
	}
	x.tables.Store(&map[string]*tables{})
	x.writing = map[string][]*writer{}
	return x.load(ctx)
}

// source is the data source name.
func (x *Index) source() string {
	const pragmas = "_pragma=busy_timeout(10000)&_pragma=temp_store(2)"
	if x.path == "" {
		// A name with a slash is shared by the connections of this process.
		return fmt.Sprintf("file:/autocrud-index-%d?vfs=memdb&%s&_pragma=journal_mode(MEMORY)", memories.Add(1), pragmas)
	}
	path := filepath.ToSlash(x.path)
	if !strings.HasPrefix(path, "/") { // C:/data on Windows; a URI has no other place for the drive
		path = "/" + path
	}
	u := url.URL{Scheme: "file", Path: path}
	return u.String() + "?" + pragmas + "&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=wal_autocheckpoint(16000)"
}

const fixedTables = `
CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), identity TEXT NOT NULL, applied INTEGER NOT NULL,
	fill INTEGER NOT NULL);
INSERT OR IGNORE INTO position VALUES (1, '', 0, 9223372036854775807);
CREATE TABLE IF NOT EXISTS definitions (name TEXT PRIMARY KEY, type TEXT NOT NULL, definition BLOB NOT NULL,
	serving INTEGER NOT NULL, fill INTEGER NOT NULL, replayed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, type TEXT NOT NULL, id TEXT NOT NULL, wrote INTEGER NOT NULL,
	at INTEGER NOT NULL, damaged TEXT, header BLOB NOT NULL, keyed TEXT);
CREATE TABLE IF NOT EXISTS holders (digest TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (digest, type, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pruned (type TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, through INTEGER NOT NULL, kept TEXT NOT NULL,
	PRIMARY KEY (type, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holders_of_resource ON holders (type, id);
CREATE INDEX IF NOT EXISTS events_by_key ON events (keyed, seq) WHERE keyed IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_of_resource ON events (type, id, seq, wrote);
`

var fixedNames = []string{"position", "definitions", "events", "holders", "pruned"}

// schemaVersion is of the fixed tables. An index of another one is made anew.
const schemaVersion = 3

func (x *Index) createFixed(ctx context.Context) error {
	var tables, version int
	if err := x.conn.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM sqlite_schema), user_version FROM pragma_user_version").Scan(&tables, &version); err != nil {
		return err
	}
	if tables > 0 && version != schemaVersion {
		return fmt.Errorf("its format is %d, this build has %d", version, schemaVersion)
	}
	if _, err := x.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return err
	}
	if _, err := x.conn.ExecContext(ctx, fixedTables); err != nil {
		return err
	}
	return x.prepareFixed(ctx)
}

// load reads the position, which from then on only this process changes.
func (x *Index) load(ctx context.Context) error {
	var p storage.Position
	var fill uint64
	if err := x.conn.QueryRowContext(ctx, "SELECT identity, applied, fill FROM position").Scan(&p.Identity, &p.Applied, &fill); err != nil {
		return err
	}
	x.identity.Store(&p.Identity)
	x.applied.Store(p.Applied)
	x.fill.Store(fill)
	return nil
}

// Close ends all connections; a reader under way fails.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.disconnect()
}

// disconnect ends all connections; x.mu is held.
func (x *Index) disconnect() error {
	x.prepared.clear()
	if x.reader != nil {
		x.reader.Close()
	}
	if x.conn != nil {
		x.fixed.close()
		x.closeWriters()
		x.conn.Close()
	}
	var err error
	if x.writer != nil {
		err = x.writer.Close()
	}
	x.conn, x.writer = nil, nil // a closed reader refuses its readers
	return err
}

// Position implements storage.Index.
func (x *Index) Position(context.Context) (storage.Position, error) {
	return storage.Position{Identity: *x.identity.Load(), Applied: x.applied.Load()}, nil
}

// reading keeps the connections open, and a batch in memory from being seen
// half written.
func (x *Index) reading() func() {
	x.gate.RLock()
	return x.gate.RUnlock
}

// inTransaction runs fn on the writing connection; x.mu is held.
//
// Statements inside get a context that cannot end: the driver would start a
// goroutine for each of them, and a batch is all or none anyway.
func (x *Index) inTransaction(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if x.path == "" {
		x.gate.Lock()
		defer x.gate.Unlock()
	}
	inner := context.WithoutCancel(ctx)
	if _, err = x.conn.ExecContext(inner, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err = fn(inner); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		_, err = x.conn.ExecContext(inner, "COMMIT")
	}
	if err != nil {
		x.conn.ExecContext(inner, "ROLLBACK") // fails when COMMIT already did it
	}
	return err
}
