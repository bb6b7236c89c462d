// Package pgindex is the index in a schema of a Postgres database. It answers
// as the evaluator of package query does, whatever the locale of the database:
// text compares by code point and is folded by our own table. Several
// processes read it, one at a time writes. The schema is disposable: it is
// rebuilt from the log.
package pgindex

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Options of Open. The zero value is right.
type Options struct {
	Schema string // default "autocrud"; made when missing
	// Conns is the most connections; keep the sum of all processes well under
	// the server's max_connections. Default 10.
	Conns int
	// Timeout ends a statement of a reader, and how long it is waited for: a
	// server that is frozen does not end it. Default 15 s.
	Timeout time.Duration
	// Tracer gets every statement; nil: none is traced.
	Tracer pgx.QueryTracer
}

// Index implements storage.Index.
type Index struct {
	pool   *pgxpool.Pool
	schema string
	o      Options

	mu        sync.Mutex // held while writing or defining
	defs      []storage.Definition
	owned     []string // names of the tables that this process defined, in order
	analyzed  map[string]*growth
	analyzing atomic.Bool

	tables   atomic.Pointer[map[string]*tables] // by type
	applied  atomic.Uint64                      // at least this; another process may have gone on
	identity atomic.Pointer[string]
	loaded   atomic.Int64 // when tables were read last, in nanoseconds
}

var _ storage.Index = (*Index)(nil)

var schemaPattern = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,40}$`)

// Open connects to the database at url and makes the fixed tables. It refuses
// a database whose encoding is not UTF8.
func Open(ctx context.Context, url string, o Options) (_ *Index, err error) {
	if o.Schema == "" {
		o.Schema = "autocrud"
	}
	if o.Conns <= 0 {
		o.Conns = 10
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if !schemaPattern.MatchString(o.Schema) {
		return nil, fmt.Errorf("pgindex: the schema %q is no plain lower-case name", o.Schema)
	}
	config, err := poolConfig(url, o)
	if err != nil {
		return nil, err
	}
	x := &Index{schema: pgx.Identifier{o.Schema}.Sanitize(), o: o, analyzed: map[string]*growth{}}
	x.tables.Store(&map[string]*tables{})
	x.identity.Store(new(string))
	if x.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("pgindex: %w", err)
	}
	defer func() {
		if err != nil {
			x.pool.Close()
			err = fmt.Errorf("pgindex: open: %w", err)
		}
	}()
	var encoding string
	if err := x.pool.QueryRow(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return nil, classify(ctx, err)
	}
	if encoding != "UTF8" {
		return nil, fmt.Errorf("the database has the encoding %s; UTF8 is needed", encoding)
	}
	if err := x.migrate(ctx); err != nil {
		return nil, err
	}
	_, err = x.Position(ctx)
	return x, err
}

func poolConfig(url string, o Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil { // its text may hold the password
		return nil, errors.New("pgindex: the address of the database cannot be read; write postgres://user:password@host:5432/database")
	}
	config.MaxConns = int32(o.Conns)
	config.MinIdleConns = 1
	config.MaxConnLifetime = time.Hour
	config.MaxConnLifetimeJitter = 10 * time.Minute
	c := config.ConnConfig
	c.Tracer = o.Tracer
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	for name, value := range map[string]string{
		"search_path":                         o.Schema,
		"application_name":                    "autocrud",
		"statement_timeout":                   fmt.Sprint(o.Timeout.Milliseconds()),
		"lock_timeout":                        "10000",
		"idle_in_transaction_session_timeout": "60000",
		"jit":                                 "off",
		// The parts of a page are worked off in turn, see sqlrender.Page.
		"enable_parallel_append": "off",
		// Of solid state disks; the default makes the planner shy of indexes.
		"random_page_cost": "1.1",
	} {
		c.RuntimeParams[name] = value
	}
	// A cancelled request asks the server to stop and keeps its connection;
	// cut at once, the pool would open new ones beyond its limit.
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: time.Second}
	}
	return config, nil
}

// Connections tells how many are used and idle, and how many there may be.
func (x *Index) Connections() (used, idle, most int) {
	s := x.pool.Stat()
	return int(s.AcquiredConns()), int(s.IdleConns()), int(s.MaxConns())
}

// Close waits for what is under way and ends all connections.
func (x *Index) Close() error {
	x.pool.Close()
	return nil
}

// limited is ctx with the timeout of readers. A little later than the server, who
// says more.
func (x *Index) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, x.o.Timeout+x.o.Timeout/15)
}

// Position implements storage.Index.
func (x *Index) Position(ctx context.Context) (p storage.Position, err error) {
	limited, cancel := x.limited(ctx)
	defer cancel()
	err = x.pool.QueryRow(limited, "SELECT identity, applied FROM position").Scan(&p.Identity, &p.Applied)
	if err != nil {
		return storage.Position{}, fmt.Errorf("pgindex: position: %w", classify(ctx, err))
	}
	x.identity.Store(&p.Identity)
	x.applied.Store(p.Applied)
	return p, nil
}

// planned goes before the arguments of a statement that must be planned for its
// values: what is right for a rare one is wrong for a common one. All other
// statements keep their plan.
const planned = pgx.QueryExecModeCacheDescribe

// saw remembers how far the index is, from whatever was read.
func (x *Index) saw(applied uint64) {
	for {
		known := x.applied.Load()
		if applied <= known || x.applied.CompareAndSwap(known, applied) {
			return
		}
	}
}

// Types implements storage.Index. It jumps from type to type in the events;
// what a purge left behind is no resource.
func (x *Index) Types(ctx context.Context) (types []string, err error) {
	limited, cancel := x.limited(ctx)
	defer cancel()
	rows, err := x.pool.Query(limited, `
		WITH RECURSIVE each(type) AS (
			SELECT min(type) FROM events
			UNION ALL
			SELECT (SELECT min(type) FROM events WHERE type > each.type) FROM each WHERE each.type IS NOT NULL)
		SELECT type FROM each WHERE type IS NOT NULL AND EXISTS (SELECT 1 FROM events WHERE events.type = each.type AND wrote > -1)
		ORDER BY type`)
	if err == nil {
		types, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("pgindex: types: %w", classify(ctx, err))
	}
	return types, nil
}

// classify tells by its SQLSTATE what an error means to the caller. The words
// of the server stay in the chain, for logs.
func classify(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrNotReady) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return storage.ErrNotFound
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err) // the connection
	}
	switch {
	case isMissing(err):
		return fmt.Errorf("%w: %w", storage.ErrNotReady, err)
	case pg.Code == "53100": // disk full
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	case pg.Code[:2] == "08", pg.Code[:2] == "53", pg.Code[:2] == "57", pg.Code[:2] == "58", pg.Code[:2] == "40",
		pg.Code == "55P03", pg.Code == "25006", pg.Code == "25P03", pg.Code[:2] == "28":
		// Connections, resources, cancelled by the server or its timeout,
		// deadlocks, lock timeout, read-only standby, refused login.
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	return err
}

// isMissing reports whether a schema, table, column or function is not there.
func isMissing(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "42P01", "3F000", "42703", "42883":
		return true
	}
	return false
}
