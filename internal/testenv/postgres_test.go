package testenv_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		conn, err := pgx.Connect(t.Context(), testenv.Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		var n int
		err = conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&n)
		if err != nil || n != 0 {
			t.Errorf("%d tables, %v", n, err)
		}
		if _, err := conn.Exec(t.Context(), "CREATE TABLE mine (x int)"); err != nil {
			t.Error(err)
		}
		conn.Close(t.Context())
	}
}
