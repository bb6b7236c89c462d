package tests_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// changing is a program that is started again with other models, also those that
// its data does not fit.
type changing struct {
	t        *testing.T
	settings autocrud.Settings
	strict   bool // models that the data does not fit are refused
	stop     func()
}

func (p *changing) with(models map[string]string) *apitest.Client {
	p.t.Helper()
	if p.stop != nil {
		p.stop()
	}
	s := p.settings
	s.Models, s.Addr, s.LogLevel, s.AllowUnfit = apitest.WriteModels(p.t, models), "127.0.0.1:0", "error", !p.strict
	r, err := autocrud.New().Start(context.Background(), s)
	if err != nil {
		p.t.Fatal(err)
	}
	stopped := false
	p.stop = func() {
		if !stopped {
			stopped = true
			if err := r.Stop(); err != nil {
				p.t.Errorf("the program ended with: %v", err)
			}
		}
	}
	p.t.Cleanup(p.stop)
	return apitest.NewClient(p.t, r.URL)
}

// changed runs a test on the rows that keep their data over a restart.
func changed(t *testing.T, fn func(t *testing.T, p *changing)) {
	t.Helper()
	t.Parallel()
	for _, row := range storages(t) {
		if row.Name == "memory" || row.Split {
			continue
		}
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			fn(t, &changing{t: t, settings: row.Settings(t)})
		})
	}
}

// eventually waits for what follows within seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// built waits until the index of a changed model answers a filter.
func built(t *testing.T, c *apitest.Client, typ, filter string) {
	t.Helper()
	eventually(t, "the new index", func() bool {
		return c.Get(t, "/v1/"+typ+":count?filter="+query(filter)).Status != 503 && c.Get(t, "/v1:reindex").Want(t, 200).Value("/building/0") == nil
	})
}

// idsOf are the ids of a list, divided by spaces.
func idsOf(r *apitest.Response) string {
	var out []string
	for i := range r.Items() {
		out = append(out, r.Text(fmt.Sprintf("/items/%d/meta/id", i)))
	}
	return strings.Join(out, " ")
}

const persons = "name: persons\nschema: {type: object, properties: {name: {type: string}}}\n"

func papersModel(field, index string) string {
	return `name: papers
schema:
  type: object
  properties:
    title: {type: string}
    n: ` + field + `
    list: {type: array, items: {type: string}}
    body: {type: string}
    owner: {type: [string, "null"]}
    ed: {type: [string, "null"]}
    par: {type: [string, "null"]}
index: ` + index + `
fulltext: [title]
refs:
  owner: {type: persons, onDelete: restrict}
  ed: {type: persons, onDelete: set_null}
  par: {type: persons, onDelete: cascade}
`
}

