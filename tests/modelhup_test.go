//go:build unix

package tests_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// TestASignalReadsTheModelsAgain: SIGHUP serves what the models folder holds, or keeps what
// was and says why; the process goes on either way.
func TestASignalReadsTheModelsAgain(t *testing.T) {
	t.Parallel()
	models := apitest.WriteModels(t, map[string]string{"pieces": piecesBefore})
	p := apitest.Launch(t, "--addr", "127.0.0.1:0", "--data-dir", t.TempDir(), "--models", models)
	hup := func() {
		t.Helper()
		if err := syscall.Kill(p.PID(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	said := func(what string) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Contains(p.Said(), what) })
	}
	c := apitest.NewClient(t, p.URL)
	c.Post(t, "/v1/pieces?id=a", `{"n":7}`).Want(t, 201)

	rewrite(t, models, "pieces", piecesLoose)
	hup()
	eventually(t, "the wider model", func() bool { return serves(t, c, "pieces", `"u"`) })
	apitest.NewClient(t, p.URL).Post(t, "/v1/pieces?id=b", `{"u":"x"}`).Want(t, 201)

	rewrite(t, models, "pieces", piecesAfter)
	hup()
	said("a /n: must be a string")
	apitest.NewClient(t, p.URL).Post(t, "/v1/pieces?id=c", `{"n":8}`).Want(t, 201)

	rewrite(t, models, "pieces", "name: pieces\nschema: {type: objct}\n")
	hup()
	said("pieces.yaml:2")
	apitest.NewClient(t, p.URL).Post(t, "/v1/pieces?id=d", `{"n":9}`).Want(t, 201)

	rewrite(t, models, "pieces", piecesAfter+"version: '2'\nmigrations: [{from: '1', patch: [{op: convert, path: /n, to: string}, {op: default, path: /u, value: none}]}]\n")
	hup()
	eventually(t, "the migration", func() bool { return serves(t, c, "pieces", `"version":"2"`) })
	eventually(t, "the new index", func() bool {
		r := apitest.NewClient(t, p.URL).Get(t, "/v1/pieces?order_by=meta.id&filter="+query(`n = "8"`))
		return r.Status == 200 && idsOf(r) == "c"
	})
	apitest.NewClient(t, p.URL).Get(t, "/v1/pieces:count?filter="+query("meta.unfit = true")).Want(t, 200).Equal(t, "/count", "0")
}
