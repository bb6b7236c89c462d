package tests_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const pinnedOraclePolicy = `
roles:
  site:
    - {types: [movies, studios], actions: [read, list, watch], view: published}
  writer:
    includes: [site]
    rules:
      - {types: [movies, studios], actions: [create, update, modify, publish, delete, restore, switch, purge]}
bindings:
  - {role: site, subjects: ["key:site", public]}
  - {role: writer, subjects: ["key:writer"]}
`

// word is a text that one revision has and no other.
var word = regexp.MustCompile(`\bw\d+\b`)

// pinnedOracle sends random requests of callers who are pinned to the published view
// while drafts come and go, and finds in every answer the words of what is not published.
type pinnedOracle struct {
	*publishing
	who    map[string]*apitest.Client
	ever   map[string]bool // words that were published once
	asked  int
	counts map[string]int
}

func newPinnedOracle(t *testing.T, seed uint64, counts map[string]int) *pinnedOracle {
	t.Helper()
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, pinnedOraclePolicy, models)
	o := &pinnedOracle{publishing: newPublishing(t, admin, seed), who: map[string]*apitest.Client{"public": admin.As("")}, ever: map[string]bool{}, counts: counts}
	for _, name := range []string{"site", "writer"} {
		o.who[name], _ = key(t, admin, name, "")
	}
	return o
}

// shown are the words of what is published now.
func (o *pinnedOracle) shown() map[string]bool {
	out := map[string]bool{}
	for _, r := range o.of {
		if r.published > 0 {
			w := word.FindString(r.titles[r.published])
			out[w], o.ever[w] = true, true
		}
	}
	return out
}

// anyWord is one that some revision may have.
func (o *pinnedOracle) anyWord() string { return fmt.Sprint("w", 1+o.g.IntN(o.seq+1)) }

func (o *pinnedOracle) anyID() string { return fmt.Sprint("r", o.g.IntN(14)) }

// read is a random request for what both views have. past tells that it may show what
// was published once.
func (o *pinnedOracle) read() (path string, past bool) {
	id, w := o.anyID(), o.anyWord()
	at := time.Now().UTC().Add(-time.Duration(o.g.IntN(3000)) * time.Millisecond).Format(time.RFC3339Nano)
	list := []string{
		"/v1/movies/" + id, "/v1/movies/" + id + "?consistency=strong&returns=data,meta,revision", "/v1/movies/" + id + "/referrers",
		"/v1/movies?page_size=5&order_by=title&total=true", "/v1/movies?q=" + w, "/v1/movies?q=common&order_by=year&returns=data,meta,revision",
		"/v1/movies?filter=" + url.QueryEscape(`contains(title, "`+w+` ")`), "/v1/movies:count?q=" + w, "/v1/movies:count?filter=" + url.QueryEscape("meta.status = \"draft\""),
		"/v1/movies:aggregate?group_by=title&page_size=1000", "/v1/movies:aggregate?min=title&max=title&count=*", "/v1/movies?filter=" + url.QueryEscape("meta.revision_count > 2 OR year < 1920"),
		"/v1/movies?filter=" + url.QueryEscape(`meta.updated_at > "`+at+`"`),
	}
	if n := o.g.IntN(len(list) + 1); n < len(list) {
		return list[n], false
	}
	return "/v1/movies/" + id + "?as_of=" + at, true
}

// beyond is a random request that no pinned caller gets an answer to.
func (o *pinnedOracle) beyond() string {
	id, n := o.anyID(), 1+o.g.IntN(5)
	list := []string{"/v1/movies/%s/revisions", "/v1/movies/%s/history", "/v1/movies/%s/revisions/%d", "/v1/movies/%s:diff?from=1&to=%d", "/v1/movies/%s?revision=%d", "/v1/movies/%s?status=stable",
		"/v1/movies/%s?include_deleted=true", "/v1/movies/%s?view=head", "/v1/movies?view=head", "/v1/movies?include_deleted=true", "/v1/movies:count?only_deleted=true", "/v1/movies:aggregate?view=head", "/v1/movies:watch?view=head"}
	form := list[o.g.IntN(len(list))]
	switch strings.Count(form, "%") {
	case 0:
		return form
	case 1:
		return fmt.Sprintf(form, id)
	}
	return fmt.Sprintf(form, id, n)
}

// write is a random write of a resource that is there.
func (o *pinnedOracle) write() (method, path string, body any, opts []apitest.Option) {
	at, n := "/v1/movies/"+o.anyID(), 1+o.g.IntN(5)
	merge := apitest.Header("Content-Type", apitest.MergePatch)
	switch o.g.IntN(9) {
	case 0:
		return "PUT", at + "?status=" + statusOf(o.g.IntN(2) == 0), o.doc("written"), nil
	case 1:
		return "PATCH", at, `{"title":"written"}`, []apitest.Option{merge, apitest.Header("Idempotency-Key", fmt.Sprint("k", n))}
	case 2:
		return "PATCH", at + "?mode=modify", `{"title":"written"}`, []apitest.Option{merge, apitest.IfMatch(`"0192f0c1-2b3c-7d4e-8f90-123456789abc"`)}
	case 3:
		return "DELETE", at, nil, nil
	case 4:
		return "POST", at + ":switch", fmt.Sprintf(`{"revision":%d}`, n), nil
	case 5:
		return "POST", at + []string{":publish", ":unpublish", ":restore", ":purge"}[o.g.IntN(4)], nil, nil
	case 6:
		return "POST", at + ":status", `{"status":"` + statusOf(o.g.IntN(2) == 0) + `"}`, nil
	case 7:
		return "PATCH", at, `[{"op":"test","path":"/title","value":"x"},{"op":"copy","from":"/title","path":"/note"}]`, []apitest.Option{apitest.Header("Content-Type", apitest.JSONPatch)}
	}
	return "POST", "/v1:batch", `{"atomic":` + fmt.Sprint(n%2 == 0) + `,"operations":[{"op":"patch","type":"movies","id":"` + at[len("/v1/movies/"):] + `","patch":{"title":"written"}}]}`, nil
}

