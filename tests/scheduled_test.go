package tests_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// soon is a time that comes within a test, as a body has it.
func soon(in time.Duration) string { return time.Now().Add(in).UTC().Format(time.RFC3339Nano) }

// whenBody is a body that says when.
func whenBody(when string) string { return fmt.Sprintf(`{"at":%q}`, when) }

// inTime makes something be scheduled once for a time that does not come, and then for
// one that comes when that has been done several times over.
func inTime(arrange func(id, when string)) (when string) {
	begun := time.Now()
	arrange("probe", farOff)
	when = soon(time.Second + 8*time.Since(begun))
	arrange("it", when)
	return when
}

const farOff = "2099-12-31T23:59:59Z"

// unscheduled waits until nothing is scheduled of a resource, and returns how it stands.
func unscheduled(t *testing.T, c *apitest.Client, path string) *apitest.Response {
	t.Helper()
	var r *apitest.Response
	eventually(t, "the time of a schedule", func() bool {
		r = c.Get(t, path).Want(t, 200)
		return r.Value("/meta/scheduled") == nil
	})
	return r
}

// events are what happened to a resource: each action with its principal.
func events(t *testing.T, c *apitest.Client, path string) (out []map[string]any) {
	t.Helper()
	for _, item := range c.Get(t, path+"/history").Want(t, 200).Items() {
		out = append(out, item.(map[string]any))
	}
	return out
}

// doneAt is when the last event of a resource happened, which has to be of an action, and
// not before a time.
func doneAt(t *testing.T, c *apitest.Client, path, action string, notBefore string) {
	t.Helper()
	all := events(t, c, path)
	last := all[len(all)-1]
	when, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(last["at"]))
	due, _ := time.Parse(time.RFC3339Nano, notBefore)
	if last["action"] != action || when.Before(due.Truncate(time.Microsecond)) {
		t.Errorf("%s: the last event is %v, it was due at %s", path, last, notBefore)
	}
}

func TestAScheduleIsDoneAtItsTime(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		when := inTime(func(id, when string) {
			c.Post(t, "/v1/movies?status=draft&id="+id, heat).Want(t, 201)
			r := c.Post(t, "/v1/movies/"+id+":publish", whenBody(when)).Want(t, 200).Equal(t, "/meta/published", "null").Equal(t, "/meta/status", `"draft"`).
				Equal(t, "/meta/scheduled/action", `"publish"`).Equal(t, "/meta/scheduled/revision", "1").Equal(t, "/meta/scheduled/by", `"anonymous"`)
			if got := r.Text("/meta/scheduled/at"); !sameTime(got, when) {
				t.Errorf("it is scheduled for %s, not %s", got, when)
			}
			c.Get(t, "/v1/movies?order_by=meta.scheduled.at&filter="+query(`meta.scheduled.action = "publish" AND meta.scheduled.at <= "`+when+`"`)).Want(t, 200).Equal(t, "/items/0/meta/id", `"`+id+`"`)
			c.Get(t, "/v1/movies/"+id+"?view=published").WantProblem(t, 404, "not_found")
		})
		unscheduled(t, c, "/v1/movies/it").Equal(t, "/meta/published", "1").Equal(t, "/meta/status", `"stable"`).Equal(t, "/meta/updated_by", `"anonymous"`)
		doneAt(t, c, "/v1/movies/it", "status_changed", when)
		c.Get(t, "/v1/movies/it?view=published").Want(t, 200)

		when = inTime(func(id, when string) {
			c.Post(t, "/v1/movies?id=back-"+id, heat).Want(t, 201)
			c.Post(t, "/v1/movies/back-"+id+":unpublish", whenBody(when)).Want(t, 200).Equal(t, "/meta/published", "1").Equal(t, "/meta/scheduled/action", `"unpublish"`).Equal(t, "/meta/scheduled/revision", "null")
		})
		unscheduled(t, c, "/v1/movies/back-it").Equal(t, "/meta/published", "null")
		doneAt(t, c, "/v1/movies/back-it", "unpublished", when)
		c.Get(t, "/v1/movies/back-it?view=published").WantProblem(t, 404, "not_found")
	})
}

