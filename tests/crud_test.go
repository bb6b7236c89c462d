package tests_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

const heat = `{"title":"Heat","year":1995,"genres":["Crime","Drama"],"credits":{"director":"Mann","writer":"Mann"},"rating":8.3}`

var uuid7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestAResourceIsCreatedReadAndListed(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		r := c.Post(t, "/v1/movies?message=first", heat).Want(t, 201).Equal(t, "/data", heat)
		id := r.Text("/meta/id")
		if !uuid7.MatchString(id) {
			t.Errorf("the id %q is no UUIDv7", id)
		}
		if got := r.Header.Get("Location"); got != "/v1/movies/"+id {
			t.Errorf("Location %q", got)
		}
		if r.ETag() == "" || strings.HasPrefix(r.ETag(), "W/") || !strings.HasPrefix(r.ETag(), `"`) {
			t.Errorf("ETag %q is not strong", r.ETag())
		}
		if got := r.Header.Get("Autocrud-Seq"); got != fmt.Sprint(r.Int("/meta/seq")) || r.Int("/meta/seq") < 1 {
			t.Errorf("Autocrud-Seq %q, meta.seq %d", got, r.Int("/meta/seq"))
		}
		r.Equal(t, "/meta/deleted", `false`).Equal(t, "/meta/status", `"stable"`).Equal(t, "/meta/revision_count", `1`).
			Equal(t, "/meta/type", `"movies"`).Equal(t, "/meta/current_revision", `"`+id+`:1"`).
			Equal(t, "/revision/number", `1`).Equal(t, "/revision/parent", `null`).Equal(t, "/revision/message", `"first"`).
			Equal(t, "/revision/id", `"`+id+`:1"`)
		list := c.Get(t, "/v1/movies?total=true").Want(t, 200).Equal(t, "/total", `1`).Equal(t, "/next_page_token", `""`).
			Equal(t, "/items/0/data", heat).Equal(t, "/items/0/meta/id", `"`+id+`"`)
		if list.Value("/items/0/revision") != nil {
			t.Error("a list returns the revision without being asked")
		}
		got := c.Get(t, "/v1/movies/"+id).Want(t, 200).Equal(t, "", string(r.Body))
		if got.ETag() != r.ETag() {
			t.Errorf("ETag %s after %s", got.ETag(), r.ETag())
		}
	})
}

func TestAListHoldsEveryWriteAtOnce(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		for i := 1; i <= 30; i++ {
			id := fmt.Sprint("m", i)
			c.Post(t, "/v1/movies?id="+id, heat).Want(t, 201)
			c.Get(t, `/v1/movies?total=true&page_size=1&order_by=meta.seq+desc`).Equal(t, "/total", fmt.Sprint(i)).Equal(t, "/items/0/meta/id", `"`+id+`"`)
		}
		var seen []string
		for path, token := "/v1/movies?page_size=7&order_by=title", "-"; token != ""; {
			p := path
			if token != "-" {
				p += "&page_token=" + token
			}
			r := c.Get(t, p).Want(t, 200)
			for i := range r.Items() {
				seen = append(seen, r.Text(fmt.Sprintf("/items/%d/meta/id", i)))
			}
			token = r.Text("/next_page_token")
		}
		slices.Sort(seen)
		if len(seen) != 30 || len(slices.Compact(seen)) != 30 {
			t.Errorf("a walk over the pages sees %d resources: %v", len(seen), seen)
		}
	})
}

func TestAPutMakesARevisionAndAnEqualOneNothing(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		first := c.Post(t, "/v1/movies?id=a", `{"title":"A","year":2000}`).Want(t, 201)
		second := c.Put(t, "/v1/movies/a?message=why", `{"title":"B","year":2000}`).Want(t, 200).
			Equal(t, "/revision/number", `2`).Equal(t, "/revision/parent", `"a:1"`).Equal(t, "/meta/revision_count", `2`).
			Equal(t, "/data", `{"title":"B","year":2000}`).Equal(t, "/revision/message", `"why"`)
		if second.ETag() == first.ETag() || second.Text("/meta/created_at") != first.Text("/meta/created_at") {
			t.Error("the ETag must change, created_at not")
		}
		before := c.LogSeq(t, "movies")
		same := c.Put(t, "/v1/movies/a", `{"year":2000,  "title":"\u0042"}`).Want(t, 200).Equal(t, "/revision/number", `2`)
		if same.ETag() != second.ETag() || c.LogSeq(t, "movies") != before {
			t.Error("equal content was written")
		}
		c.Put(t, "/v1/movies/a?status=draft", `{"title":"B","year":2000}`).Want(t, 200).Equal(t, "/meta/status", `"draft"`)
	})
}