func TestAFieldThatCannotBeIndexedTakesNothingElseWithIt(t *testing.T) {
	changed(t, func(t *testing.T, p *changing) {
		models := func(field, index string) map[string]string {
			return map[string]string{"persons": persons, "papers": papersModel(field, index)}
		}
		c := p.with(models("{type: string}", "[title, n]"))
		for _, id := range []string{"o", "e", "p"} {
			c.Post(t, "/v1/persons?id="+id, `{"name":"x"}`).Want(t, 201)
		}
		long := strings.Repeat("x", 2001)
		c.Post(t, "/v1/papers?id=a", fmt.Sprintf(`{"title":"A","n":"x","list":["l"],"body":%q,"owner":"o","ed":"e"}`, long)).Want(t, 201)
		c.Post(t, "/v1/papers?id=b", `{"title":"B","n":"y","par":"p"}`).Want(t, 201)
		for _, change := range [][2]string{
			{"{type: integer}", "[title, n]"}, {"{type: number}", "[title, n, list]"}, {"{type: boolean}", "[title, n]"},
			{`{type: string, format: date-time}`, "[title, n]"}, {"{type: array, items: {type: integer}}", "[title, n]"},
			{"{type: object, properties: {inside: {type: string}}}", `[title, "n.inside"]`}, {"{type: string}", "[title, body]"},
		} {
			c = p.with(models(change[0], change[1]))
			field := strings.Trim(change[1][strings.LastIndex(change[1], " ")+1:], `"]`)
			built(t, c, "papers", "isNull("+field+")")
			found := func(q, want string) {
				t.Helper()
				if got := idsOf(c.Get(t, "/v1/papers?returns=meta&order_by=title&"+q).Want(t, 200)); got != want {
					t.Errorf("n %s, index %s: %s finds %s, want %s", change[0], change[1], q, got, want)
				}
			}
			found("filter="+query(`title = "A"`), "a")
			found("q=A", "a")
			found("filter="+query(`owner = "o"`), "a")
			found("", "a b")
			if strings.Contains(change[1], "n,") || strings.HasSuffix(change[1], "n]") {
				found("filter="+query(`NOT n:*`), "a b")
			}
			if strings.Contains(change[1], "list") {
				found("filter="+query(`list:"l"`), "a")
			}
			if strings.Contains(change[1], "body") {
				found("filter="+query(`isNull(body)`), "a b")
			}
			c.Get(t, "/v1/persons/o/referrers").Want(t, 200).Equal(t, "/items/0/id", `"a"`)
			c.Delete(t, "/v1/persons/o").WantProblem(t, 409, "referenced")
			if strings.Contains(change[1], "inside") {
				continue // it has none, which is no fault
			}
			if n := c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`).Value("/verified/unfit"); fmt.Sprint(n) == "0" {
				t.Errorf("n %s, index %s: verify counts nothing", change[0], change[1])
			}
			metric := c.Get(t, "/metrics").Want(t, 200)
			if !strings.Contains(string(metric.Body), "index_damaged_events") || strings.Contains(string(metric.Body), "index_damaged_events 0") {
				t.Errorf("n %s: no metric tells", change[0])
			}
		}
		c = p.with(models("{type: integer}", "[title, n]")) // set_null and cascade follow
		built(t, c, "papers", "isNull(n)")
		c.Delete(t, "/v1/persons/e").Want(t, 200)
		c.Delete(t, "/v1/persons/p").Want(t, 200)
		eventually(t, "set_null", func() bool {
			return idsOf(c.Get(t, "/v1/papers?returns=meta&filter="+query(`meta.id = "a" AND isNull(ed)`)).Want(t, 200)) == "a"
		})
		eventually(t, "cascade", func() bool { return c.Get(t, "/v1/papers/b?returns=meta").Status == 410 })
		c = p.with(models("{type: string}", "[title, n]")) // and back
		built(t, c, "papers", `n = "x"`)
		eventually(t, "the old field", func() bool {
			return idsOf(c.Get(t, "/v1/papers?returns=meta&filter="+query(`n = "x"`)).Want(t, 200)) == "a"
		})
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	})
}

const contactsV1 = "name: contacts\nschema: {type: object, properties: {name: {type: string}, phone: {type: string}, list: {type: array, items: {type: string}}}}\nindex: [name]\n"

func TestAMigrationMeetsWhatIsMissing(t *testing.T) {
	changed(t, func(t *testing.T, p *changing) {
		c := p.with(map[string]string{"contacts": contactsV1})
		for i, doc := range []string{`{"name":"all","phone":"1","list":["x","y"]}`, `{"name":"none"}`, `{"name":"empty","list":[]}`} {
			c.Post(t, fmt.Sprintf("/v1/contacts?id=c%d&status=draft", i), doc).Want(t, 201)
		}
		c = p.with(map[string]string{"contacts": `name: contacts
schema: {type: object, properties: {name: {type: string}, tel: {type: string}, also: {type: string}, first: {type: string}, list: {type: array, items: {type: string}}}}
index: [name, tel]
version: "2"
migrations:
  - from: "1"
    patch: [{op: copy, from: /phone, path: /also}, {op: move, from: /phone, path: /tel}, {op: move, from: /list/0, path: /first}, {op: remove, path: /list/0}]
`})
		built(t, c, "contacts", "isNull(tel)")
		c.Get(t, "/v1/contacts?order_by=name").Want(t, 200).
			Equal(t, "/items/0/data", `{"name":"all","tel":"1","also":"1","first":"x","list":[]}`).
			Equal(t, "/items/1/data", `{"name":"empty","list":[]}`).Equal(t, "/items/2/data", `{"name":"none"}`)
		c.Patch(t, "/v1/contacts/c1", apitest.MergePatch, `{"tel":"2"}`).Want(t, 200)
		if got := idsOf(c.Get(t, "/v1/contacts?filter="+query(`tel = "1"`)).Want(t, 200)); got != "c0" {
			t.Errorf("found %s", got)
		}
		// An edit in place and a new draft are of the version that they were made in.
		c.Patch(t, "/v1/contacts/c0?mode=modify", apitest.MergePatch, `{"first":null}`).Want(t, 200).Equal(t, "/meta/schema_version", `"2"`)
		c.Get(t, "/v1/contacts/c0").Want(t, 200).Equal(t, "/data", `{"name":"all","tel":"1","also":"1","list":[]}`)
		c.Post(t, "/v1/contacts/c2:status", `{"status":"stable"}`).Want(t, 200)
		c.Post(t, "/v1/contacts/c2:status", `{"status":"draft"}`).Want(t, 200).Equal(t, "/meta/schema_version", `"2"`)
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	})
}

func TestARowThatNoMigrationFitsIsOneItemOfItsPage(t *testing.T) {
	changed(t, func(t *testing.T, p *changing) {
		one := map[string]string{"persons": persons, "contacts": contactsV1 + "refs: {phone: {type: persons, onDelete: restrict}}\n"}
		c := p.with(one)
		c.Post(t, "/v1/persons?id=p", `{}`).Want(t, 201)
		c.Post(t, "/v1/contacts?id=bad", `{"name":"bad","phone":"p"}`).Want(t, 201)
		c.Post(t, "/v1/contacts?id=good", `{"name":"good"}`).Want(t, 201)
		one["contacts"] += "version: '2'\nmigrations: [{from: '1', patch: [{op: test, path: /name, value: good}]}]\n"
		c = p.with(one)
		built(t, c, "contacts", "isNull(phone)")
		// It is shown as it was stored, and marked.
		page := c.Get(t, "/v1/contacts?order_by=name").Want(t, 200)
		page.Equal(t, "/items/0/meta/id", `"bad"`).Equal(t, "/items/0/data", `{"name":"bad","phone":"p"}`).Equal(t, "/items/1/data", `{"name":"good"}`)
		unfitIs(t, page, "/items/0", true)
		unfitIs(t, page, "/items/1", false)
		eventually(t, "what finds the mark", func() bool {
			return c.Get(t, "/v1/contacts:count?filter="+query("meta.unfit = true")).Status == 200
		})
		unfitIs(t, c.Post(t, "/v1/contacts:search", `{"filter":"name = \"bad\" AND meta.unfit = true"}`).Want(t, 200), "/items/0", true)
		c.Get(t, "/v1/contacts?order_by=name&expand=phone").Want(t, 200).Equal(t, "/items/1/data", `{"name":"good"}`)
		for _, path := range []string{"", "?consistency=strong", "/revisions/1", "/revisions/1?raw=true"} {
			unfitIs(t, c.Get(t, "/v1/contacts/bad"+path).Want(t, 200).Equal(t, "/data", `{"name":"bad","phone":"p"}`), "", true)
		}
		c.Delete(t, "/v1/persons/p").WantProblem(t, 409, "referenced")
		c.Get(t, "/v1/persons/p/referrers").Want(t, 200).Equal(t, "/items/0/id", `"bad"`)
		r := c.Post(t, "/v1/contacts:migrate?dry_run=true", nil).Want(t, 200)
		if detail := r.Text("/failures/0/detail"); strings.Count(detail, "another one") != 1 {
			t.Errorf("%s", r.Body)
		}
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`).Equal(t, "/verified/unfit", "1")
		c.Post(t, "/v1/contacts/bad:status", `{"status":"draft"}`).WantProblem(t, 409, "invalid_state")
		c.Patch(t, "/v1/contacts/bad", apitest.MergePatch, `{"name":1}`).WantProblem(t, 422, "validation_failed")
		unfitIs(t, c.Put(t, "/v1/contacts/bad", `{"name":"mended"}`).Want(t, 200), "", false)
		c.Get(t, "/v1/contacts/bad").Want(t, 200)
		c.Delete(t, "/v1/persons/p").Want(t, 200)
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`).Equal(t, "/verified/unfit", "0")
	})
}

func TestEveryWriteMakesItFit(t *testing.T) {
	changed(t, func(t *testing.T, p *changing) {
		c := p.with(map[string]string{"notes": "name: notes\nschema: {type: object, additionalProperties: true}\n"})
		long := strings.Repeat("x", 2001)
		old := fmt.Sprintf(`{"title":"t","body":%q,"gone":1,"level":"high","n":-1,"list":[{"a":"x"}]}`, long)
		c.Post(t, "/v1/notes?id=a", old).Want(t, 201)
		c = p.with(map[string]string{"notes": `name: notes
schema:
  type: object
  required: [title, owner]
  properties:
    title: {type: string}
    owner: {type: string}
    body: {type: string}
    level: {enum: [low, mid]}
    n: {type: integer, minimum: 0}
    list: {type: array, items: {type: object, properties: {a: {type: integer}}}}
index: [title, body]
`})
		built(t, c, "notes", "isNull(body)")
		patch := func(body string) *apitest.Response { return c.Patch(t, "/v1/notes/a", apitest.MergePatch, body) }
		refused := func(r *apitest.Response, places ...string) {
			t.Helper()
			p := r.WantProblem(t, 422, "validation_failed")
			for _, at := range places {
				if !strings.Contains(fmt.Sprint(p.Errors), "{"+at+" ") {
					t.Errorf("%s is not among %v", at, p.Errors)
				}
			}
		}
		all := []string{"/owner", "/gone", "/level", "/n", "/list/0/a"}
		refused(patch(`{"title":"new"}`), all...)
		refused(c.Patch(t, "/v1/notes/a", apitest.JSONPatch, `[{"op":"replace","path":"/title","value":"newer"}]`), all...)
		c.Put(t, "/v1/notes/a", strings.Replace(old, `"t"`, `"put"`, 1)).WantProblem(t, 422, "validation_failed")
		refused(c.Post(t, "/v1:batch", `{"operations":[{"op":"patch","type":"notes","id":"a","patch":{"title":"batched"}}]}`), all...)
		patch(`{"n":-2}`).WantProblem(t, 422, "validation_failed")
		patch(`{"level":"highest"}`).WantProblem(t, 422, "validation_failed")
		patch(`{"gone":2}`).WantProblem(t, 422, "validation_failed")
		patch(`{"more":1}`).WantProblem(t, 422, "validation_failed")
		patch(fmt.Sprintf(`{"body":%q}`, long+"x")).WantProblem(t, 422, "validation_failed")
		patch(`{"list":[{"a":"y"}]}`).WantProblem(t, 422, "validation_failed")
		patch(`{"list":[{"a":"x"},{"a":"x"}]}`).WantProblem(t, 422, "validation_failed")
		patch(`{"title":null}`).WantProblem(t, 422, "validation_failed")
		c.Post(t, "/v1/notes", `{"title":"t"}`).WantProblem(t, 422, "validation_failed")
		c.Post(t, "/v1/notes?id=b", `{"title":"t","owner":"o"}`).Want(t, 201)
		c.Put(t, "/v1/notes/b", `{"title":"t"}`).WantProblem(t, 422, "validation_failed")
		patch(`{"owner":"o","body":"short","level":"low","n":1,"gone":null,"list":[]}`).Want(t, 200)
		patch(`{"n":-1}`).WantProblem(t, 422, "validation_failed")
	})
}