func sameTime(a, b string) bool {
	x, err := time.Parse(time.RFC3339Nano, a)
	y, errY := time.Parse(time.RFC3339Nano, b)
	return err == nil && errY == nil && x.Equal(y.Truncate(time.Microsecond))
}

func TestAScheduleKeepsItsRevisionWhereverHeadIs(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		title := func(s string) string { return `{"title":"` + s + `"}` }
		when := inTime(func(id, when string) {
			for _, name := range []string{"then", "newest"} {
				path := "/v1/movies/" + id + "-" + name
				c.Post(t, "/v1/movies?status=draft&id="+id+"-"+name, heat).Want(t, 201)
				c.Patch(t, path+"?status=draft", apitest.MergePatch, title("two")).Want(t, 200)
				if name == "then" {
					c.Post(t, path+":publish", whenBody(when)).Want(t, 200)
					c.Patch(t, path+"?mode=modify", apitest.MergePatch, title("other")).WantProblem(t, 409, "invalid_state")
				} else {
					c.Post(t, path+":publish", fmt.Sprintf(`{"at":%q,"revision":"newest"}`, when)).Want(t, 200).Equal(t, "/meta/scheduled/revision", "null")
					c.Patch(t, path+"?mode=modify", apitest.MergePatch, title("two b")).Want(t, 200)
				}
				// An edit leaves the schedule, and says so.
				c.Patch(t, path+"?status=draft", apitest.MergePatch, title("three")).Want(t, 200).Equal(t, "/meta/scheduled/action", `"publish"`).Equal(t, "/meta/revision_count", "3")
			}
		})
		unscheduled(t, c, "/v1/movies/it-then").Equal(t, "/meta/current_revision", `"it-then:3"`).Equal(t, "/meta/status", `"draft"`).Equal(t, "/data/title", `"three"`).Equal(t, "/meta/published", "2")
		doneAt(t, c, "/v1/movies/it-then", "published", when)
		published := c.Get(t, "/v1/movies/it-then?view=published").Want(t, 200).Equal(t, "/data/title", `"two"`).Equal(t, "/meta/current_revision", `"it-then:2"`).
			Equal(t, "/meta/status", `"stable"`).Equal(t, "/revision/status", `"stable"`).Equal(t, "/meta/published", "2")
		c.Get(t, `/v1/movies?view=published&returns=data,meta,revision&filter=title+%3D+"two"`).Want(t, 200).Equal(t, "/items/0/meta/id", `"it-then"`).
			Equal(t, "/items/0/meta/seq", fmt.Sprint(published.Int("/meta/seq"))).Equal(t, "/items/0/revision/number", "2")
		c.Get(t, "/v1/movies/it-then/revisions/2").Want(t, 200).Equal(t, "/revision/status", `"stable"`).Equal(t, "/data/title", `"two"`)
		c.Get(t, "/v1/movies/it-then/revisions").Want(t, 200).Equal(t, "/items/1/revision/status", `"stable"`).Equal(t, "/items/0/revision/status", `"draft"`)
		c.Get(t, "/v1/movies/it-then?status=stable").Want(t, 200).Equal(t, "/revision/number", "2")
		c.Post(t, "/v1/movies/it-then:switch", `{"revision":2}`).Want(t, 200).Equal(t, "/meta/status", `"stable"`).Equal(t, "/meta/published", "2")
		c.Patch(t, "/v1/movies/it-then?mode=modify", apitest.MergePatch, title("never")).WantProblem(t, 409, "invalid_state")

		unscheduled(t, c, "/v1/movies/it-newest").Equal(t, "/meta/current_revision", `"it-newest:3"`).Equal(t, "/meta/status", `"stable"`).Equal(t, "/meta/published", "3")
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", "[]")
	})
}