func TestPatchesApplyToTheNewestState(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=a", heat).Want(t, 201)
		c.Patch(t, "/v1/movies/a", apitest.MergePatch, `{"rating":null,"credits":{"writer":null},"genres":["War"],"year":1996}`).Want(t, 200).
			Equal(t, "/data", `{"title":"Heat","year":1996,"genres":["War"],"credits":{"director":"Mann"}}`).Equal(t, "/revision/number", `2`)
		c.Patch(t, "/v1/movies/a", apitest.JSONPatch, `[{"op":"test","path":"/year","value":1996},{"op":"add","path":"/genres/-","value":"Noir"},
			{"op":"replace","path":"/title","value":"Heat 2"},{"op":"remove","path":"/credits"},{"op":"copy","from":"/title","path":"/note"}]`).Want(t, 200).
			Equal(t, "/data", `{"title":"Heat 2","year":1996,"genres":["War","Noir"],"note":"Heat 2"}`)
		before := c.LogSeq(t, "movies")
		c.Patch(t, "/v1/movies/a", apitest.JSONPatch, `[{"op":"replace","path":"/year","value":1},{"op":"test","path":"/title","value":"Heat"}]`).WantProblem(t, 409, "conflict")
		c.Patch(t, "/v1/movies/a", apitest.MergePatch, `{"year":null}`).WantProblem(t, 422, "validation_failed")
		c.Patch(t, "/v1/movies/a", apitest.JSONPatch, `[{"op":"remove","path":"/title"}]`).WantProblem(t, 422, "validation_failed")
		c.Patch(t, "/v1/movies/a", apitest.JSONPatch, `[{"op":"jump","path":"/title"}]`).WantProblem(t, 400, "invalid_request")
		c.Patch(t, "/v1/movies/a", apitest.JSONPatch, `[{"op":"add","path":"title","value":1}]`).WantProblem(t, 400, "invalid_request")
		c.Patch(t, "/v1/movies/a", apitest.MergePatch, `[]`).WantProblem(t, 422, "validation_failed")
		c.Patch(t, "/v1/movies/a", apitest.MergePatch, `{}`).Want(t, 200).Equal(t, "/revision/number", `3`)
		if c.LogSeq(t, "movies") != before {
			t.Error("a refused or empty patch was written")
		}
	})
}

func TestOnlyDraftsChangeInPlace(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		first := c.Post(t, "/v1/notes?id=n", `{"text":"one"}`).Want(t, 201).Equal(t, "/meta/status", `"draft"`)
		edited := c.Put(t, "/v1/notes/n?mode=modify", `{"text":"two"}`).Want(t, 200).Equal(t, "/revision/number", `1`).
			Equal(t, "/meta/revision_count", `1`).Equal(t, "/data/text", `"two"`)
		if edited.ETag() == first.ETag() {
			t.Error("the ETag stayed")
		}
		c.Patch(t, "/v1/notes/n?mode=modify", apitest.MergePatch, `{"text":"three"}`).Want(t, 200).Equal(t, "/revision/number", `1`)
		c.Get(t, "/v1/notes/n/revisions/1").Want(t, 200).Equal(t, "/data/text", `"three"`)
		c.Post(t, "/v1/notes/n:status", `{"status":"stable"}`).Want(t, 200).Equal(t, "/meta/status", `"stable"`).Equal(t, "/revision/number", `1`)
		for _, path := range []string{"/v1/notes/n?mode=modify", "/v1/notes/n?mode=modify&status=draft", "/v1/notes/n?mode=modify&status=stable"} {
			c.Put(t, path, `{"text":"four"}`).WantProblem(t, 409, "invalid_state")
			c.Put(t, path, `{"text":"three"}`).WantProblem(t, 409, "invalid_state")
			c.Patch(t, path, apitest.MergePatch, `{"text":"four"}`).WantProblem(t, 409, "invalid_state")
		}
		c.Post(t, "/v1/notes/n:status", `{"status":"draft"}`).Want(t, 200).Equal(t, "/revision/number", `2`).
			Equal(t, "/revision/parent", `"n:1"`).Equal(t, "/data/text", `"three"`)
		c.Put(t, "/v1/notes/n?mode=modify", `{"text":"five"}`).Want(t, 200).Equal(t, "/revision/number", `2`)
		c.Get(t, "/v1/notes/n?status=stable").Want(t, 200).Equal(t, "/data/text", `"three"`).Equal(t, "/revision/number", `1`)
		c.Get(t, "/v1/notes/n/revisions/1").Equal(t, "/data/text", `"three"`).Equal(t, "/revision/status", `"stable"`)
		c.Post(t, "/v1/notes?id=fresh", `{"text":"x"}`).Want(t, 201)
		c.Get(t, "/v1/notes/fresh?status=stable").WantProblem(t, 404, "unknown_revision")
	})
}

