package tests_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// refusal is a request and how it must be refused.
type refusal struct {
	name   string
	method string
	path   string
	body   any
	opts   []apitest.Option
	status int
	code   string
	says   []string // parts of the detail, or pointers of the errors
}

func headers(pairs ...string) (out []apitest.Option) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, apitest.Header(pairs[i], pairs[i+1]))
	}
	return out
}

// prepared is the state on which requests are refused.
func prepared(t testing.TB, c *apitest.Client) (token string) {
	t.Helper()
	for i := range 3 {
		c.Post(t, fmt.Sprint("/v1/movies?id=m", i), heat).Want(t, 201)
	}
	c.Post(t, "/v1/movies?id=gone", heat).Want(t, 201)
	c.Delete(t, "/v1/movies/gone").Want(t, 200)
	c.Post(t, "/v1/accounts?id=acc", `{"balance":1}`).Want(t, 201)
	c.Post(t, "/v1/notes?id=draft", `{"text":"x"}`).Want(t, 201)
	c.Post(t, "/v1/notes?id=stable&status=stable", `{"text":"x"}`).Want(t, 201)
	return c.Get(t, "/v1/movies?page_size=1&filter="+query("year > 1900")).Want(t, 200).Text("/next_page_token")
}

// refuseAll sends the requests and checks that nothing was written.
func refuseAll(t *testing.T, c *apitest.Client, all []refusal) {
	t.Helper()
	before := c.LogSeq(t, "movies")
	for _, x := range all {
		t.Run(x.name, func(t *testing.T) {
			p := c.Do(t, x.method, x.path, x.body, x.opts...).WantProblem(t, x.status, x.code)
			text := p.Detail
			for _, e := range p.Errors {
				text += " at " + e.Pointer + ": " + e.Detail
			}
			for _, part := range x.says {
				if !strings.Contains(text, part) {
					t.Errorf("it does not say %q: %s", part, text)
				}
			}
			for _, secret := range []string{"goroutine", "SELECT", "sqlite", ".go:", "/tmp/"} {
				if strings.Contains(text, secret) {
					t.Errorf("it tells %q: %s", secret, text)
				}
			}
		})
	}
	if after := c.LogSeq(t, "movies"); after != before {
		t.Errorf("the log went from %d to %d", before, after)
	}
}

