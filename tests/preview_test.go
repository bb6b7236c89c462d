package tests_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

func TestAPreviewShowsOneDraft(t *testing.T) {
	t.Parallel()
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory"})
	press, id := key(t, admin, "reporter", `,"groups":["press"]`)
	admin.Post(t, "/v1/films?id=f", `{"title":"Heat","genre":"open"}`).Want(t, 201)
	press.Patch(t, "/v1/films/f?status=draft", apitest.MergePatch, `{"title":"Heat, a draft"}`).Want(t, 200)
	admin.Patch(t, "/v1/films/f?mode=modify", apitest.MergePatch, `{"budget":77}`).Want(t, 200)
	preview := func(by *apitest.Client, body any) string {
		return by.Post(t, "/v1/films/f:preview", body).Want(t, 200).Text("/url")
	}
	link := preview(press, `{"expires_in":"1h"}`)
	got := open(t, "GET", link)
	if got.status != 200 || !strings.Contains(got.body, "Heat, a draft") || strings.Contains(got.body, "budget") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Set-Cookie": ""} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		if r := open(t, method, link); r.status < 400 {
			t.Errorf("%s by the link is %d", method, r.status)
		}
	}
	for _, other := range []string{strings.Replace(link, "revision=2", "revision=1", 1), strings.Replace(link, "revision=2&", "", 1), strings.Replace(link, "/f?", "/f/history?", 1)} {
		if r := open(t, "GET", other); r.status != 401 {
			t.Errorf("%s is %d %s", other, r.status, r.body)
		}
	}
	admin.Patch(t, "/v1/films/f?status=draft", apitest.MergePatch, `{"title":"A later one"}`).Want(t, 200)
	if r := open(t, "GET", link); !strings.Contains(r.body, "Heat, a draft") || strings.Contains(r.body, "A later one") {
		t.Errorf("it shows %s", r.body)
	}
	short := preview(press, `{"expires_in":"1s"}`)
	apitest.Eventually(t, time.Minute, "the link has expired", func() bool { return open(t, "GET", short).status == 401 })
	press.Post(t, "/v1/films/f:preview", `{"expires_in":"1000h"}`).WantProblem(t, 422, "validation_failed")
	press.Post(t, "/v1/films/none:preview", nil).WantProblem(t, 404, "not_found")

	// It ends with the right of its maker, and with the links and the key of it.
	admin.Patch(t, "/v1/films/f", apitest.MergePatch, `{"genre":"secret"}`).Want(t, 200)
	if r := open(t, "GET", link); r.status != 404 || strings.Contains(r.body, "Heat") {
		t.Errorf("without the right of its maker it is %d %s", r.status, r.body)
	}
	admin.Patch(t, "/v1/films/f", apitest.MergePatch, `{"genre":"open"}`).Want(t, 200)
	press.Post(t, "/auth/links:revoke", nil).Want(t, 204)
	if r := open(t, "GET", link); r.status != 401 {
		t.Errorf("a revoked link is %d %s", r.status, r.body)
	}
	again := preview(press, nil)
	admin.Delete(t, "/v1/api-keys/"+id).Want(t, 200)
	apitest.Eventually(t, time.Minute, "the link has ended with its key", func() bool { return open(t, "GET", again).status == 401 })
}
