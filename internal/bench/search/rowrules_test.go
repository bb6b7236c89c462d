package search_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/memblob"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/api/identity"
)

// rules are what a role may limit a list to, with the share of the rows that is left.
var rules = []struct{ role, where, share string }{
	{"all", "", "all"},
	{"half", "open = true", "1/2"},
	{"range", "year >= 1990", "1/4"},
	{"groups", `in(meta.status, "stable", "draft") AND open = true`, "1/2"},
	{"own", "meta.created_by = principal.id", "1/100"},
	{"tenant", "year = 1999", "1/120"},
}

// lists are asked for by each of them.
var lists = []struct{ name, query string }{
	{"newest first", "?page_size=20"},
	{"filter, newest first", "?page_size=20&filter=" + url.QueryEscape("score > 50")},
	{"by title", "?page_size=20&order_by=title"},
	{"by year", "?page_size=20&order_by=" + url.QueryEscape("year desc")},
}

const benchAdmin = "an-admin-key-of-more-than-32-characters"

// guarded starts an API that asks for credentials on the index alone; it returns
// the credential of each role's key.
func guarded(t *testing.T, x storage.Index) (base string, keys map[string]string) {
	types := testenv.Types(t, articleModel)
	text := "roles:\n"
	bindings := "bindings:\n"
	for _, r := range rules {
		text += fmt.Sprintf("  %s: [{types: [articles], actions: [read, list], where: '%s'}]\n", r.role, r.where)
		bindings += fmt.Sprintf("  - {role: %s, subjects: ['key:%s']}\n", r.role, r.role)
	}
	file, err := policy.Parse("policy.yaml", []byte(text+bindings), types, nil)
	if err != nil {
		t.Fatal(err)
	}
	access := policy.NewAccess(types, nil, file)
	access.AddAdminKey(sha256.Sum256([]byte(benchAdmin)))
	keys = map[string]string{"admin": benchAdmin}
	for i, r := range rules {
		secret := strings.Repeat(fmt.Sprint(i), 64)
		access.Apply(&storage.Event{Seq: uint64(i + 1), Action: storage.Created, Meta: storage.Meta{Type: policy.APIKeys, ID: r.role},
			Content: fmt.Appendf(nil, `{"name":%q,"secret":[{"key":"%x"}]}`, r.role, sha256.Sum256([]byte(secret)))})
		keys[r.role] = "ack_" + r.role + "_" + secret
	}
	m := resource.NewDomain(types, testenv.Log(t, nil), memblob.New(), x, resource.Options{Access: access})
	srv := httptest.NewServer(api.New(m, api.Options{Auth: identity.New(access)}))
	t.Cleanup(srv.Close)
	return srv.URL + "/v1/articles", keys
}

// A list that a rule limits is one statement with the rule in it, so that its pages
// are full, and what it takes is compared with the list of who sees everything.
func TestListsUnderARowRule(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		x, err := sqliteindex.Open(t.Context(), filepath.Join(t.TempDir(), "index.sqlite"), sqliteindex.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		fill(t, x)
		underRules(t, "SQLite", x, nil)
	})
	t.Run("Postgres", func(t *testing.T) {
		statements := &counter{}
		dsn := testenv.Postgres(t)
		x, err := pgindex.Open(t.Context(), dsn, pgindex.Options{Tracer: statements})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		fill(t, x)
		openPostgres(t, dsn) // vacuums
		underRules(t, "Postgres", x, statements)
	})
}

func underRules(t *testing.T, name string, x storage.Index, statements *counter) {
	base, keys := guarded(t, x)
	ask := func(role, query string) []byte {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+keys[role])
		return answer(t, req)
	}
	fmt.Printf("\n%s, %d rows, lists of 20; time, and ratio to who sees everything\n\n| list | admin |", name, *rows)
	for _, r := range rules {
		fmt.Printf(" `%s` (%s) |", r.where, r.share)
	}
	fmt.Println("\n| --- |" + strings.Repeat(" --- |", len(rules)+1))
	for _, l := range lists {
		fns := []func(){func() { ask("admin", l.query) }}
		for _, r := range rules {
			if statements != nil {
				n := statements.Load()
				if ask(r.role, l.query); statements.Load()-n != 1 {
					t.Errorf("%s under %q: %d statements", l.name, r.where, statements.Load()-n)
				}
			}
			if n := strings.Count(string(ask(r.role, l.query)), `"current_revision"`); n != 20 {
				t.Errorf("%s under %q: a page of %d", l.name, r.where, n)
			}
			fns = append(fns, func() { ask(r.role, l.query) })
		}
		took := medians(fns...)
		fmt.Printf("| %s | %.2f ms |", l.name, took[0].Seconds()*1000)
		for _, d := range took[1:] {
			fmt.Printf(" %.2f ms, %.2f |", d.Seconds()*1000, d.Seconds()/took[0].Seconds())
		}
		fmt.Println()
	}
}