func TestABadBodyIsRefusedAndNothingIsWritten(t *testing.T) {
	const v, i = "validation_failed", "invalid_request"
	bodies := []struct {
		name, body string
		status     int
		code       string
		says       string
	}{
		{"wrong type", `{"title":"x","year":"1995"}`, 422, v, " at /year: "},
		{"wrong type inside", `{"title":"x","year":1995,"credits":{"director":7}}`, 422, v, " at /credits/director: "},
		{"wrong element", `{"title":"x","year":1995,"genres":["a",1]}`, 422, v, " at /genres/1: "},
		{"unknown field", `{"title":"x","year":1995,"yaer":1}`, 422, v, "yaer"},
		{"missing field", `{"title":"x"}`, 422, v, "year"},
		{"below the minimum", `{"title":"x","year":1869}`, 422, v, " at /year: "},
		{"too long", `{"title":"` + strings.Repeat("x", 501) + `","year":1995}`, 422, v, " at /title: "},
		{"bad time", `{"title":"x","year":1995,"released":"yesterday"}`, 422, v, " at /released: "},
		{"not an object", `[]`, 422, v, ""},
		{"a string", `"x"`, 422, v, ""},
		{"null", `null`, 422, v, ""},
		{"NUL in text", `{"title":"a\u0000b","year":1995}`, 422, v, " at /title: "},
		{"integer beyond int64", `{"title":"x","year":9223372036854775808}`, 422, v, " at /year: "},
		{"integer far beyond int64", `{"title":"x","year":1e30}`, 422, v, " at /year: "},
		{"number beyond float64", `{"title":"x","year":1995,"rating":1e400}`, 422, v, " at /rating: "},
		{"a fraction for an integer", `{"title":"x","year":1995.5}`, 422, v, " at /year: "},
		{"long indexed text", `{"title":"x","year":1995,"genres":["` + strings.Repeat("é", 1001) + `"]}`, 422, v, " at /genres"},
		{"duplicate key", `{"title":"x","title":"y","year":1995}`, 400, i, "title"},
		{"duplicate key by escape", `{"title":"x","titl\u0065":"y","year":1995}`, 400, i, "title"},
		{"duplicate key inside", `{"title":"x","year":1995,"credits":{"director":"a","director":"a"}}`, 400, i, "director"},
		{"empty", ``, 400, i, ""},
		{"blank", "  \n", 400, i, ""},
		{"broken", `{"title":`, 400, i, ""},
		{"trailing", `{"title":"x","year":1995} x`, 400, i, ""},
		{"two documents", `{"title":"x","year":1995}{}`, 400, i, ""},
		{"trailing comma", `{"title":"x","year":1995,}`, 400, i, ""},
		{"single quotes", `{'title':'x'}`, 400, i, ""},
		{"NaN", `{"title":"x","year":NaN}`, 400, i, ""},
		{"leading zero", `{"title":"x","year":01995}`, 400, i, ""},
		{"byte order mark", "\xef\xbb\xbf" + `{"title":"x","year":1995}`, 400, i, ""},
		{"invalid UTF-8", "{\"title\":\"\xff\",\"year\":1995}", 400, i, ""},
		{"overlong UTF-8", "{\"title\":\"\xc0\xaf\",\"year\":1995}", 400, i, ""},
		{"surrogate in UTF-8", "{\"title\":\"\xed\xa0\x80\",\"year\":1995}", 400, i, ""},
		{"lone high surrogate", `{"title":"\ud800","year":1995}`, 400, i, ""},
		{"lone low surrogate", `{"title":"\udc00x","year":1995}`, 400, i, ""},
		{"surrogates reversed", `{"title":"\udc00\ud800","year":1995}`, 400, i, ""},
		{"control character", "{\"title\":\"a\nb\",\"year\":1995}", 400, i, ""},
		{"bad escape", `{"title":"\x41","year":1995}`, 400, i, ""},
		{"deep", `{"title":"x","year":1995,"credits":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`, 400, i, ""},
		{"over the limit", `{"title":"` + strings.Repeat("x", 10<<20) + `","year":1}`, 413, "too_large", ""},
	}
	each(t, func(t *testing.T, c *apitest.Client) {
		prepared(t, c)
		var all []refusal
		for _, b := range bodies {
			r := refusal{b.name + " in POST", "POST", "/v1/movies", b.body, nil, b.status, b.code, []string{b.says}}
			all = append(all, r)
			r.name, r.method, r.path = b.name+" in PUT", "PUT", "/v1/movies/m1"
			all = append(all, r)
			r.name, r.opts, r.path = b.name+" in PUT that creates", headers("If-None-Match", "*"), "/v1/movies/new"
			all = append(all, r)
			if b.name == "missing field" {
				continue
			}
			r.name, r.method, r.opts, r.path = b.name+" in PATCH", "PATCH", headers("Content-Type", apitest.MergePatch), "/v1/movies/m1"
			all = append(all, r)
		}
		refuseAll(t, c, all)
		c.Get(t, "/v1/movies?total=true").Equal(t, "/total", "3")
	})
}

