package tests_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// userDoor is one way to write a user.
type userDoor struct {
	of, name string // id of the operation, and how it is asked
	status   int
	// password is what signs the user in afterwards: empty, when nothing does.
	password string
	write    func(t *testing.T, admin *apitest.Client, id, email string) *apitest.Response
}

// asked is a write of one request.
func asked(method, suffix string, body any, opts ...apitest.Option) func(*testing.T, *apitest.Client, string, string) *apitest.Response {
	return func(t *testing.T, admin *apitest.Client, id, email string) *apitest.Response {
		return admin.Do(t, method, "/v1/users/"+id+suffix, filledIn(body, id, email), opts...)
	}
}

// filledIn is a body for one user.
func filledIn(body any, id, email string) any {
	text, ok := body.(string)
	if !ok {
		return body
	}
	return strings.NewReplacer("ID", id, "EMAIL", email).Replace(text)
}

// afterwards is a write that follows others.
func afterwards(write func(*testing.T, *apitest.Client, string, string) *apitest.Response, first ...func(*testing.T, *apitest.Client, string, string) *apitest.Response) func(*testing.T, *apitest.Client, string, string) *apitest.Response {
	return func(t *testing.T, admin *apitest.Client, id, email string) *apitest.Response {
		for _, f := range first {
			f(t, admin, id, email).Want(t, 200)
		}
		return write(t, admin, id, email)
	}
}

func userDoors() []userDoor {
	merge, json := apitest.Header("Content-Type", apitest.MergePatch), apitest.Header("Content-Type", apitest.JSONPatch)
	patched := func(body string) func(*testing.T, *apitest.Client, string, string) *apitest.Response {
		return asked("PATCH", "", body, merge)
	}
	batch := func(operation string) func(*testing.T, *apitest.Client, string, string) *apitest.Response {
		return func(t *testing.T, admin *apitest.Client, id, email string) *apitest.Response {
			return admin.Post(t, "/v1:batch", filledIn(`{"operations":[`+operation+`]}`, id, email))
		}
	}
	bulk := func(body string) func(*testing.T, *apitest.Client, string, string) *apitest.Response {
		return func(t *testing.T, admin *apitest.Client, id, email string) *apitest.Response {
			return admin.Post(t, "/v1/users:bulk", filledIn(body, id, email))
		}
	}
	deleted := asked("DELETE", "", nil)
	const (
		before = annsPassword
		next   = otherPassword
		put    = "users.replace"
		patch  = "users.patch"
	)
	return []userDoor{
		{put, "without it", 200, before, asked("PUT", "", `{"email":"EMAIL"}`)},
		{put, "null", 200, "", asked("PUT", "", `{"email":"EMAIL","password":null}`)},
		{put, "empty", 422, before, asked("PUT", "", `{"email":"EMAIL","password":""}`)},
		{put, "another", 200, next, asked("PUT", "", `{"email":"EMAIL","password":"`+next+`"}`)},
		{put, "the stored form", 422, before, asked("PUT", "", `{"email":"EMAIL","password":[{"key":"$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"}]}`)},
		{put, "in place", 409, before, asked("PUT", "?mode=modify", `{"email":"EMAIL","password":"`+next+`"}`)},
		{patch, "another property", 200, before, patched(`{"name":"x"}`)},
		{patch, "null", 200, "", patched(`{"password":null}`)},
		{patch, "another", 200, next, patched(`{"password":"` + next + `"}`)},
		{patch, "weak", 422, before, patched(`{"password":"password1234"}`)},
		{patch, "a list", 422, before, patched(`{"password":["x"]}`)},
		{patch, "JSON Patch, add", 200, next, asked("PATCH", "", `[{"op":"add","path":"/password","value":"`+next+`"}]`, json)},
		{patch, "JSON Patch, add null", 200, "", asked("PATCH", "", `[{"op":"add","path":"/password","value":null}]`, json)},
		{patch, "JSON Patch, remove what is not shown", 409, before, asked("PATCH", "", `[{"op":"remove","path":"/password"}]`, json)},
		{patch, "JSON Patch, copy", 409, before, asked("PATCH", "", `[{"op":"copy","from":"/password","path":"/name"}]`, json)},
		{patch, "JSON Patch, test", 409, before, asked("PATCH", "", `[{"op":"test","path":"/password","value":"`+before+`"}]`, json)},
		{patch, "JSON Patch, the whole", 200, before, asked("PATCH", "", `[{"op":"replace","path":"","value":{"email":"EMAIL"}}]`, json)},
		{"users.delete", "", 200, "", deleted},
		{"users.restore", "", 200, before, afterwards(asked("POST", ":restore", nil), deleted)},
		{"users.restore", "a patch of another property", 200, before, afterwards(asked("POST", ":restore", `{"patch":{"name":"x"}}`), deleted)},
		{"users.restore", "a patch with null", 200, "", afterwards(asked("POST", ":restore", `{"patch":{"password":null}}`), deleted)},
		{"users.restore", "a patch with another", 200, next, afterwards(asked("POST", ":restore", `{"patch":{"password":"`+next+`"}}`), deleted)},
		{"users.restore", "a revision with another", 200, next, afterwards(asked("POST", ":restore", `{"revision":1}`), patched(`{"password":"`+next+`"}`), deleted)},
		{"users.switch", "a revision with the same", 200, before, afterwards(asked("POST", ":switch", `{"revision":1}`), patched(`{"name":"x"}`))},
		{"users.switch", "a revision with another", 200, next, afterwards(asked("POST", ":switch", `{"revision":1}`), patched(`{"password":"`+next+`"}`))},
		{"users.switch", "a revision of before it was removed", 200, "", afterwards(asked("POST", ":switch", `{"revision":1}`), patched(`{"password":null}`))},
		{"users.status", "", 422, before, asked("POST", ":status", `{"status":"draft"}`)},
		{"users.purge", "", 204, "", asked("POST", ":purge", nil)},
		{"users.invite", "", 200, before, asked("POST", ":invite", nil)},
		{"users.migrate", "", 200, before, func(t *testing.T, admin *apitest.Client, _, _ string) *apitest.Response {
			return admin.Post(t, "/v1/users:migrate", `{}`)
		}},
		{"users.reindex", "", 202, before, func(t *testing.T, admin *apitest.Client, _, _ string) *apitest.Response {
			return admin.Post(t, "/v1/users:reindex", nil)
		}},
		{"users.bulk", "another property", 200, before, func(t *testing.T, admin *apitest.Client, id, email string) *apitest.Response {
			return bulkDone(t, admin, "users", filledIn(`{"filter":"email = \"EMAIL\"","op":"patch","patch":{"name":"x"}}`, id, email).(string)).Equal(t, "/meta/job/result/changed", "1")
		}},
		{"users.bulk", "null", 422, before, bulk(`{"filter":"email = \"EMAIL\"","op":"patch","patch":{"password":null}}`)},
		{"users.bulk", "another", 422, before, bulk(`{"filter":"email = \"EMAIL\"","op":"patch","patch":{"password":"` + next + `"}}`)},
		{"batch", "another property", 200, before, batch(`{"op":"patch","type":"users","id":"ID","patch":{"name":"x"}}`)},
		{"batch", "null", 200, "", batch(`{"op":"patch","type":"users","id":"ID","patch":{"password":null}}`)},
		{"batch", "another", 200, next, batch(`{"op":"patch","type":"users","id":"ID","patch":{"password":"` + next + `"}}`)},
		{"batch", "replace without it", 200, before, batch(`{"op":"update","type":"users","id":"ID","data":{"email":"EMAIL"}}`)},
		{"batch", "replace with null", 200, "", batch(`{"op":"update","type":"users","id":"ID","data":{"email":"EMAIL","password":null}}`)},
		{"users.create", "its copy", 201, before, func(t *testing.T, admin *apitest.Client, id, _ string) *apitest.Response { // what is shown has no password to copy
			data := admin.Get(t, "/v1/users/"+id+"?returns=data").Want(t, 200).Value("/data").(map[string]any)
			data["email"] = "copy-of-" + id + "@example.com"
			r := admin.Post(t, "/v1/users", data)
			admin.As("").Post(t, "/auth/login", login("copy-of-"+id+"@example.com", annsPassword), apitest.Header("X-Forwarded-For", "2001:db8:1::1")).WantProblem(t, 401, "unauthenticated")
			return r
		}},
		{"users.create", "exported and imported", 200, before, func(t *testing.T, admin *apitest.Client, id, _ string) *apitest.Response {
			at := []string{"--url", admin.URL, "--token", adminKey}
			rows := apitest.Run(t, "", append([]string{"export", "users", "--with-meta"}, at...)...)
			tellsNoPassword(t, rows.Stdout)
			in := apitest.Run(t, rows.Stdout, append([]string{"import", "users", "-", "--with-meta", "--on-conflict", "replace"}, at...)...)
			if rows.Code != 0 || in.Code != 0 {
				t.Errorf("export is %d, import %d: %s", rows.Code, in.Code, in.Stderr)
			}
			return admin.Get(t, "/v1/users/"+id)
		}},
	}
}

