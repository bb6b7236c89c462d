package tests_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const notesByFunction = "name: notes\nschema: {type: object, required: [s], properties: {s: {type: string}}}\nversion: \"2\"\nmigrations: [{from: \"1\", function: spelled}]\n"

// spelled writes the number of a note as text.
func spelled(tree any) (any, error) {
	note := tree.(map[string]any)
	note["s"] = map[int64]string{7: "seven"}[note["n"].(int64)]
	delete(note, "n")
	return note, nil
}

// TestAGoFunctionJoinsTheModelOfAFile: the file names it and the program gives it. A
// program without it does not start, and a plan of a server that has it runs it.
func TestAGoFunctionJoinsTheModelOfAFile(t *testing.T) {
	s := onDisk(t, notesBefore)
	s.Models = modelsOf(t, notesByFunction)
	if why := refused(t, s); !strings.Contains(why, "notes.yaml:4") || !strings.Contains(why, `no function "spelled"`) {
		t.Errorf("without the function: %s", why)
	}
	app := autocrud.New()
	autocrud.Migration(app, "spelled", spelled)
	r, err := app.Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}()
	c := apitest.NewClient(t, r.URL)
	c.Get(t, "/v1/notes/a").Want(t, 200).Equal(t, "/data/s", `"seven"`)
	out := planOf(t, 0, "--url", r.URL, s.Models)
	if p := out.Types[0]; out.Breaks() || p.Type != "notes" {
		t.Errorf("the plan is %+v", out)
	}
}

// TestAPlanNamesTheRulesThatBreak asks a running server with roles.
func TestAPlanNamesTheRulesThatBreak(t *testing.T) {
	policies := t.TempDir() + "/policies.yaml"
	if err := os.WriteFile(policies, []byte("roles:\n  readers: [{types: [notes], actions: [read], where: \"n = 7\"}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := autocrud.Settings{DataDir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error", Models: modelsOf(t, notesBefore), Auth: "required", AdminKey: "a-key-for-the-tests-of-plans-0123456789", Policies: policies}
	r, err := autocrud.New().Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}()
	unindexed := modelsOf(t, strings.Replace(notesBefore, "index: [n]\n", "", 1))
	out := planOf(t, 2, "--url", r.URL, "--token", s.AdminKey, unindexed)
	last := out.Types[0].Changes[len(out.Types[0].Changes)-1]
	if last.Kind != "rules" || !strings.Contains(last.Detail, "role readers, /rules/0/where") {
		t.Errorf("the plan is %+v", out)
	}
	planOf(t, 0, "--url", r.URL, "--token", s.AdminKey, s.Models)
}
