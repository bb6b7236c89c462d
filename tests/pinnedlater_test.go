package tests_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

func TestWhatActsForAPinnedCallerSeesNothingElse(t *testing.T) {
	t.Parallel()
	w := newPinnedWorld(t, autocrud.Settings{Storage: "memory"})
	done := func(path string) *apitest.Response {
		var r *apitest.Response
		eventually(t, "the end of "+path, func() bool {
			r = w.admin.Get(t, path).Want(t, 200)
			return strings.Contains("succeeded failed", r.Text("/meta/job/state"))
		})
		if hasMark(r) {
			t.Errorf("%s tells of a draft: %s", path, r.Body)
		}
		return r
	}
	id := w.writer.Post(t, "/v1/reports", `{"of":"posts"}`).Want(t, 201).Text("/meta/id")
	r := done("/v1/reports/" + id)
	if text := string(r.Body); !strings.Contains(text, "A shown post") || !strings.Contains(text, "0 marked") {
		t.Errorf("the job did not read what is published: %s", text)
	}
	bulk := w.writer.Post(t, "/v1/posts:bulk", `{"filter":"contains(title, \"zqm\") AND contains(title, \"qmark\")","op":"patch","patch":{"title":"x"}}`).Want(t, 202)
	r = done(bulk.Header.Get("Location"))
	r.Equal(t, "/meta/job/result/changed", "0")
	all := w.writer.Post(t, "/v1/posts:bulk", `{"filter":"meta.id:*","op":"patch","patch":{"title":"x"}}`)
	if all.Status == 202 {
		done(all.Header.Get("Location")).Equal(t, "/meta/job/result/changed", "0")
	}
	w.writer.Post(t, "/v1/webhooks", `{"url":"https://example.com/","types":["posts"]}`).WantProblem(t, 403, "permission_denied")
	w.writer.Post(t, "/v1/webhooks", `{"url":"https://example.com/"}`).WantProblem(t, 403, "permission_denied")
}

func TestAnotherRuleShowsHEADWhereItApplies(t *testing.T) {
	t.Parallel()
	w := newPinnedWorld(t, autocrud.Settings{Storage: "memory"})
	w.half.Post(t, "/v1/posts?id=own&status=draft", `{"title":"own draft"}`).Want(t, 201).Equal(t, "/data/title", `"own draft"`)
	w.half.Get(t, "/v1/posts/own").Want(t, 200).Equal(t, "/data/title", `"own draft"`)
	w.half.Get(t, "/v1/posts:count").Want(t, 200).Equal(t, "/count", "1")
	w.half.Get(t, "/v1/posts/own/revisions").Want(t, 200)
	w.half.Get(t, "/v1/posts/newer").WantProblem(t, 404, "not_found")
	w.half.Get(t, "/v1/posts/newer?view=published").Want(t, 200).Equal(t, "/data/title", `"A shown post"`)
	w.half.Get(t, "/v1/posts:count?view=published").Want(t, 200).Equal(t, "/count", "2")
	w.half.Get(t, "/v1/posts/newer/revisions").WantProblem(t, 404, "not_found")
	w.site.Get(t, "/v1/posts/own").WantProblem(t, 404, "not_found")
	w.half.Post(t, "/v1/posts/own:publish", nil).Want(t, 200)
	w.site.Get(t, "/v1/posts/own").Want(t, 200).Equal(t, "/meta/published", "1")

	// Of what is published it may make references, to what is not it may not.
	w.half.Patch(t, "/v1/posts/own", apitest.MergePatch, `{"author":"ann"}`).Want(t, 200)
	w.half.Patch(t, "/v1/posts/own", apitest.MergePatch, `{"author":"bob"}`).WantProblem(t, 422, "dangling_reference")
}