// What else happens to a resource, and what that does to its schedule.
func TestWhatEndsASchedule(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		post := func(verb, body string) func(string) *apitest.Response {
			return func(path string) *apitest.Response { return c.Post(t, path+verb, body) }
		}
		patched := func(query string) func(string) *apitest.Response {
			return func(path string) *apitest.Response {
				return c.Patch(t, path+query, apitest.MergePatch, `{"title":"other"}`)
			}
		}
		removed := func(path string) *apitest.Response { return c.Delete(t, path) }
		restored := func(path string) *apitest.Response {
			c.Delete(t, path).Want(t, 200)
			return c.Post(t, path+":restore", nil)
		}
		for i, x := range []struct {
			name, verb string
			does       func(path string) *apitest.Response
			stays      bool
		}{
			{"cancelled", ":publish", post(":publish", `{"at":null}`), false},
			{"cancelled by the other", ":publish", post(":unpublish", `{"at":null}`), false},
			{"unpublish cancelled", ":unpublish", post(":unpublish", `{"at":null}`), false},
			{"published", ":publish", post(":publish", "{}"), false},
			{"made stable", ":publish", post(":status", `{"status":"stable"}`), false},
			{"taken back", ":publish", post(":unpublish", ""), true},
			{"edited", ":publish", patched("?status=draft"), true},
			{"edited stable", ":publish", patched("?status=stable"), true},
			{"switched", ":publish", post(":switch", `{"revision":1}`), true},
			{"deleted", ":publish", removed, false},
			{"restored", ":publish", restored, false},
			{"published", ":unpublish", post(":publish", ""), true},
			{"taken back", ":unpublish", post(":unpublish", ""), false},
			{"edited in place", ":unpublish", patched("?mode=modify"), true},
			{"scheduled again", ":unpublish", post(":publish", whenBody(farOff)), true},
		} {
			path := fmt.Sprint("/v1/movies/e", i)
			c.Post(t, fmt.Sprint("/v1/movies?id=e", i), heat).Want(t, 201)
			c.Patch(t, path+"?status=draft", apitest.MergePatch, `{"title":"draft"}`).Want(t, 200)
			c.Post(t, path+x.verb, whenBody(farOff)).Want(t, 200)
			r := x.does(path).Want(t, 200)
			if stays := r.Value("/meta/scheduled") != nil; stays != x.stays {
				t.Errorf("%s %s: the answer is %s", x.verb, x.name, r.Body)
			}
			if got := c.Get(t, path+"?include_deleted=true&consistency=strong").Want(t, 200); (got.Value("/meta/scheduled") != nil) != x.stays {
				t.Errorf("%s %s: it is then %s", x.verb, x.name, got.Body)
			}
		}
		c.Post(t, "/v1/movies?id=p", heat).Want(t, 201)
		c.Post(t, "/v1/movies/p:publish", whenBody(farOff)).Want(t, 200)
		purged(t, c, "/v1/movies/p")
		c.Post(t, "/v1/movies?id=p", heat).Want(t, 201)
		if r := c.Get(t, "/v1/movies/p").Want(t, 200); r.Value("/meta/scheduled") != nil {
			t.Errorf("what was purged is %s", r.Body)
		}
	})
}