// A write that leaves the password of a user out keeps it, null removes it, and no way
// back to an older state brings an older one: at every door. No answer shows it.
func TestEveryDoorKeepsThePasswordOfAUser(t *testing.T) {
	t.Parallel()
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory", TrustedProxies: []string{"127.0.0.1"}})
	doors := userDoors()
	for _, op := range admin.Doc.Operations {
		if strings.HasPrefix(op.ID, "users.") && op.Method != "GET" && op.ID != "users.search" && !slices.ContainsFunc(doors, func(d userDoor) bool { return d.of == op.ID }) {
			t.Errorf("%s writes users, and has no row", op.ID)
		}
	}
	for n, door := range doors {
		t.Run(strings.TrimSpace(door.of+" "+door.name), func(t *testing.T) {
			email := fmt.Sprintf("u%d@example.com", n)
			made := admin.Post(t, "/v1/users", login(email, annsPassword)).Want(t, 201)
			id := made.Text("/meta/id")
			r := door.write(t, admin, id, email).Want(t, door.status)
			tellsNoPassword(t, string(made.Body)+string(r.Body))
			if door.of != "users.purge" {
				for _, path := range []string{"?include_deleted=true", "/revisions", "/revisions/1?raw=true", "/history", ":diff?from=1&to=1"} {
					tellsNoPassword(t, string(admin.Get(t, "/v1/users/"+id+path).Want(t, 200).Body))
				}
			}
			for _, password := range []string{annsPassword, otherPassword} {
				want := 401
				if password == door.password {
					want = 200
				}
				if want == 401 && door.password == annsPassword {
					continue // it never had the other one
				}
				got := admin.As("").Post(t, "/auth/login", login(email, password), apitest.Header("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", n)))
				if got.Status != want {
					t.Errorf("signing in with %q is %d, want %d", password, got.Status, want)
				}
			}
		})
	}
}

// tellsNoPassword wants a text without a password and its hash.
func tellsNoPassword(t *testing.T, text string) {
	t.Helper()
	for _, word := range []string{"argon2", `"password":`, annsPassword, otherPassword} {
		if strings.Contains(text, word) {
			t.Errorf("it tells the password (%s): %.300s", word, text)
		}
	}
}
