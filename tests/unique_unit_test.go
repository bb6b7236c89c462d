package tests_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

var members = map[string]string{"members": `name: members
schema:
  type: object
  properties: {email: {type: [string, "null"]}, team: {type: [string, "null"]}, seat: {type: [integer, "null"]}, note: {type: string}}
index: [email, team, seat]
unique: [email, [team, seat]]
`}

// batch is an atomic batch of operations.
func batch(ops ...string) string { return `{"operations":[` + strings.Join(ops, ",") + `]}` }

func TestTwoOperationsOfOneBatchNeverTakeOneValue(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, row, nil, members)
			put := func(id, data string) { t.Helper(); c.Post(t, "/v1/members?id="+id, data).Want(t, 201) }
			put("a", `{"email":"a@x","team":"t","seat":1}`)
			put("b", `{"email":"b@x","team":"t","seat":2}`)
			put("c", `{"email":"old@x"}`)
			c.Patch(t, "/v1/members/c", apitest.MergePatch, `{"email":"c@x"}`).Want(t, 200)
			put("gone", `{"email":"gone@x"}`)
			c.Delete(t, "/v1/members/gone").Want(t, 200)
			create := func(id, data string) string {
				return fmt.Sprintf(`{"op":"create","type":"members","id":%q,"data":%s}`, id, data)
			}
			patch := func(id, data string) string {
				return fmt.Sprintf(`{"op":"patch","type":"members","id":%q,"patch":%s}`, id, data)
			}
			seq := func() string {
				return fmt.Sprint(c.Get(t, "/v1/members?filter=NOT%20email%20%3D%20%22none%22&page_size=100").Want(t, 200).Value("/items"))
			}
			for _, x := range []struct{ name, one, two, field string }{
				{"create and create", create("n1", `{"email":"n@x"}`), create("n2", `{"email":"n@x"}`), "email"},
				{"create and create of two fields", create("n1", `{"team":"u","seat":1}`), create("n2", `{"team":"u","seat":1.0}`), "team, seat"},
				{"patch and patch", patch("a", `{"email":"n@x"}`), patch("b", `{"email":"n@x"}`), "email"},
				{"patch and patch of two fields", patch("a", `{"seat":9}`), patch("b", `{"seat":9}`), "team, seat"},
				{"restore and create", `{"op":"restore","type":"members","id":"gone"}`, create("n1", `{"email":"gone@x"}`), "email"},
				{"switch and create", `{"op":"switch","type":"members","id":"c","revision":1}`, create("n1", `{"email":"old@x"}`), "email"},
				{"update and switch", `{"op":"update","type":"members","id":"a","data":{"email":"old@x"}}`, `{"op":"switch","type":"members","id":"c","revision":1}`, "email"},
				{"patch json and restore", `{"op":"patch","type":"members","id":"a","patch":[{"op":"replace","path":"/email","value":"gone@x"}]}`, `{"op":"restore","type":"members","id":"gone"}`, "email"},
			} {
				t.Run(x.name, func(t *testing.T) {
					before := seq()
					r := c.Post(t, "/v1:batch", batch(x.one, x.two))
					r.WantProblem(t, 409, "unique_conflict")
					if r.Text("/field") != x.field || r.Text("/results/1/problem/code") != "unique_conflict" || r.Text("/results/0/problem/code") != "conflict" {
						t.Errorf("%s", r.Body)
					}
					if after := seq(); after != before {
						t.Errorf("something was written:\n%s\n%s", before, after)
					}
				})
			}
			t.Run("values change hands within one batch", func(t *testing.T) {
				c.Post(t, "/v1:batch", batch(patch("a", `{"email":"b@x","seat":2}`), patch("b", `{"email":"a@x","seat":1}`))).Want(t, 200)
				c.Post(t, "/v1:batch", batch(`{"op":"delete","type":"members","id":"a"}`, create("heir", `{"email":"b@x","team":"t","seat":2}`))).Want(t, 200)
				c.Post(t, "/v1:batch", batch(patch("b", `{"email":null}`), patch("c", `{"email":"a@x"}`))).Want(t, 200)
				c.Post(t, "/v1/members/a:restore", `{}`).WantProblem(t, 409, "unique_conflict")
			})
			verifyClean(t, c)
		})
	}
}

// uniqueModel is the model of members with some constraint.
func uniqueModel(unique string) map[string]string {
	return map[string]string{"members": strings.Replace(members["members"], "unique: [email, [team, seat]]", unique, 1)}
}

func TestUniqueThatWasTakenOutAndPutBackHolds(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		if row.Name == "memory" || row.Split { // nothing outlives the process
			continue
		}
		for _, between := range []string{"", "unique: [[email, team]]", "unique: [[team, seat]]"} {
			t.Run(row.Name+" "+between, func(t *testing.T) {
				t.Parallel()
				s := row.Settings(t)
				life := func(name, unique string, fn func(t *testing.T, c *apitest.Client)) {
					t.Run(name, func(t *testing.T) {
						c := start(t, nil, s, uniqueModel(unique))
						fn(t, c)
						verifyClean(t, c)
					})
				}
				life("with", "unique: [email]", func(t *testing.T, c *apitest.Client) {
					for _, id := range []string{"a", "b2", "free"} {
						c.Post(t, "/v1/members?id="+id, `{"email":"`+id+`@x","team":"t"}`).Want(t, 201)
					}
				})
				life("without", between, func(t *testing.T, c *apitest.Client) {
					c.Patch(t, "/v1/members/a", apitest.MergePatch, `{"email":"y@x"}`).Want(t, 200)
					c.Post(t, "/v1/members?id=b", `{"email":"a@x"}`).Want(t, 201)
					c.Patch(t, "/v1/members/b2", apitest.MergePatch, `{"note":"the value stays"}`).Want(t, 200)
					c.Delete(t, "/v1/members/free").Want(t, 200)
				})
				life("with again", "unique: [email]", func(t *testing.T, c *apitest.Client) {
					verifyClean(t, c)
					c.Patch(t, "/v1/members/a", apitest.MergePatch, `{"email":"a@x"}`).WantProblem(t, 409, "unique_conflict")
					c.Post(t, "/v1/members/a:switch", `{"revision":1}`).WantProblem(t, 409, "unique_conflict")
					c.Post(t, "/v1/members", `{"email":"y@x"}`).WantProblem(t, 409, "unique_conflict")
					c.Post(t, "/v1/members", `{"email":"b2@x"}`).WantProblem(t, 409, "unique_conflict")
					c.Post(t, "/v1/members?id=new", `{"email":"free@x"}`).Want(t, 201)
					c.Post(t, "/v1/members/free:restore", `{}`).WantProblem(t, 409, "unique_conflict")
					c.Patch(t, "/v1/members/b", apitest.MergePatch, `{"email":"z@x"}`).Want(t, 200)
					c.Post(t, "/v1/members/a:switch", `{"revision":1}`).Want(t, 200)
					c.Patch(t, "/v1/members/b2", apitest.MergePatch, `{"email":"y@x"}`).Want(t, 200)
					c.Post(t, "/v1/members", `{"email":"b2@x"}`).Want(t, 201)
				})
				life("once more", "unique: [email]", func(t *testing.T, c *apitest.Client) {
					c.Post(t, "/v1/members", `{"email":"a@x"}`).WantProblem(t, 409, "unique_conflict")
				})
			})
		}
	}
}
