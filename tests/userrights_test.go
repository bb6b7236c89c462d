package tests_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// At every door a user is changed, or taken away, only by a principal that has every
// right of that user.
func TestEveryDoorAsksForTheRightsOfAUser(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	clerk, _ := key(t, admin, "clerk", "") // every action on users, and not the group readers
	at := "/v1/users/" + ann
	ann2 := map[string]any{"name": "Ann", "email": "ann@example.com"}
	batch := func(op map[string]any) map[string]any {
		op["type"], op["id"] = "users", ann
		return map[string]any{"operations": []any{op}, "atomic": true}
	}
	before := admin.Patch(t, at, apitest.MergePatch, `{"name":"Ann of the readers"}`).Want(t, 200).Header.Get("ETag")
	live := map[string]func() *apitest.Response{
		"patch": func() *apitest.Response { return clerk.Patch(t, at, apitest.MergePatch, `{"name":"x"}`) },
		"json patch": func() *apitest.Response {
			return clerk.Patch(t, at, apitest.JSONPatch, `[{"op":"remove","path":"/groups"}]`)
		},
		"put":    func() *apitest.Response { return clerk.Put(t, at, ann2) },
		"delete": func() *apitest.Response { return clerk.Delete(t, at) },
		"purge":  func() *apitest.Response { return clerk.Post(t, at+":purge", nil) },
		"switch": func() *apitest.Response { return clerk.Post(t, at+":switch", `{"revision":1}`) },
		"invite": func() *apitest.Response { return clerk.Post(t, at+":invite", nil) },
		"batch patch": func() *apitest.Response {
			return clerk.Post(t, "/v1:batch", batch(map[string]any{"op": "patch", "patch": ann2}))
		},
		"batch update": func() *apitest.Response {
			return clerk.Post(t, "/v1:batch", batch(map[string]any{"op": "update", "data": ann2}))
		},
		"batch delete": func() *apitest.Response { return clerk.Post(t, "/v1:batch", batch(map[string]any{"op": "delete"})) },
	}
	for name, do := range live {
		if r := do(); r.Status != 403 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	if now := admin.Get(t, at).Want(t, 200).Header.Get("ETag"); now != before {
		t.Error("the user was changed")
	}
	admin.Delete(t, at).Want(t, 200)
	for _, verb := range []string{":purge", ":restore"} {
		clerk.Post(t, at+verb, nil).WantProblem(t, 403, "permission_denied")
	}
	admin.Post(t, at+":restore", nil).Want(t, 200)
	// A user without rights is the clerk's to purge.
	bob := clerk.Post(t, "/v1/users", `{"email":"bob@example.com"}`).Want(t, 201).Text("/meta/id")
	clerk.Post(t, "/v1/users/"+bob+":purge", nil).Want(t, 204)
}

// atOnce sends requests at the same time and returns how they are answered.
func atOnce(n int, send func(i int) *apitest.Response) []*apitest.Response {
	out := make([]*apitest.Response, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { out[i] = send(i) })
	}
	all.Wait()
	return out
}

// taken is how many of some requests succeeded.
func taken(all []*apitest.Response) (n int) {
	for _, r := range all {
		if r.Status == http.StatusOK {
			n++
		}
	}
	return n
}

var passwords = []string{"one lonely lighthouse", "two tired tugboats", "three thirsty thrushes", "four frozen fountains", "five famous farmers", "six silent sailors"}

// Of several that use a one-time link at the same time, or change the same password, one
// does, and is the one that is signed in.
func TestAPasswordIsChosenByOneOfSeveral(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	nobody := admin.As("")
	_, token, _ := strings.Cut(admin.Post(t, "/v1/users/"+ann+":invite", nil).Want(t, 200).Text("/url"), "#")
	used := atOnce(len(passwords), func(i int) *apitest.Response {
		return nobody.Post(t, "/auth/password", map[string]any{"token": token, "password": passwords[i]})
	})
	i := slices.IndexFunc(used, func(r *apitest.Response) bool { return r.Status == http.StatusOK })
	if n := taken(used); n != 1 {
		t.Fatalf("the link was used %d times", n)
	}
	cookie, _ := cookieOf(t, used[i])
	nobody.Get(t, "/auth/session", cookie).Want(t, 200).Equal(t, "/principal/id", `"user:`+ann+`"`)
	changed := atOnce(len(passwords), func(n int) *apitest.Response {
		return nobody.Post(t, "/auth/password", map[string]any{"current": passwords[i], "password": passwords[n] + " again"}, cookie)
	})
	if n := taken(changed); n != 1 {
		t.Errorf("the password was changed %d times", n)
	}
}

// A session that begins while the password changes is none of the former password.
func TestASessionOfAFormerPasswordDoesNotBegin(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	nobody := admin.As("")
	current := annsPassword
	for _, next := range passwords[:2] {
		var changed *apitest.Response
		signed := atOnce(4, func(i int) *apitest.Response {
			if i == 0 {
				changed = admin.Patch(t, "/v1/users/"+ann, apitest.MergePatch, map[string]any{"password": next})
				return changed
			}
			return nobody.Post(t, "/auth/login", login("ann@example.com", current))
		})
		changed.Want(t, 200)
		for _, r := range signed[1:] {
			if r.Status != http.StatusOK {
				continue
			}
			cookie, _ := cookieOf(t, r)
			if who := nobody.Get(t, "/auth/session", cookie).Want(t, 200).Value("/principal"); who != nil {
				t.Fatalf("by the former password %v is signed in", who)
			}
		}
		current = next
	}
}

// A request with a bearer credential and a cookie is judged by the bearer: it changes no
// password of the user whose cookie it is.
func TestABearerChangesNoPassword(t *testing.T) {
	t.Parallel()
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory"})
	cookie := signedInAs(t, admin, "ann@example.com", annsPassword)
	admin.Post(t, "/auth/password", map[string]any{"current": annsPassword, "password": otherPassword}, cookie).WantProblem(t, 401, "unauthenticated")
	admin.As("").Post(t, "/auth/login", login("ann@example.com", annsPassword)).Want(t, 200)
}