func TestADeletedResourceIsGoneUntilItIsRestored(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		made := c.Post(t, "/v1/movies?id=a", heat).Want(t, 201)
		c.Put(t, "/v1/movies/a", `{"title":"B","year":2000}`).Want(t, 200)
		gone := c.Delete(t, "/v1/movies/a").Want(t, 200).Equal(t, "/meta/deleted", `true`).Equal(t, "/meta/revision_count", `2`)
		if gone.ETag() == "" || gone.ETag() == made.ETag() {
			t.Errorf("ETag %q after the delete", gone.ETag())
		}
		for i, r := range []*apitest.Response{
			c.Get(t, "/v1/movies/a"), c.Put(t, "/v1/movies/a", heat), c.Delete(t, "/v1/movies/a"),
			c.Patch(t, "/v1/movies/a", apitest.MergePatch, `{"year":1}`), c.Get(t, "/v1/movies/a?revision=1"),
			c.Put(t, "/v1/movies/a", heat, apitest.Header("If-None-Match", "*")), c.Post(t, "/v1/movies/a:status", `{"status":"draft"}`),
			c.Post(t, "/v1/movies/a:switch", `{"revision":1}`), c.Put(t, "/v1/movies/a", heat, apitest.IfMatch(`"old"`)),
			c.Put(t, "/v1/movies/a", `{}`), c.Patch(t, "/v1/movies/a", apitest.MergePatch, `[]`),
			c.Post(t, "/v1/movies/a:switch", `{"revision":"x"}`), c.Post(t, "/v1/movies/a:status", `{"status":"x"}`),
		} {
			if r.Status != 410 {
				t.Errorf("request %d, %s, answers %d", i, r.What, r.Status)
			}
			r.WantProblem(t, 410, "deleted")
		}
		c.Post(t, "/v1/movies?id=a", heat).WantProblem(t, 409, "already_exists")
		c.Get(t, "/v1/movies?total=true").Equal(t, "/total", `0`)
		c.Get(t, "/v1/movies?total=true&only_deleted=true").Equal(t, "/total", `1`)
		c.Get(t, "/v1/movies?total=true&include_deleted=true").Equal(t, "/total", `1`)
		c.Get(t, "/v1/movies/a?include_deleted=true").Want(t, 200).Equal(t, "/data/title", `"B"`)
		c.Get(t, "/v1/movies/a/history").Want(t, 200).Equal(t, "/items/2/action", `"deleted"`)
		c.Get(t, "/v1/movies/a/revisions").Want(t, 200).Equal(t, "/items/0/revision/number", `2`)
		c.Get(t, "/v1/movies/a/revisions/1").Want(t, 200).Equal(t, "/data", heat)
		c.Post(t, "/v1/movies/a:restore", nil).Want(t, 200).Equal(t, "/meta/deleted", `false`).Equal(t, "/data/title", `"B"`)
		c.Get(t, "/v1/movies?total=true").Equal(t, "/total", `1`)
		c.Put(t, "/v1/movies/a", `{"title":"C","year":2000}`).Want(t, 200).Equal(t, "/revision/number", `3`)
		c.Delete(t, "/v1/movies/a").Want(t, 200)
		c.Post(t, "/v1/movies/a:restore", `{}`).Want(t, 200)
	})
}

