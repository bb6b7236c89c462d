package pgindex

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/autocrud-go/autocrud/pkg/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate makes the schema and its fixed tables. Processes that start together
// take turns.
func (x *Index) migrate(ctx context.Context) error {
	whole, err := x.prepareSchema(ctx)
	if err != nil || whole {
		return classify(ctx, err)
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(x.pool)
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return classify(ctx, fmt.Errorf("migrate: %w", err))
	}
	return nil
}

// fixed are the tables that every index has.
var fixed = []string{"position", "definitions", "events", "holders", "goose_db_version"}

// version is that of the newest migration, pruning of the one that made the table of
// what was pruned: until then there is none.
const (
	version = 3
	pruning = 3
)

// prepareSchema makes the schema and our functions and tells whether the fixed
// tables exist as they must be. When one of them was dropped, all are
// made anew.
func (x *Index) prepareSchema(ctx context.Context) (whole bool, err error) {
	err = pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		if err := x.lock(ctx, tx); err != nil {
			return err
		}
		for _, s := range append([]string{"CREATE SCHEMA IF NOT EXISTS " + x.schema}, foldFunction()) {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		var there int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM unnest($1::text[]) AS t WHERE to_regclass(t) IS NOT NULL`, fixed).Scan(&there); err != nil {
			return err
		}
		if there == len(fixed) {
			var newest int
			var placed, prunes bool
			err := tx.QueryRow(ctx, "SELECT max(version_id), EXISTS (SELECT 1 FROM position), to_regclass('pruned') IS NOT NULL FROM goose_db_version").Scan(&newest, &placed, &prunes)
			placed = placed && (prunes || newest < pruning)
			if whole = placed && newest >= version; err != nil || placed {
				return err
			}
		}
		return x.dropAll(ctx, tx)
	})
	return whole, err
}

// dropAll drops every table of ours: without the fixed ones it is unknown what
// the others hold.
func (x *Index) dropAll(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = $1 AND (tablename LIKE 't\_%' OR tablename = ANY($2))`, x.o.Schema, append([]string{"pruned"}, fixed...))
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		if err == nil {
			_, err = tx.Exec(ctx, "DROP TABLE "+quote(name))
		}
	}
	return err
}

// lock makes processes that change tables take turns, until the transaction ends.
func (x *Index) lock(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", "autocrud index "+x.schema)
	return err
}

// foldName is the function that folds as query.Fold does. The table it is made
// of comes with the Go release, so its name tells which.
var foldName = "fold_" + strings.NewReplacer(".", "_").Replace(unicode.Version)

// foldFunction makes it. Only what an index does not store folded goes through
// it: translate looks a character up by walking its table.
var foldFunction = sync.OnceValue(func() string {
	var from, to strings.Builder
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if s := string(r); utf8.ValidRune(r) {
			if f := query.Fold(s); f != s {
				from.WriteString(s)
				to.WriteString(f)
			}
		}
	}
	return fmt.Sprintf(`CREATE OR REPLACE FUNCTION %s(t text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT CASE WHEN octet_length(t) = char_length(t) THEN lower(t COLLATE "C") ELSE translate(lower(t COLLATE "C"), '%s', '%s') END $$`,
		foldName, from.String(), to.String())
})
