package tests_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// What is revoked at one process ends at the other within a second, streams and links
// included, with the rights on NATS that are shipped.
func TestWhatIsRevokedEndsOnEveryProcess(t *testing.T) {
	t.Parallel()
	s := apitest.Services(t)
	s.Auth, s.AdminKey, s.Models, s.Policies = "required", adminKey, apitest.WriteModels(t, guarded), filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(s.Policies, []byte(peoplePolicyOf()), 0o600); err != nil {
		t.Fatal(err)
	}
	urls := apitest.StartSplit(t, nil, s)
	one := apitest.NewClient(t, urls[0]).As(adminKey)
	two := one.At(urls[1])
	ann := one.Post(t, "/v1/users", map[string]any{"email": "ann@example.com", "groups": []string{"readers"}, "password": annsPassword}).Want(t, 201).Text("/meta/id")
	one.Post(t, "/v1/films?id=f", `{"title":"Heat"}`).Want(t, 201)
	for what, end := range map[string]func(cookie apitest.Option){
		"signing out": func(cookie apitest.Option) { one.As("").Post(t, "/auth/logout", nil, cookie).Want(t, 204) },
		"another password": func(apitest.Option) {
			one.Patch(t, "/v1/users/"+ann, apitest.MergePatch, map[string]any{"password": annsPassword}).Want(t, 200)
		},
	} {
		cookie := signedInAs(t, one, "ann@example.com", annsPassword)
		apitest.Eventually(t, time.Second, "the other process knows the session", func() bool { return two.Do(t, "GET", "/v1/films/f", nil, cookie).Status == 200 })
		w := two.MustWatch(t, "/v1/films:watch", cookie)
		end(cookie)
		ends(t, w)
		if r := two.Do(t, "GET", "/v1/films/f", nil, cookie); r.Status != 401 {
			t.Errorf("%s: %d", what, r.Status)
		}
	}
	link := one.Post(t, "/auth/sign", `{"path":"/v1/films/f"}`).Want(t, 200).Text("/url")
	there := urls[1] + link[len(urls[0]):]
	if got := open(t, "GET", there); got.status != 200 {
		t.Fatalf("a link at the other process: %d %s", got.status, got.body)
	}
	one.Post(t, "/auth/links:revoke", nil).Want(t, 204)
	apitest.Eventually(t, time.Second, "the link ends", func() bool { return open(t, "GET", there).status == 401 })
	// A ticket that one process took is used for the other.
	ticket := query(one.Post(t, "/auth/ticket", nil).Want(t, 200).Text("/ticket"))
	if first, second := open(t, "GET", urls[0]+"/v1/films/f?ticket="+ticket), open(t, "GET", urls[1]+"/v1/films/f?ticket="+ticket); first.status != 200 || second.status != 401 {
		t.Errorf("a ticket: %d, then %d", first.status, second.status)
	}
}

// An application sends mail to people by a function of its own.
func TestAnApplicationSendsItsMail(t *testing.T) {
	t.Parallel()
	sent := make(chan autocrud.Mail, 1)
	app := autocrud.New()
	app.SendMail(func(_ context.Context, m autocrud.Mail) error {
		sent <- m
		return nil
	})
	admin := guardApp(t, app, autocrud.Settings{Storage: "memory"}, peoplePolicyOf())
	id := admin.Post(t, "/v1/users", `{"name":"Bea","email":"bea@example.com"}`).Want(t, 201).Text("/meta/id")
	link := admin.Post(t, "/v1/users/"+id+":invite", nil).Want(t, 200).Text("/url")
	if m := <-sent; m.Kind != "invitation" || m.Email != "bea@example.com" || m.Name != "Bea" || m.URL != link {
		t.Errorf("sent: %+v", m)
	}
}