func TestASwitchMovesHeadAndLaterUpdatesFollowIt(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=a", `{"title":"1","year":2001}`).Want(t, 201)
		for n := 2; n <= 4; n++ {
			c.Put(t, "/v1/movies/a", map[string]any{"title": fmt.Sprint(n), "year": 2000 + n}).Want(t, 200)
		}
		c.Post(t, "/v1/movies/a:switch", `{"revision":2}`).Want(t, 200).Equal(t, "/meta/current_revision", `"a:2"`).
			Equal(t, "/data/title", `"2"`).Equal(t, "/meta/revision_count", `4`).Equal(t, "/revision/number", `2`)
		c.Get(t, "/v1/movies?filter="+query(`year = 2002`)).Equal(t, "/items/0/meta/id", `"a"`)
		c.Get(t, "/v1/movies?total=true&filter="+query(`year = 2004`)).Equal(t, "/total", `0`)
		c.Put(t, "/v1/movies/a", `{"title":"5","year":2005}`).Want(t, 200).Equal(t, "/revision/number", `5`).Equal(t, "/revision/parent", `"a:2"`)
		if got := numbers(c.Get(t, "/v1/movies/a/revisions").Want(t, 200)); !slices.Equal(got, []int{5, 4, 3, 2, 1}) {
			t.Errorf("revisions %v", got)
		}
		if got := numbers(c.Get(t, "/v1/movies/a/revisions?chain_only=true").Want(t, 200)); !slices.Equal(got, []int{5, 2, 1}) {
			t.Errorf("chain %v", got)
		}
		first := c.Get(t, "/v1/movies/a/revisions?page_size=2&chain_only=true").Want(t, 200)
		next := c.Get(t, "/v1/movies/a/revisions?page_size=2&chain_only=true&page_token="+first.Text("/next_page_token")).Want(t, 200).Equal(t, "/next_page_token", `""`)
		if got := append(numbers(first), numbers(next)...); !slices.Equal(got, []int{5, 2, 1}) {
			t.Errorf("chain by pages %v", got)
		}
		before := c.LogSeq(t, "movies")
		c.Post(t, "/v1/movies/a:switch", `{"revision":9}`).WantProblem(t, 404, "unknown_revision")
		c.Post(t, "/v1/movies/a:switch", `{"revision":0}`).WantProblem(t, 422, "validation_failed")
		c.Post(t, "/v1/movies/a:switch", `{"revision":2,"x":1}`).WantProblem(t, 422, "validation_failed")
		c.Post(t, "/v1/movies/a:switch", `{"revision":5}`).Want(t, 200)
		if c.LogSeq(t, "movies") != before {
			t.Error("a refused or needless switch was written")
		}
	})
}

func numbers(r *apitest.Response) (out []int) {
	for i := range r.Items() {
		out = append(out, r.Int(fmt.Sprintf("/items/%d/revision/number", i)))
	}
	return out
}

func TestThePastStaysReadable(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		var times []string
		r := c.Post(t, "/v1/movies?id=a", `{"title":"1","year":2001}`).Want(t, 201)
		times = append(times, r.Text("/meta/updated_at"))
		for n := 2; n <= 3; n++ {
			r = c.Put(t, "/v1/movies/a", map[string]any{"title": fmt.Sprint(n), "year": 2001}).Want(t, 200)
			times = append(times, r.Text("/meta/updated_at"))
		}
		deleted := c.Delete(t, "/v1/movies/a").Want(t, 200).Text("/meta/updated_at")
		c.Post(t, "/v1/movies/a:restore", nil).Want(t, 200)
		if moment(t, times[0]).Before(moment(t, times[1])) && moment(t, times[1]).Before(moment(t, times[2])) && moment(t, times[2]).Before(moment(t, deleted)) {
			for n, at := range times {
				c.Get(t, "/v1/movies/a?as_of="+query(at)).Want(t, 200).Equal(t, "/data/title", fmt.Sprintf("%q", fmt.Sprint(n+1)))
			}
			c.Get(t, "/v1/movies/a?as_of="+query(deleted)).WantProblem(t, 410, "deleted")
		}
		c.Get(t, "/v1/movies/a?as_of=2000-01-01T00:00:00Z").WantProblem(t, 404, "not_found")
		for n := 1; n <= 3; n++ {
			want := fmt.Sprintf("%q", fmt.Sprint(n))
			c.Get(t, fmt.Sprint("/v1/movies/a/revisions/", n)).Want(t, 200).Equal(t, "/data/title", want).Equal(t, "/revision/number", fmt.Sprint(n))
			c.Get(t, fmt.Sprint("/v1/movies/a?revision=", n)).Want(t, 200).Equal(t, "/data/title", want)
		}
		c.Get(t, "/v1/movies/a/revisions/4").WantProblem(t, 404, "unknown_revision")
		c.Get(t, "/v1/movies/a/revisions/0").WantProblem(t, 400, "invalid_request")
		c.Get(t, "/v1/movies/a/revisions/x").WantProblem(t, 400, "invalid_request")
		h := c.Get(t, "/v1/movies/a/history", apitest.Header("X-Request-Id", "r-1")).Want(t, 200)
		want := []string{"created", "updated", "updated", "deleted", "restored"}
		if len(h.Items()) != len(want) {
			t.Fatalf("%d events in the history", len(h.Items()))
		}
		seq, at := 0, time.Time{}
		for i, action := range want {
			p := fmt.Sprintf("/items/%d/", i)
			if h.Text(p+"action") != action || h.Int(p+"seq") <= seq || moment(t, h.Text(p+"at")).Before(at) || h.Text(p+"address") == "" || h.Text(p+"request_id") == "" {
				t.Errorf("event %d: %v", i, h.Items()[i])
			}
			seq, at = h.Int(p+"seq"), moment(t, h.Text(p+"at"))
		}
		first := c.Get(t, "/v1/movies/a/history?page_size=3").Want(t, 200)
		rest := c.Get(t, "/v1/movies/a/history?page_size=3&page_token="+first.Text("/next_page_token")).Want(t, 200).Equal(t, "/next_page_token", `""`)
		if len(first.Items()) != 3 || len(rest.Items()) != 2 || rest.Text("/items/1/action") != "restored" {
			t.Error("the history by pages differs")
		}
	})
}