func TestWhatIsPublishedIsExported(t *testing.T) {
	t.Parallel()
	w := newPinnedWorld(t, autocrud.Settings{Storage: "memory"})
	site := w.admin.Post(t, "/v1/api-keys/"+w.admin.Get(t, "/v1/api-keys?filter=name=%22site%22").Text("/items/0/meta/id")+":rotate", nil).Want(t, 200).Text("/secret")
	export := func(token string, more ...string) string {
		r := apitest.Run(t, "", append([]string{"export", "posts", "-", "--with-meta", "--url", w.admin.URL, "--token", token}, more...)...)
		return r.Stdout + r.Stderr
	}
	published := export(adminKey, "--view", "published")
	if strings.Contains(published, mark) || strings.Count(published, "A shown post") != 2 {
		t.Errorf("what is published: %s", published)
	}
	if own := export(site); own != published {
		t.Errorf("the key of the site exports %s, want %s", own, published)
	}
	if all := export(adminKey); !strings.Contains(all, mark) {
		t.Errorf("HEAD: %s", all)
	}
	if refused := export(site, "--view", "head"); strings.Contains(refused, mark) || !strings.Contains(refused, "published view only") {
		t.Errorf("HEAD for the site: %s", refused)
	}
}

func TestARepeatedAnswerShowsAPinnedCallerNoDraft(t *testing.T) {
	t.Parallel()
	w := newPinnedWorld(t, autocrud.Settings{Storage: "memory"})
	w.admin.Post(t, "/v1/roles?id=all", `{"name":"all","rules":[{"types":["posts"],"actions":["*"]}]}`).Want(t, 201)
	w.admin.Post(t, "/v1/bindings?id=b", `{"role":"all","subjects":["key:writer"]}`).Want(t, 201)
	write := func() *apitest.Response {
		return w.writer.Post(t, "/v1/posts?id=mine&status=draft", `{"title":"mine, `+mark+`"}`, apitest.Header("Idempotency-Key", "again"))
	}
	eventually(t, "the rule", func() bool { return hasMark(w.writer.Get(t, "/v1/posts/newer")) })
	if !hasMark(write().Want(t, 201)) {
		t.Error("the first answer has no content")
	}
	w.admin.Delete(t, "/v1/bindings/b").Want(t, 200)
	eventually(t, "the pin", func() bool { return !hasMark(w.writer.Get(t, "/v1/posts/newer")) })
	if r := write().Want(t, 201); hasMark(r) {
		t.Errorf("the repeated answer tells of a draft: %s", r.Body)
	}
}

func TestAPinnedRuleThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, pinnedPolicy[:strings.Index(pinnedPolicy, "  writer")]+"bindings: []\n", pinnedModels)
	role := func(rule string) *apitest.Response {
		return admin.Post(t, "/v1/roles", `{"name":"r","rules":[`+rule+`]}`)
	}
	for rule, pointer := range map[string]string{
		`{"types":["posts"],"actions":["update"],"view":"published"}`:               `/rules/0/actions/0`,
		`{"types":["posts"],"actions":["read","admin"],"view":"published"}`:         `/rules/0/actions/1`,
		`{"types":["posts"],"actions":["read"],"view":"published","effect":"deny"}`: `/rules/0/view`,
		`{"types":["posts"],"actions":["read"],"view":"drafts"}`:                    `/rules/0/view`,
	} {
		p := role(rule).WantProblem(t, 422, "validation_failed")
		if len(p.Errors) == 0 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v, want %s", rule, p, pointer)
		}
	}
	role(`{"types":["posts"],"actions":["*"],"view":"published"},{"types":["posts"],"actions":["read"],"view":"head"}`).Want(t, 201)
}

func TestAPinnedRightGivesNoOther(t *testing.T) {
	t.Parallel()
	w := newPinnedWorld(t, autocrud.Settings{Storage: "memory"})
	w.admin.Post(t, "/v1/roles?id=giver", `{"name":"giver","rules":[{"types":["roles"],"actions":["*"]}]}`).Want(t, 201)
	w.admin.Post(t, "/v1/bindings", `{"role":"giver","subjects":["key:site"]}`).Want(t, 201)
	eventually(t, "the role", func() bool { return w.site.Get(t, "/v1/roles").Status == 200 })
	w.site.Post(t, "/v1/roles", `{"name":"a","rules":[{"types":["posts"],"actions":["read"]}]}`).WantProblem(t, 403, "permission_denied")
	w.site.Post(t, "/v1/roles", `{"name":"a","rules":[{"types":["posts"],"actions":["read"],"view":"published"}]}`).Want(t, 201)
}
