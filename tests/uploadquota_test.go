package tests_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Uploads have a quota of the process and one of each principal, by whatever door the
// bytes come; what is refused is not stored, and says when to try again.
func TestUploadsEndAtTheirQuota(t *testing.T) {
	t.Parallel()
	binary := apitest.Header("Content-Type", "application/octet-stream")
	for _, row := range storages(t) {
		if row.Split {
			continue // each process has its own
		}
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			settings := func() autocrud.Settings {
				s := row.Settings(t)
				s.Models = apitest.WriteModels(t, albums)
				return s
			}
			s := settings()
			s.UploadQuota = 10_000
			c := apitest.Start(t, nil, s)
			c.Do(t, "POST", "/v1/blobs", strings.Repeat("a", 6000), binary).Want(t, 201)
			refused := c.Do(t, "POST", "/v1/blobs", strings.Repeat("b", 6000), binary)
			refused.WantProblem(t, 503, "unavailable")
			if refused.Header.Get("Retry-After") == "" {
				t.Error("it does not say when to try again")
			}
			inline := func(id, content string) *apitest.Response {
				return c.Post(t, "/v1/albums?id="+id, fmt.Sprintf(`{"title":"x","file":{"base64":%q}}`, base64.StdEncoding.EncodeToString([]byte(content))))
			}
			inline("a", strings.Repeat("c", 6000)).WantProblem(t, 503, "unavailable")
			c.Get(t, "/v1/albums/a").WantProblem(t, 404, "not_found")
			inline("a", strings.Repeat("c", 3000)).Want(t, 201)
			c.Post(t, "/v1/albums?id=b", `{"title":"without a file"}`).Want(t, 201)

			s = settings()
			s.UploadQuotaPrincipal, s.Auth, s.AdminKey = 10_000, "required", adminKey
			admin := apitest.Start(t, nil, s).As(adminKey)
			admin.Post(t, "/v1/roles", `{"name":"uploader","rules":[{"types":["albums"],"actions":["create","read"]}]}`).Want(t, 201)
			one, _ := key(t, admin, "one", `,"groups":["g"]`)
			two, _ := key(t, admin, "two", `,"groups":["g"]`)
			admin.Post(t, "/v1/bindings", `{"role":"uploader","subjects":["group:g"]}`).Want(t, 201)
			one.Do(t, "POST", "/v1/blobs", strings.Repeat("a", 6000), binary).Want(t, 201)
			refused = one.Do(t, "POST", "/v1/blobs", strings.Repeat("b", 6000), binary)
			refused.WantProblem(t, 429, "rate_limited")
			if refused.Header.Get("Retry-After") == "" {
				t.Error("it does not say when to try again")
			}
			two.Do(t, "POST", "/v1/blobs", strings.Repeat("b", 6000), binary).Want(t, 201)
			one.Do(t, "POST", "/v1/blobs", strings.Repeat("c", 3000), binary).Want(t, 201)
		})
	}
}