func TestABadRequestIsRefusedAndNothingIsWritten(t *testing.T) {
	const i, f, p = "invalid_request", "invalid_filter", "invalid_page_token"
	patch := headers("Content-Type", apitest.JSONPatch)
	each(t, func(t *testing.T, c *apitest.Client) {
		token := prepared(t, c)
		all := []refusal{
			{"unknown parameter of a list", "GET", "/v1/movies?sort=year", nil, nil, 400, i, []string{"sort"}},
			{"unknown parameter of a read", "GET", "/v1/movies/m1?filter=x", nil, nil, 400, i, []string{"filter"}},
			{"unknown parameter of a create", "POST", "/v1/movies?ID=x", heat, nil, 400, i, []string{"ID"}},
			{"unknown parameter of a delete", "DELETE", "/v1/movies/m1?force=true", nil, nil, 400, i, []string{"force"}},
			{"unknown parameter of a switch", "POST", "/v1/movies/m1:switch?x=1", `{"revision":1}`, nil, 400, i, []string{"x"}},
			{"unknown parameter of the history", "GET", "/v1/movies/m1/history?x=1", nil, nil, 400, i, nil},
			{"unknown parameter of the types", "GET", "/v1/types?x=1", nil, nil, 400, i, nil},
			{"parameter twice", "GET", "/v1/movies?q=a&q=b", nil, nil, 400, i, []string{"q"}},
			{"semicolon in the query", "GET", "/v1/movies?q=a;b", nil, nil, 400, i, nil},
			{"bad escape in the query", "GET", "/v1/movies?q=%zz", nil, nil, 400, i, nil},
			{"negative page_size", "GET", "/v1/movies?page_size=-1", nil, nil, 400, i, []string{"page_size"}},
			{"page_size zero", "GET", "/v1/movies?page_size=0", nil, nil, 400, i, nil},
			{"page_size as words", "GET", "/v1/movies?page_size=ten", nil, nil, 400, i, nil},
			{"fraction as page_size", "GET", "/v1/movies?page_size=1.5", nil, nil, 400, i, nil},
			{"empty page_size", "GET", "/v1/movies?page_size=", nil, nil, 400, i, nil},
			{"huge page_size", "GET", "/v1/movies?page_size=99999999999999999999", nil, nil, 400, i, nil},
			{"bad flag", "GET", "/v1/movies?total=yes", nil, nil, 400, i, nil},
			{"bad returns", "GET", "/v1/movies?returns=data,all", nil, nil, 400, i, nil},
			{"unknown field to return", "GET", "/v1/movies/m1?fields=title,nothing", nil, nil, 400, i, []string{"nothing"}},
			{"bad consistency", "GET", "/v1/movies?consistency=weak", nil, nil, 400, i, nil},
			{"negative min_seq", "GET", "/v1/movies?min_seq=-1", nil, nil, 400, i, nil},
			{"bad as_of", "GET", "/v1/movies/m1?as_of=yesterday", nil, nil, 400, i, nil},
			{"bad revision", "GET", "/v1/movies/m1?revision=0", nil, nil, 400, i, nil},
			{"bad status", "POST", "/v1/movies?status=final", heat, nil, 400, i, nil},
			{"bad mode", "PUT", "/v1/movies/m1?mode=inplace", heat, nil, 400, i, nil},
			{"NUL in the message", "POST", "/v1/movies?message=%00", heat, nil, 400, i, nil},
			{"broken UTF-8 in the message", "POST", "/v1/movies?message=%ff", heat, nil, 400, i, nil},
			{"broken UTF-8 in the filter", "GET", "/v1/movies?filter=%ff", nil, nil, 400, i, nil},
			{"too many words", "GET", "/v1/movies?q=" + strings.Repeat("word+", 1000), nil, nil, 400, f, []string{"q"}},
			{"open quote in the words", "GET", "/v1/movies?q=" + query(`heat "and`), nil, nil, 400, f, []string{"q"}},

			{"unindexed field in the filter", "GET", "/v1/movies?filter=" + query(`note = "x"`), nil, nil, 400, f, []string{"note", "year", "credits.director"}},
			{"unknown field in the filter", "GET", "/v1/movies?filter=" + query(`nothing = 1`), nil, nil, 400, f, []string{"nothing", "title"}},
			{"unindexed field in the order", "GET", "/v1/movies?order_by=note", nil, nil, 400, f, []string{"note"}},
			{"syntax error in the filter", "GET", "/v1/movies?filter=" + query(`year = `), nil, nil, 400, f, nil},
			{"AND and OR without parentheses", "GET", "/v1/movies?filter=" + query(`year = 1 AND year = 2 OR year = 3`), nil, nil, 400, f, nil},
			{"comparison between kinds", "GET", "/v1/movies?filter=" + query(`year = "x"`), nil, nil, 400, f, []string{"year"}},
			{"unknown function", "GET", "/v1/movies?filter=" + query(`sleep(year, 1)`), nil, nil, 400, f, nil},
			{"unsupported expression", "GET", "/v1/movies?filter=" + query(`matches(title, "(?=x)")`), nil, nil, 400, f, nil},
			{"SQL in the filter", "GET", "/v1/movies?filter=" + query(`1=1; DROP TABLE movies`), nil, nil, 400, f, nil},
			{"bad direction", "GET", "/v1/movies?order_by=" + query("year down"), nil, nil, 400, f, nil},

			{"bad page token", "GET", "/v1/movies?page_token=abc", nil, nil, 400, p, nil},
			{"altered page token", "GET", "/v1/movies?page_size=1&filter=" + query("year > 1900") + "&page_token=" + altered(token), nil, nil, 400, p, nil},
			{"token with another filter", "GET", "/v1/movies?page_size=1&filter=" + query("year > 1901") + "&page_token=" + token, nil, nil, 400, p, nil},
			{"token with another order", "GET", "/v1/movies?page_size=1&order_by=year&filter=" + query("year > 1900") + "&page_token=" + token, nil, nil, 400, p, nil},
			{"token of another type", "GET", "/v1/notes?page_token=" + token, nil, nil, 400, p, nil},
			{"token of a list for revisions", "GET", "/v1/movies/m1/revisions?page_token=" + token, nil, nil, 400, p, nil},

			{"wrong content type", "POST", "/v1/movies", heat, headers("Content-Type", "text/plain"), 415, "unsupported_media_type", nil},
			{"form", "POST", "/v1/movies", "title=x", headers("Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type", nil},
			{"no content type", "POST", "/v1/movies", heat, headers("Content-Type", ""), 415, "unsupported_media_type", nil},
			{"another charset", "POST", "/v1/movies", heat, headers("Content-Type", "application/json; charset=latin1"), 415, "unsupported_media_type", nil},
			{"JSON for a patch", "PATCH", "/v1/movies/m1", `{}`, nil, 415, "unsupported_media_type", []string{apitest.MergePatch}},
			{"a patch for a PUT", "PUT", "/v1/movies/m1", heat, patch, 415, "unsupported_media_type", nil},
			{"compressed", "POST", "/v1/movies", heat, headers("Content-Encoding", "gzip"), 415, "unsupported_media_type", nil},
			{"object as JSON patch", "PATCH", "/v1/movies/m1", `{}`, patch, 400, i, nil},
			{"JSON patch without value", "PATCH", "/v1/movies/m1", `[{"op":"add","path":"/note"}]`, patch, 400, i, nil},
			{"body of a GET", "GET", "/v1/movies", `{}`, nil, 400, i, nil},
			{"body of a DELETE", "DELETE", "/v1/movies/m1", `{}`, nil, 400, i, nil},
			{"body of an action that takes none", "POST", "/v1/movies/m1:purge", `{"x":1}`, nil, 400, i, nil},

			{"unknown type", "GET", "/v1/films", nil, nil, 404, "unknown_type", []string{"films"}},
			{"unknown type in upper case", "GET", "/v1/Movies", nil, nil, 404, "unknown_type", nil},
			{"unknown model", "GET", "/v1/types/films", nil, nil, 404, "unknown_type", nil},
			{"unknown resource", "GET", "/v1/movies/none", nil, nil, 404, "not_found", nil},
			{"PUT of an unknown resource", "PUT", "/v1/movies/none", heat, nil, 404, "not_found", nil},
			{"PATCH of an unknown resource", "PATCH", "/v1/movies/none", `[]`, patch, 404, "not_found", nil},
			{"DELETE of an unknown resource", "DELETE", "/v1/movies/none", nil, nil, 404, "not_found", nil},
			{"history of an unknown resource", "GET", "/v1/movies/none/history", nil, nil, 404, "not_found", nil},
			{"revisions of an unknown resource", "GET", "/v1/movies/none/revisions", nil, nil, 404, "not_found", nil},
			{"revision of an unknown resource", "GET", "/v1/movies/none/revisions/1", nil, nil, 404, "not_found", nil},
			{"restore of an unknown resource", "POST", "/v1/movies/none:restore", nil, nil, 404, "not_found", nil},
			{"unknown verb", "POST", "/v1/movies/m1:explode", nil, nil, 404, "not_found", nil},
			{"unknown verb of a type", "POST", "/v1/movies:explode", `{}`, nil, 404, "not_found", nil},
			{"unknown part", "GET", "/v1/movies/m1/parts", nil, nil, 404, "not_found", nil},
			{"unknown path", "GET", "/v2/movies", nil, nil, 404, "not_found", nil},

			{"create at an id that exists", "POST", "/v1/movies?id=m1", heat, nil, 409, "already_exists", nil},
			{"create at an id that is deleted", "POST", "/v1/movies?id=gone", heat, nil, 409, "already_exists", nil},
			{"If-Match of another state", "PUT", "/v1/movies/m1", heat, headers("If-Match", `"x"`), 412, "precondition_failed", nil},
			{"weak If-Match", "PUT", "/v1/movies/m1", heat, headers("If-Match", `W/"x"`), 412, "precondition_failed", nil},
			{"If-Match of a delete", "DELETE", "/v1/movies/m1", nil, headers("If-Match", `"x", "y"`), 412, "precondition_failed", nil},
			{"If-Match without quotes", "PUT", "/v1/movies/m1", heat, headers("If-Match", `x`), 400, i, nil},
			{"If-Match with an open quote", "DELETE", "/v1/movies/m1", nil, headers("If-Match", `"x`), 400, i, nil},
			{"If-Match with a star among others", "DELETE", "/v1/movies/m1", nil, headers("If-Match", `*, "x"`), 400, i, nil},
			{"If-None-Match: * at an id that exists", "PUT", "/v1/movies/m1", heat, headers("If-None-Match", "*"), 412, "precondition_failed", nil},
			{"If-None-Match: * at an id that is deleted", "PUT", "/v1/movies/gone", heat, headers("If-None-Match", "*"), 410, "deleted", nil},
			{"If-None-Match with no tag", "PUT", "/v1/movies/m1", heat, headers("If-None-Match", `x`), 400, i, nil},
			{"If-None-Match with the tag of another state", "PUT", "/v1/movies/m1", `{}`, headers("If-None-Match", `"x"`), 422, "validation_failed", nil},
			{"PUT without the demanded If-Match", "PUT", "/v1/accounts/acc", `{"balance":2}`, nil, 428, "precondition_required", nil},
			{"PATCH without the demanded If-Match", "PATCH", "/v1/accounts/acc", `{"balance":2}`, headers("Content-Type", apitest.MergePatch), 428, "precondition_required", nil},
			{"DELETE without the demanded If-Match", "DELETE", "/v1/accounts/acc", nil, nil, 428, "precondition_required", nil},
			{"switch without the demanded If-Match", "POST", "/v1/accounts/acc:switch", `{"revision":1}`, nil, 428, "precondition_required", nil},
			{"status without the demanded If-Match", "POST", "/v1/accounts/acc:status", `{"status":"draft"}`, nil, 428, "precondition_required", nil},
			{"bad status to set", "POST", "/v1/notes/draft:status", `{"status":"done"}`, nil, 422, "validation_failed", []string{"/status"}},
		}
		for _, id := range []string{"a.b", "a%20b", "*", "a%2Fb", "a%00b", "%C3%A9", "a%25", strings.Repeat("x", 129), strings.Repeat("x", 200)} {
			name := "id " + id[:min(len(id), 10)] + fmt.Sprint(len(id))
			all = append(all,
				refusal{name + " to read", "GET", "/v1/movies/" + id, nil, nil, 400, i, nil},
				refusal{name + " to make", "PUT", "/v1/movies/" + id, heat, headers("If-None-Match", "*"), 400, i, nil},
				refusal{name + " to create", "POST", "/v1/movies?id=" + id, heat, nil, 400, i, nil},
				refusal{name + " of a history", "GET", "/v1/movies/" + id + "/history", nil, nil, 400, i, nil})
		}
		all = append(all, refusal{"empty id to create", "POST", "/v1/movies?id=", heat, nil, 400, i, nil})
		refuseAll(t, c, all)
	})
}

// altered is a token with one character changed.
func altered(token string) string {
	b := []byte(token)
	i := len(b) / 2
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