// The published view tells nothing of schedules, and what is published does not change
// when something is scheduled.
func TestThePublishedViewTellsNoSchedules(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=v", heat).Want(t, 201)
		before := c.Get(t, "/v1/movies/v?view=published").Want(t, 200)
		same := func(what string) {
			t.Helper()
			r := c.Get(t, "/v1/movies/v?view=published").Want(t, 200)
			if r.ETag() != before.ETag() || string(r.Body) != string(before.Body) {
				t.Errorf("%s: it is published as %s, was %s", what, r.Body, before.Body)
			}
			c.Get(t, "/v1/movies?view=published").Want(t, 200).Equal(t, "/items/0/meta/updated_at", `"`+before.Text("/meta/updated_at")+`"`)
			c.Get(t, "/v1/movies:count?view=published&filter=meta.scheduled.at:*").Want(t, 200).Equal(t, "/count", "0")
		}
		c.Post(t, "/v1/movies/v:unpublish", whenBody(farOff)).Want(t, 200)
		same("scheduled")
		c.Patch(t, "/v1/movies/v?status=draft", apitest.MergePatch, `{"title":"draft"}`).Want(t, 200)
		same("edited")
		c.Post(t, "/v1/movies/v:publish", `{"at":null}`).Want(t, 200)
		same("cancelled")
		c.Post(t, "/v1/movies/v:unpublish", whenBody(farOff)).Want(t, 200)
		c.Patch(t, "/v1/movies/v?status=stable", apitest.MergePatch, `{"title":"new"}`).Want(t, 200).Equal(t, "/meta/scheduled/action", `"unpublish"`)
		r := c.Get(t, "/v1/movies/v?view=published").Want(t, 200).Equal(t, "/data/title", `"new"`).Equal(t, "/meta/published", "3")
		if r.Value("/meta/scheduled") != nil {
			t.Errorf("the published view tells a schedule: %s", r.Body)
		}
		c.Get(t, "/v1/movies?view=published").Want(t, 200).Equal(t, "/items/0/data/title", `"new"`).Equal(t, "/items/0/meta/seq", fmt.Sprint(r.Int("/meta/seq")))
	})
}

func TestWhenIsCheckedBeforeAnythingIsWritten(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=w&status=draft", heat).Want(t, 201)
		for body, pointer := range map[string]string{
			`{"at":"2001-01-01T00:00:00Z"}`:                                      "/at",
			`{"at":"2099-01-01T00:00:00"}`:                                       "/at", // no zone
			`{"at":"tomorrow"}`:                                                  "/at",
			`{"at":"2099-13-01T00:00:00Z"}`:                                      "/at",
			`{"at":"12026-01-01T00:00:00Z"}`:                                     "/at",
			`{"at":7}`:                                                           "/at",
			`{"on":"2099-01-01T00:00:00Z"}`:                                      "/on",
			`{"at":"` + farOff + `","revision":1}`:                               "/revision",
			`{"revision":"newest"}`:                                              "/revision",
			`{"at":null,"revision":"newest"}`:                                    "/revision",
			`[]`:                                                                 "",
			`{"at":"` + farOff + `","by":"admin"}`:                               "/by",
			`{"items":[{"type":"movies","id":"w"}],"at":"never"}`:                "/at of a release",
			`{"items":[{"type":"movies"}]}`:                                      "/items/0/id of a release",
			`{"items":[{"type":"movies","id":"w","rev":1}]}`:                     "/items/0/rev of a release",
			`{"items":{"type":"movies","id":"w"}}`:                               "/items of a release",
			`{"items":[{"type":"webhooks","id":"w"}]}`:                           "/items/0/type of a release",
			`{"items":[{"type":"movies","id":"w"}],"at":"2001-01-01T00:00:00Z"}`: "/at of a release",
		} {
			path := "/v1/movies/w:publish"
			if n := len(pointer) - len(" of a release"); n >= 0 && pointer[n:] == " of a release" {
				path, pointer = "/v1:publish", pointer[:n]
			}
			p := c.Post(t, path, body).WantProblem(t, 422, "validation_failed")
			if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
				t.Errorf("%s: %+v", body, p)
			}
		}
		if p := c.Post(t, "/v1/movies/w:unpublish", `{"at":"`+farOff+`","revision":"newest"}`).WantProblem(t, 422, "validation_failed"); p.Errors[0].Pointer != "/revision" {
			t.Errorf("unpublish: %+v", p)
		}
		c.Post(t, "/v1:publish", `{"items":[]}`).WantProblem(t, 400, "invalid_request")
		c.Get(t, "/v1/movies/w").Want(t, 200).Equal(t, "/meta/current_revision", `"w:1"`)
		if n := len(events(t, c, "/v1/movies/w")); n != 1 {
			t.Errorf("%d events", n)
		}
		key := apitest.Header("Idempotency-Key", "once")
		body := whenBody(farOff)
		first := c.Post(t, "/v1/movies/w:publish", body, key).Want(t, 200)
		again := c.Post(t, "/v1/movies/w:publish", body, key).Want(t, 200)
		if first.ETag() != again.ETag() || len(events(t, c, "/v1/movies/w")) != 2 {
			t.Errorf("the second request with the key is answered %s, the first %s", again.Body, first.Body)
		}
		c.Post(t, "/v1/movies/w:publish", `{"at":null}`, apitest.IfMatch(`"other"`)).WantProblem(t, 412, "precondition_failed")
		c.Post(t, "/v1/movies/w:publish", body).Want(t, 200) // the same once more changes nothing
		c.Post(t, "/v1/movies/w:publish", `{"at":null}`, apitest.IfMatch(first.ETag())).Want(t, 200)
		c.Post(t, "/v1/movies/w:publish", `{"at":null}`).Want(t, 200)
		if n := len(events(t, c, "/v1/movies/w")); n != 3 {
			t.Errorf("%d events after a cancellation", n)
		}
	})
}

