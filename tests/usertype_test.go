package tests_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Users are a type of the program where an application has none of the name: models refer
// to them, plans do not ask for their model, and what a purge of one began is finished.
func TestUsersAreATypeOfTheProgram(t *testing.T) {
	t.Parallel()
	films := "name: films\nschema: {type: object, properties: {by: {type: [string, 'null']}}}\nrefs: {by: {type: users, onDelete: set_null}}\n"
	admin := apitest.Start(t, nil, autocrud.Settings{Storage: "disk", DataDir: t.TempDir(), Auth: "required", AdminKey: adminKey,
		Models: apitest.WriteModels(t, map[string]string{"films": films})}).As(adminKey)
	made := func(email string) string {
		return admin.Post(t, "/v1/users", map[string]any{"email": email}).Want(t, 201).Text("/meta/id")
	}
	ann, bob := made("ann@example.com"), made("bob@example.com")
	admin.Post(t, "/v1/films?id=f", map[string]any{"by": ann}).Want(t, 201)
	admin.Post(t, "/v1/films", map[string]any{"by": "nobody"}).WantProblem(t, 422, "dangling_reference")
	wider := strings.Replace(films, "by: {type: [", "title: {type: string}, by: {type: [", 1)
	plan := admin.Post(t, "/v1/types:plan", map[string]any{"models": []any{map[string]any{"name": "films.yaml", "content": wider}}}).Want(t, 200)
	if all := plan.Value("/types").([]any); len(all) != 1 {
		t.Errorf("the plan is about %d types: %s", len(all), plan.Body)
	}
	admin.Post(t, "/v1/users/"+bob+":purge", nil).Want(t, 204) // nothing is left to do in the background
	admin.Delete(t, "/v1/users/"+ann).Want(t, 200)
	apitest.Eventually(t, 5*time.Second, "the reference to the user is emptied", func() bool {
		return admin.Get(t, "/v1/films/f").Want(t, 200).Value("/data/by") == nil
	})
}

// An application's own users are told as its other resources are, and are not taken for
// people who sign in when their model is gone.
func TestAnApplicationsOwnUsersStayItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	films := map[string]string{"films": "name: films\nschema: {type: object}\n"}
	both := map[string]string{"films": films["films"], "users": "name: users\nschema: {type: object, properties: {email: {type: string}, groups: {type: array, items: {type: string}}}}\n"}
	args := func(models map[string]string) []string {
		return []string{"--models", apitest.WriteModels(t, models), "--data-dir", dir, "--auth", "required", "--admin-key", adminKey}
	}
	p := apitest.Launch(t, args(both)...)
	admin := apitest.NewClient(t, p.URL).As(adminKey)
	w := admin.MustWatch(t, "/v1:watch")
	admin.Post(t, "/v1/users?id=x", `{"email":"ann@example.com","groups":["readers"]}`).Want(t, 201)
	if e, err := w.Next(); err != nil || e.ID() != "x" {
		t.Errorf("the watch of everything tells %v, %v", e, err)
	}
	w.Close()
	stopped(t, p)
	r := apitest.Run(t, "", append([]string{"up", "--addr", "127.0.0.1:0"}, args(films)...)...)
	if r.Code != 2 {
		t.Errorf("without their model the start is %d: %s", r.Code, r.Stderr)
	}
}