func TestReadsAreConditionalAndGiveWhatIsAsked(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		r := c.Post(t, "/v1/movies?id=a", heat).Want(t, 201)
		for _, tag := range []string{r.ETag(), `"x", ` + r.ETag(), "W/" + r.ETag(), "*"} {
			if same := c.Get(t, "/v1/movies/a", apitest.Header("If-None-Match", tag)).Want(t, 304); same.ETag() != r.ETag() || len(same.Body) > 0 {
				t.Errorf("304 with %q, body %q", same.ETag(), same.Body)
			}
		}
		c.Get(t, "/v1/movies/a", apitest.Header("If-None-Match", `"other"`)).Want(t, 200)
		c.Get(t, "/v1/movies/a", apitest.Header("If-None-Match", `x`)).WantProblem(t, 400, "invalid_request")
		c.Get(t, "/v1/movies/a?fields=title,credits.director").Want(t, 200).Equal(t, "/data", `{"title":"Heat","credits":{"director":"Mann"}}`)
		c.Get(t, "/v1/movies?fields=year").Want(t, 200).Equal(t, "/items/0/data", `{"year":1995}`)
		for _, part := range []string{"data", "meta", "revision", "data,meta", "revision,data"} {
			for at, res := range map[string]*apitest.Response{"": c.Get(t, "/v1/movies/a?returns="+part), "/items/0": c.Get(t, "/v1/movies?returns="+part)} {
				got, _ := res.Want(t, 200).Value(at).(map[string]any)
				if len(got) != len(strings.Split(part, ",")) {
					t.Errorf("returns=%s gives %v", part, got)
				}
				for name := range strings.SplitSeq(part, ",") {
					if got[name] == nil {
						t.Errorf("returns=%s has no %s", part, name)
					}
				}
			}
		}
		for _, path := range []string{"/v1/movies", "/v1/movies/a", "/v1/movies/a/history", "/v1/types", "/livez"} {
			full, head := c.Get(t, path).Want(t, 200), c.Do(t, http.MethodHead, path, nil).Want(t, 200)
			if len(head.Body) > 0 || head.Header.Get("Content-Type") != full.Header.Get("Content-Type") || head.ETag() != full.ETag() {
				t.Errorf("HEAD %s differs from GET", path)
			}
		}
		if c.Do(t, http.MethodHead, "/v1/movies/none", nil).Status != 404 {
			t.Error("HEAD of nothing is not 404")
		}
	})
}

func TestDefaultsAreFilledIn(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/studios?id=s", `{"name":"Warner"}`).Want(t, 201).Equal(t, "/data", `{"name":"Warner","country":"US"}`)
		c.Get(t, "/v1/studios/s/revisions/1").Want(t, 200).Equal(t, "/data/country", `"US"`)
	})
}

func TestTimesNeverRunBackwards(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		last := moment(t, c.Post(t, "/v1/movies?id=a", heat).Want(t, 201).Text("/meta/updated_at"))
		for n := range 20 {
			at := moment(t, c.Put(t, "/v1/movies/a", map[string]any{"title": "t", "year": 1900 + n}).Want(t, 200).Text("/meta/updated_at"))
			if at.Before(last) {
				t.Errorf("%s after %s", at, last)
			}
			last = at
		}
	})
}

// moment reads a time of an answer; as texts they do not compare.
func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Error(err)
	}
	return at
}