func TestAReleaseIsPublishedAsOne(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		create := func(ids ...string) (items string) {
			for _, id := range ids {
				c.Post(t, "/v1/movies?status=draft&id="+id, heat).Want(t, 201)
				items += fmt.Sprintf(`,{"type":"movies","id":%q}`, id)
			}
			return "[" + items[1:] + "]"
		}
		now := create("n1", "n2")
		c.Post(t, "/v1:publish", `{"items":`+now+`}`).Want(t, 200).Equal(t, "/results/1/meta/published", "1")
		c.Post(t, "/v1:publish", `{"items":[{"type":"movies","id":"n1"},{"type":"movies","id":"n1"}]}`).WantProblem(t, 400, "invalid_request")

		refused := create("r1", "r2")
		refused = refused[:len(refused)-1] + `,{"type":"movies","id":"missing"}]`
		c.Post(t, "/v1:publish", fmt.Sprintf(`{"at":%q,"items":%s}`, farOff, refused)).WantProblem(t, 404, "not_found")
		if r := c.Get(t, "/v1/movies/r1").Want(t, 200); r.Value("/meta/scheduled") != nil {
			t.Fatalf("a release that was refused left %s", r.Body)
		}
		when := inTime(func(id, when string) {
			r := c.Post(t, "/v1:publish", fmt.Sprintf(`{"at":%q,"items":%s}`, when, create(id+"1", id+"2", id+"3", id+"4"))).Want(t, 200)
			if r.Text("/results/0/meta/scheduled/release") == "" || r.Text("/results/0/meta/scheduled/release") != r.Text("/results/3/meta/scheduled/release") {
				t.Errorf("a release is %s", r.Body)
			}
			c.Post(t, "/v1/movies/"+id+"3:publish", `{"at":null}`).Want(t, 200) // takes no part any more
			c.Delete(t, "/v1/movies/"+id+"4").Want(t, 200)
		})
		one := unscheduled(t, c, "/v1/movies/it1").Equal(t, "/meta/published", "1")
		two := unscheduled(t, c, "/v1/movies/it2").Equal(t, "/meta/published", "1")
		if d := two.Int("/meta/seq") - one.Int("/meta/seq"); d != 1 && d != -1 {
			t.Errorf("they were published at %d and %d", one.Int("/meta/seq"), two.Int("/meta/seq"))
		}
		doneAt(t, c, "/v1/movies/it1", "status_changed", when)
		c.Get(t, "/v1/movies/it3").Want(t, 200).Equal(t, "/meta/published", "null")
		c.Get(t, "/v1/movies/it4?include_deleted=true").Want(t, 200).Equal(t, "/meta/status", `"draft"`)
	})
}