// ask sends one request and finds in its answer what may not be known.
func (o *pinnedOracle) ask(name, method, path string, body any, past bool, opts ...apitest.Option) *apitest.Response {
	o.t.Helper()
	o.asked++
	r := o.who[name].Do(o.t, method, path, body, opts...)
	o.counts[fmt.Sprint(method, " ", r.Status)]++
	if r.Status == 401 && name != "public" || r.Status >= 500 {
		o.t.Errorf("%s: %s: %d %s", name, r.What, r.Status, r.Body)
	}
	o.search(name+": "+r.What, fmt.Sprint(string(r.Body), r.Header), past)
	return r
}

func (o *pinnedOracle) search(what, answer string, past bool) {
	o.t.Helper()
	for _, m := range pageToken.FindAllStringSubmatch(answer, -1) {
		answer = strings.Replace(answer, m[1], "", 1)
		if raw, err := base64.RawURLEncoding.DecodeString(m[1]); err == nil {
			answer += "\n" + string(raw)
		}
	}
	shown := o.shown()
	for _, w := range word.FindAllString(answer, -1) {
		if !shown[w] && !(past && o.ever[w]) {
			o.t.Errorf("request %d, %s tells %s: %.900s", o.asked, what, w, answer)
		}
	}
}

// inBoth wants a pinned caller to be told what any caller is who asks for what is
// published, down to the byte.
func (o *pinnedOracle) inBoth(name, path string, r *apitest.Response) {
	o.t.Helper()
	at := path + "?view=published"
	if strings.Contains(path, "?") {
		at = path + "&view=published"
	}
	all := o.c.Get(o.t, at)
	got, want := requestID.ReplaceAllString(string(r.Body), ""), requestID.ReplaceAllString(string(all.Body), "")
	if id, _, past := strings.Cut(strings.TrimPrefix(path, "/v1/movies/"), "?as_of="); past && r.Status == 404 {
		// what was is told to those who see what is; the admin is told that there was none then
		if x := o.of[id]; x != nil && x.published > 0 && all.Status == 200 {
			o.t.Errorf("%s: %s is 404, and it is published: %s", name, path, all.Body)
		}
		return
	}
	if strings.Contains(path, "page_size=5") { // page tokens are sealed anew each time
		got, want = pageToken.ReplaceAllString(got, ""), pageToken.ReplaceAllString(want, "")
	}
	if r.Status != all.Status || got != want {
		o.t.Errorf("%s: %s is %d %.600s\nand what is published %d %.600s", name, path, r.Status, got, all.Status, want)
	}
}

func (o *pinnedOracle) run(requests int) {
	names := []string{"site", "public", "writer"}
	for o.asked < requests && !o.t.Failed() {
		o.step()
		o.shown()
		for range 3 {
			name := names[o.g.IntN(len(names))]
			switch o.g.IntN(4) {
			case 0:
				if r := o.ask(name, "GET", o.beyond(), nil, false); r.Status != 403 {
					o.t.Errorf("%s: %s is %d, want 403: %.300s", name, r.What, r.Status, r.Body)
				}
			case 1:
				method, path, body, opts := o.write()
				if r := o.ask("writer", method, path, body, false, opts...); r.Status < 400 && path != "/v1:batch" {
					o.t.Errorf("%s changes what its caller does not see: %d %s", r.What, r.Status, r.Body)
				}
			default:
				path, past := o.read()
				r := o.ask(name, "GET", path, nil, past)
				o.inBoth(name, path, r)
			}
		}
	}
	o.compare()
	o.replay("site")
}

// replay follows everything that is kept as a pinned caller.
func (o *pinnedOracle) replay(name string) {
	o.t.Helper()
	end := o.c.Post(o.t, "/v1/movies?id=end", o.doc("the end")).Want(o.t, 201).Header.Get("Autocrud-Seq")
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	w, r, err := o.who[name].Watch(ctx, "/v1/movies:watch?from_seq=0")
	if err != nil || w == nil {
		o.t.Fatal(r, err)
	}
	defer w.Close()
	for {
		e, err := w.Next()
		if err != nil {
			o.t.Fatal(err)
		}
		o.search(name+": watch", e.Raw, true)
		if fmt.Sprint(e.Seq) == end {
			return
		}
	}
}

// AUTOCRUD_TEST_PINNED is how many requests.
func TestNoAnswerTellsAPinnedCallerOfADraft(t *testing.T) {
	t.Parallel()
	requests, asked, counts := max(envInt("AUTOCRUD_TEST_PINNED"), 200), 0, map[string]int{}
	for seed := draw(t.Name()); asked < requests && !t.Failed(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := newPinnedOracle(t, seed, counts)
			o.run(min(requests-asked, 1000))
			asked += o.asked
		})
	}
	t.Logf("%d requests: %v", asked, counts)
}
