package tests_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const uploadsPolicy = `
roles:
  open:
    - {types: [films], actions: ["*"], where: 'genre = "open"', fields: {hide: [secret_poster]}}
    - {types: [bulk-jobs], actions: [read]}
bindings:
  - {role: open, subjects: ["key:ann", "key:bob"]}
`

// A digest is no right: a writer refers to what it uploaded itself or what it may
// read in a live resource. Everything else is answered as what is nowhere.
func TestADigestAloneGivesNoBinary(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			s := row.Settings(t)
			if row.Split {
				t.Log("asked on one process: the store is the same for all of them")
				return
			}
			admin := guard(t, s, uploadsPolicy)
			ann, _ := key(t, admin, "ann", "")
			bob, _ := key(t, admin, "bob", "")
			upload := func(c *apitest.Client, text string) string {
				return c.Post(t, "/v1/blobs", text, apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
			}
			nowhere := "sha256:" + strings.Repeat("0", 64)
			// refused asks for a binary by every door and compares with one that is nowhere.
			own := ann.Post(t, "/v1/films", `{"title":"mine","genre":"open"}`).Want(t, 201).Text("/meta/id")
			refused := func(what, digest string) {
				t.Helper()
				answer := func(d string, ask func(poster string) *apitest.Response) (int, string) {
					r := ask(`{"digest":"` + d + `"}`)
					return r.Status, requestID.ReplaceAllString(strings.ReplaceAll(string(r.Body), d, "DIGEST"), "")
				}
				for door, ask := range map[string]func(poster string) *apitest.Response{
					"post": func(p string) *apitest.Response {
						return ann.Post(t, "/v1/films", `{"title":"x","genre":"open","poster":`+p+`}`)
					},
					"put": func(p string) *apitest.Response {
						return ann.Put(t, "/v1/films/"+own, `{"title":"x","genre":"open","poster":`+p+`}`)
					},
					"patch": func(p string) *apitest.Response {
						return ann.Patch(t, "/v1/films/"+own, apitest.MergePatch, `{"poster":`+p+`}`)
					},
					"json": func(p string) *apitest.Response {
						return ann.Patch(t, "/v1/films/"+own, apitest.JSONPatch, `[{"op":"add","path":"/poster","value":`+p+`}]`)
					},
					"batch": func(p string) *apitest.Response {
						return ann.Post(t, "/v1:batch", `{"operations":[{"op":"patch","type":"films","id":"`+own+`","patch":{"poster":`+p+`}}]}`)
					},
				} {
					status, text := answer(digest, ask)
					status0, text0 := answer(nowhere, ask)
					if status != 422 || status != status0 || text != text0 {
						t.Errorf("%s by %s: %d %s, and what is nowhere %d %s", what, door, status, text, status0, text0)
					}
				}
			}
			closed := upload(admin, "of a closed film")
			admin.Post(t, "/v1/films?id=closed", `{"title":"C","genre":"closed","poster":{"digest":"`+closed+`"}}`).Want(t, 201)
			refused("a binary of a row that may not be read", closed)
			hidden := upload(admin, "of a hidden field")
			admin.Post(t, "/v1/films?id=hidden", `{"title":"H","genre":"open","secret_poster":{"digest":"`+hidden+`"}}`).Want(t, 201)
			refused("a binary of a hidden field", hidden)
			refused("the upload of another", upload(bob, "bob's, that nothing refers to"))
			gone := upload(admin, "of a deleted film")
			admin.Post(t, "/v1/films?id=gone", `{"title":"G","genre":"open","poster":{"digest":"`+gone+`"}}`).Want(t, 201)
			admin.Delete(t, "/v1/films/gone").Want(t, 200)
			refused("a binary of a deleted film", gone)

			mine := upload(ann, "ann's")
			ann.Patch(t, "/v1/films/"+own, apitest.MergePatch, `{"poster":{"digest":"`+mine+`"}}`).Want(t, 200)
			bob.Post(t, "/v1/films", `{"title":"y","genre":"open","poster":{"digest":"`+mine+`"}}`).Want(t, 201) // a live film that bob may read has it
			ann.Patch(t, "/v1/films/hidden", apitest.MergePatch, `{"title":"the hidden field stays"}`).Want(t, 200)
			admin.Get(t, "/v1/films/hidden").Equal(t, "/data/secret_poster/digest", `"`+hidden+`"`)
			ann.Patch(t, "/v1/films/hidden", apitest.MergePatch, `{"poster":{"digest":"`+hidden+`"}}`).WantProblem(t, 422, "validation_failed")
			ann.Post(t, "/v1/films", `{"title":"inline","genre":"open","poster":{"base64":"aGVsbG8="}}`).Want(t, 201)
			same := upload(ann, "of a closed film") // ann has the bytes
			ann.Patch(t, "/v1/films/"+own, apitest.MergePatch, `{"poster":{"digest":"`+same+`"}}`).Want(t, 200)
		})
	}
}

// An upload is its uploader's after a restart, too.
func TestAnUploadIsItsUploadersAfterARestart(t *testing.T) {
	t.Parallel()
	row := autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}
	var token, digest string
	start := func(fn func(admin *apitest.Client)) {
		s := row
		admin, stop := startGuarded(t, s, uploadsPolicy)
		fn(admin)
		stop()
	}
	start(func(admin *apitest.Client) {
		token = admin.Post(t, "/v1/api-keys", `{"name":"ann"}`).Want(t, 201).Text("/secret")
		digest = admin.As(token).Post(t, "/v1/blobs", "before", apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
	})
	start(func(admin *apitest.Client) {
		bob, _ := key(t, admin, "bob", "")
		body := `{"title":"x","genre":"open","poster":{"digest":"` + digest + `"}}`
		bob.Post(t, "/v1/films", body).WantProblem(t, 422, "validation_failed")
		admin.As(token).Post(t, "/v1/films", body).Want(t, 201)
		bob.Post(t, "/v1/films", body).Want(t, 201)
	})
}

// startGuarded is guard for a program that is stopped before the test ends.
func startGuarded(t *testing.T, s autocrud.Settings, policy string) (admin *apitest.Client, stop func()) {
	t.Helper()
	s.Auth, s.AdminKey, s.Models = "required", adminKey, apitest.WriteModels(t, guarded)
	s.Addr, s.LogLevel = "127.0.0.1:0", "error"
	s.Policies = filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(s.Policies, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := autocrud.New().Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return apitest.NewClient(t, r.URL).As(adminKey), func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}
}
