package pgindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// The rhythm of leading. A leader that was killed loses its connection at
// once; one that is frozen or cut off is disconnected by the server after
// leadSilence.
const (
	leadTry     = time.Second
	leadPing    = 2 * time.Second
	leadSilence = 6 * time.Second
)

// Lead waits until this process is the one that does what name says, of all
// that use the schema, and runs fn. When the lead is lost, fn's context ends;
// then, as when fn returns, the lead is given up and Lead returns. Two leaders
// can overlap for a moment, so what they do must be repeatable.
func (x *Index) Lead(ctx context.Context, name string, fn func(context.Context) error) (err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("pgindex: lead %s: %w", name, err)
		}
	}()
	config := x.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["application_name"] = "autocrud " + name
	config.RuntimeParams["idle_session_timeout"] = fmt.Sprint(leadSilence.Milliseconds())
	config.RuntimeParams["tcp_keepalives_idle"] = "2"
	config.RuntimeParams["tcp_keepalives_interval"] = "2"
	config.RuntimeParams["tcp_keepalives_count"] = "2"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return classify(ctx, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadTry)
		defer cancel()
		conn.Close(ctx) // which gives the lead up
	}()
	if err := x.win(ctx, conn, name); err != nil {
		return err
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		lost(hold(ctx, conn))
	}()
	err = fn(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	lost(nil)
	<-done
	return err
}

// win tries for the lock until it is ours. It is asked for rather than waited
// for, so that a connection that is dead is noticed.
func (x *Index) win(ctx context.Context, conn *pgx.Conn, name string) error {
	for {
		var won bool
		err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext($1), hashtext($2))", "autocrud lead "+x.schema, name).Scan(&won)
		if err != nil {
			return classify(ctx, err)
		}
		if won {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leadTry):
		}
	}
}

// hold keeps the connection from being silent, and returns when it is lost.
func hold(ctx context.Context, conn *pgx.Conn) error {
	t := time.NewTicker(leadPing)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		ping, cancel := context.WithTimeout(ctx, leadPing)
		err := conn.Ping(ping)
		cancel()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("the lead was lost: %w: %w", storage.ErrUnavailable, err)
		}
	}
}

// Attach serves the types from what an indexer elsewhere defined. It changes
// nothing in the database.
func (x *Index) Attach(ctx context.Context, defs []storage.Definition) error {
	x.mu.Lock()
	x.defs = defs
	x.mu.Unlock()
	return x.Refresh(ctx)
}

// Refresh finds out what the indexer did meanwhile: which tables answer, and
// how far it is.
func (x *Index) Refresh(ctx context.Context) error {
	if err := x.reload(ctx); err != nil {
		return fmt.Errorf("pgindex: refresh: %w", classify(ctx, err))
	}
	_, err := x.Position(ctx)
	return err
}

// Complete reports whether every type that was attached answers by its own
// definition.
func (x *Index) Complete(ctx context.Context) (bool, error) {
	if err := x.Refresh(ctx); err != nil {
		return false, err
	}
	x.mu.Lock()
	defs := slices.Clone(x.defs)
	x.mu.Unlock()
	for _, d := range defs {
		of := (*x.tables.Load())[d.Type]
		if of == nil || of.serving == nil || of.building != nil || of.serving.def.Hash != d.Hash {
			return false, nil
		}
	}
	return true, nil
}
