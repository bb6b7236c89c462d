package tests_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const publicPolicy = guardedPolicy + `  - {role: shop, subjects: [public]}
`

// withShop adds a role for callers without a credential to a policy.
func withShop(policy string) string {
	return strings.Replace(policy, "roles:\n", `roles:
  shop:
    - {types: [films], actions: [read, list, watch], where: 'genre = "open"', fields: {hide: [budget]}}
    - {types: [films], actions: [create, update], where: 'genre = "wish"'}
    - {types: [films], actions: [read], where: 'meta.created_by = principal.id'}
`, 1)
}

// A binding of public gives its rules to requests without a credential, and to no
// other.
func TestRulesOfPublicHoldForRequestsWithoutACredential(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, withShop(publicPolicy))
	nobody := admin.As("")
	admin.Post(t, "/v1/films?id=open", `{"title":"Shown","genre":"open","budget":7}`).Want(t, 201)
	admin.Post(t, "/v1/films?id=shut", `{"title":"Hidden","genre":"shut"}`).Want(t, 201)
	r := nobody.Get(t, "/v1/films/open").Want(t, 200)
	if r.Value("/data/budget") != nil || r.Text("/data/title") != "Shown" {
		t.Errorf("read %s", r.Body)
	}
	if r := nobody.Get(t, "/v1/films?consistency=strong").Want(t, 200); len(r.Items()) != 1 {
		t.Errorf("listed %s", r.Body)
	}
	nobody.Get(t, "/v1/films/shut").WantProblem(t, 404, "not_found")
	nobody.Get(t, "/v1/films?filter=budget%3D7").WantProblem(t, 400, "invalid_filter")
	nobody.Get(t, "/v1/notes").WantProblem(t, 403, "permission_denied")
	nobody.Post(t, "/v1/notes", `{"text":"x"}`).WantProblem(t, 403, "permission_denied") // access: owner is for callers with a credential
	nobody.Delete(t, "/v1/films/open").WantProblem(t, 403, "permission_denied")
	nobody.Post(t, "/v1/films", `{"title":"x","genre":"open"}`).WantProblem(t, 403, "permission_denied")
	wish := nobody.Post(t, "/v1/films?id=wish", `{"title":"Wish","genre":"wish"}`).Want(t, 201)
	if wish.Value("/data") != nil && wish.Text("/meta/created_by") != "anonymous" {
		t.Errorf("made %s", wish.Body)
	}
	nobody.Get(t, "/v1/films/wish").WantProblem(t, 404, "not_found") // all of them are one principal, so nothing is its own
	if got := admin.Get(t, "/v1/films/wish").Want(t, 200).Text("/meta/created_by"); got != "anonymous" {
		t.Errorf("it was made by %q", got)
	}
	nobody.Post(t, "/v1/films", `{"title":"x","genre":"wish"}`, apitest.Header("Idempotency-Key", "k")).WantProblem(t, 400, "invalid_request")
	if d := nobody.Post(t, "/v1:can", `{"action":"read","type":"films"}`).Want(t, 200); d.Value("/allowed") != true {
		t.Errorf("can: %s", d.Body)
	}
	for _, who := range []string{"public", "anonymous"} {
		if d := admin.Post(t, "/v1:can", `{"action":"delete","type":"films","principal":"`+who+`"}`).Want(t, 200); d.Value("/allowed") != false {
			t.Errorf("an admin is told %s", d.Body)
		}
	}
	for _, path := range []string{"/metrics", "/v1/audit", "/v1:backup", "/v1/queues", "/v1/api-keys"} {
		if r := nobody.Get(t, path); r.Status != 401 && r.Status != 403 {
			t.Errorf("%s is %d", path, r.Status)
		}
	}
	// A caller with a credential has its own rules only, and a bad credential none.
	other, _ := key(t, admin, "other", "")
	other.Get(t, "/v1/films/open").WantProblem(t, 403, "permission_denied")
	other.Get(t, "/v1/films").WantProblem(t, 403, "permission_denied")
	admin.As("ack_x_"+strings.Repeat("0", 64)).Get(t, "/v1/films/open").WantProblem(t, 401, "unauthenticated")
	nobody.Get(t, "/v1/films/open", apitest.Header("Authorization", "Basic eDp5")).WantProblem(t, 401, "unauthenticated")
}

// A role with every right makes no admin of a caller without a credential.
func TestTheAnonymousIsNoAdmin(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, "roles: {all: [{types: ['*'], actions: [admin]}]}\nbindings: [{role: all, subjects: [public]}]\n")
	for _, path := range []string{"/v1/audit", "/v1:backup"} {
		admin.As("").Get(t, path).WantProblem(t, 403, "permission_denied")
	}
	admin.As("").Get(t, "/metrics").WantProblem(t, 401, "unauthenticated")
	admin.As("").Get(t, "/v1/films").Want(t, 200)
}

// A binding that comes makes a request without a credential one that is answered, and
// one that goes ends its watch.
func TestAWatchWithoutACredentialEndsWithItsBinding(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, withShop(guardedPolicy))
	nobody := admin.As("")
	nobody.Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
	admin.Post(t, "/v1/bindings?id=b", `{"role":"shop","subjects":["public"]}`).Want(t, 201)
	apitest.Eventually(t, time.Second, "it is answered", func() bool { return nobody.Get(t, "/v1/films").Status == 200 })
	w := nobody.MustWatch(t, "/v1/films:watch")
	admin.Post(t, "/v1/films?id=shut", `{"title":"Hidden","genre":"shut"}`).Want(t, 201)
	admin.Post(t, "/v1/films?id=open", `{"title":"Shown","genre":"open"}`).Want(t, 201)
	if e, err := w.Next(); err != nil || !strings.Contains(e.Raw, "Shown") {
		t.Fatalf("%v, %v", e, err)
	}
	admin.Delete(t, "/v1/bindings/b").Want(t, 200)
	begun := time.Now()
	for {
		if _, err := w.Next(); err != nil {
			break
		}
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the watch went on for %v", took)
	}
	nobody.Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
	admin.Post(t, "/v1/bindings", `{"role":"shop","subjects":["publican"]}`).WantProblem(t, 422, "validation_failed")
}

// Requests without a credential have a limit of their own.
func TestRequestsWithoutACredentialAreLimitedApart(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory", RateLimitPublic: 3}, withShop(publicPolicy))
	status := map[int]int{}
	for range 20 {
		r := admin.As("").Get(t, "/v1/films")
		if status[r.Status]++; r.Status == 429 && r.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		admin.Get(t, "/v1/films").Want(t, 200)
	}
	if status[200] < 3 || status[429] == 0 {
		t.Errorf("answered %s", fmt.Sprint(status))
	}
}
