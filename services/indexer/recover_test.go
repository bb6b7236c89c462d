package indexer_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
)

// TestTheIndexComesBack takes away connections, a table and the whole schema
// while resources are written: no write fails, and the index holds all of them
// in the end, without anybody's help.
func TestTheIndexComesBack(t *testing.T) {
	url := testenv.Postgres(t)
	x, err := pgindex.Open(t.Context(), url, pgindex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, before), testenv.StackOptions{Index: x})
	made := int64(0)
	for _, harm := range []string{
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'autocrud'",
		"DROP SCHEMA IF EXISTS autocrud CASCADE",
		"DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE tablename LIKE 't_films%' LOOP EXECUTE 'DROP TABLE autocrud.' || t; END LOOP; END $$",
		"DROP TABLE IF EXISTS autocrud.events",
	} {
		for i := range 20 {
			if i%15 == 10 { // among writes
				hurt(t, url, harm)
			}
			doc := map[string]any{"title": "x", "year": made}
			if _, err := s.Manager.Create(t.Context(), "films", doc, resource.CreateOptions{ID: fmt.Sprint("f", made)}); err != nil {
				t.Fatalf("%s: %v", harm, err)
			}
			made++
		}
		waitForAll(t, s, made)
		hurt(t, url, harm) // and when nobody writes
		waitForAll(t, s, made)
	}
}

func waitForAll(t *testing.T, s *testenv.Stack, made int64) {
	t.Helper()
	for n := int64(-1); n != made; {
		var err error
		n, _, err = s.Manager.Count(t.Context(), "films", resource.ListOptions{Consistency: resource.Strong, Filter: "year >= 0"})
		if c := resource.CodeOf(err); err != nil && c != resource.IndexLag && c != resource.Unavailable {
			t.Fatal(err)
		}
	}
}

func hurt(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
