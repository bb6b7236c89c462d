package tests_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const paperModel = `name: papers
schema:
  type: object
  required: [title, topic, embargo]
  properties:
    title: {type: string}
    slug: {type: [string, "null"]}
    topic: {enum: [open, closed]}
    embargo: {type: boolean}
    score: {type: integer}
    parent: {type: [string, "null"]}
    secret: {type: [string, "null"]}
    credits: {type: array, items: {type: object, properties: {name: {type: string}, fee: {type: string}}}}
    cover: {x-binary: {}}
    scan: {x-binary: {}}
index: [title, topic, embargo, score, secret, "credits.name", "credits.fee"]
fulltext: [title]
unique: [slug]
refs: {parent: {type: papers, onDelete: restrict}}
`

const paperPolicy = `
roles:
  papers:
    - {types: [papers], actions: ["*"], where: 'topic = "open" OR meta.created_by = principal.id', fields: {hide: [secret, credits.fee, scan]}}
    - {types: [papers], actions: ["*"], where: 'embargo = true', effect: deny}
bindings:
  - {role: papers, subjects: ["key:ann", public]}
`

// A principal to which rows are forbidden and fields hidden sends random requests
// of every kind about random data, and no answer says what it may not know. It is ann,
// who has a key, and by turns a caller without a credential.
// AUTOCRUD_TEST_ORACLE is how many.
func TestNoAnswerSaysWhatMayNotBeKnown(t *testing.T) {
	t.Parallel()
	requests := max(envInt("AUTOCRUD_TEST_ORACLE"), 500)
	seed := time.Now().UnixNano()
	if n := envInt("AUTOCRUD_TEST_SEED"); n != 0 {
		seed = int64(n)
	}
	t.Logf("AUTOCRUD_TEST_SEED=%d", seed)
	counts := map[string]int{}
	asked, resources := 0, 0
	for asked < requests && !t.Failed() { // now and then from the beginning, for what is known about many takes long
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := newOracle(t, seed, counts)
			o.run(min(requests-asked, max(requests/4, 250), 1000))
			asked += o.asked
			resources += len(o.ids)
		})
		seed++
	}
	t.Logf("%d requests about %d resources: %v", asked, resources, counts)
}

func newOracle(t *testing.T, seed int64, counts map[string]int) *oracle {
	t.Helper()
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, paperPolicy, map[string]string{"papers": paperModel})
	ann, _ := key(t, admin, "ann", "")
	named := seed%2 == 0
	if !named {
		ann = admin.As("")
	}
	o := &oracle{t: t, admin: admin, ann: ann, named: named, rnd: rand.New(rand.NewSource(seed)), lives: map[string]*life{}, blobs: map[string]string{}, counts: counts}
	for range 30 {
		o.adminCreates()
	}
	return o
}

// run sends so many requests, or stops at what is wrong.
func (o *oracle) run(requests int) {
	live := o.ann.MustWatch(o.t, "/v1/papers:watch")
	told := make(chan string, 1<<16)
	go func() {
		defer close(told)
		for {
			e, err := live.Next()
			if err != nil {
				return
			}
			told <- e.Action + " " + e.Raw
		}
	}()
	for o.asked < requests && !o.t.Failed() {
		switch n := o.rnd.Intn(100); {
		case n < 25:
			o.adminChanges()
		case n < 35:
			o.lists()
		case n < 65:
			o.reads()
		case n < 70:
			o.comparesWithNothing()
		case n < 97:
			o.writes()
		case n < 98:
			o.bulk()
		default:
			o.watches()
		}
	}
	o.watches()
	o.toldLive(live, told)
}

// send asks as ann and looks at every byte of the answer.
func (o *oracle) send(kind, method, path string, body any, opts ...apitest.Option) *apitest.Response {
	o.t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		b, _ := json.Marshal(body)
		text = string(b)
	}
	r := o.ann.Do(o.t, method, path, body, opts...)
	o.counts[fmt.Sprint(kind, " ", r.Status)]++
	if r.Status == 401 || r.Status >= 500 {
		o.t.Fatalf("%s %s: %d %s", method, path, r.Status, r.Body)
	}
	o.search(path+text, r)
	return r
}

func (o *oracle) blob(c *apitest.Client) string {
	content := o.text("b")
	digest := c.Post(o.t, "/v1/blobs", content, apitest.Header("Content-Type", "application/octet-stream")).Want(o.t, 201).Text("/digest")
	o.blobs[digest] = content
	return digest
}

// document is a random one with all that there is.
func (o *oracle) document(of *apitest.Client) map[string]any {
	doc := map[string]any{"title": o.text("t"), "topic": o.topic(), "embargo": o.rnd.Intn(8) == 0, "score": o.rnd.Intn(20)}
	if o.rnd.Intn(2) == 0 {
		doc["slug"] = o.text("s")
	}
	if o.rnd.Intn(4) == 0 && len(o.ids) > 0 {
		doc["parent"] = o.pick()
	}
	if o.rnd.Intn(4) == 0 {
		doc["cover"] = map[string]any{"digest": o.blob(of)}
	}
	credits := []any{}
	for range o.rnd.Intn(3) {
		c := map[string]any{"name": o.text("n")}
		if of == o.admin {
			c["fee"] = o.text("f")
		}
		credits = append(credits, c)
	}
	doc["credits"] = credits
	if of == o.admin {
		doc["secret"] = o.text("h")
		if o.rnd.Intn(4) == 0 {
			doc["scan"] = map[string]any{"digest": o.blob(of)}
		}
	}
	return doc
}

func (o *oracle) adminCreates() string {
	id := o.text("r")
	if o.admin.Post(o.t, "/v1/papers?id="+id+"&status="+o.status(), o.document(o.admin)).Status == 201 {
		o.refresh(id)
		return id
	}
	return "" // its parent is gone
}

// topic is open more often than not.
func (o *oracle) topic() string { return []string{"open", "open", "closed"}[o.rnd.Intn(3)] }

func (o *oracle) status() string { return []string{"draft", "stable"}[o.rnd.Intn(2)] }

// adminChanges makes rows forbidden, and not, and everything that makes history.
func (o *oracle) adminChanges() {
	o.t.Helper()
	id := o.pick()
	path := "/v1/papers/" + id
	patch := func(doc map[string]any, query string) {
		o.admin.Patch(o.t, path+query, apitest.MergePatch, doc)
	}
	switch o.rnd.Intn(12) {
	case 0, 1, 2:
		o.adminCreates()
	case 3, 4:
		patch(map[string]any{"topic": o.topic(), "embargo": o.rnd.Intn(8) == 0, "secret": o.text("h")}, "")
	case 5:
		patch(map[string]any{"title": o.text("t"), "secret": o.text("h"), "topic": o.topic()}, "?mode=modify")
	case 6:
		o.admin.Delete(o.t, path)
	case 7, 8:
		o.admin.Post(o.t, path+":restore", nil)
	case 9:
		o.admin.Post(o.t, path+":switch", map[string]any{"revision": 1 + o.rnd.Intn(4)})
	case 10:
		o.admin.Post(o.t, path+":status", map[string]any{"status": o.status()})
	case 11:
		if o.rnd.Intn(4) == 0 {
			o.admin.Post(o.t, path+":purge", nil)
		} else {
			o.admin.Put(o.t, path, o.document(o.admin))
		}
	}
	o.refresh(id)
}

// lists compares what is listed, counted and grouped with what is to be.
func (o *oracle) lists() {
	o.t.Helper()
	q := o.question()
	want := o.expected(q)
	at := "consistency=strong"
	if q.filter != "" {
		at += "&filter=" + query(q.filter)
	}
	switch o.rnd.Intn(8) {
	case 0, 1, 2:
		size, token, got := 1+o.rnd.Intn(9), "", []string{}
		order := []string{"", "&order_by=score", "&order_by=" + query("title desc"), "&order_by=meta.updated_at"}[o.rnd.Intn(4)]
		returns := []string{"", "&returns=meta", "&returns=data,meta,revision", "&returns=meta,revision", "&expand=parent&returns=data,meta"}[o.rnd.Intn(5)]
		for page := 0; ; page++ {
			path := fmt.Sprintf("/v1/papers?%s&page_size=%d&total=true%s%s", at, size, order, returns)
			if token != "" {
				path += "&page_token=" + query(token)
			}
			r := o.send("list", "GET", path, nil).Want(o.t, 200)
			if n := r.Int("/total"); n != len(want) {
				o.t.Errorf("%s: the total is %d, want %d", r.What, n, len(want))
			}
			token = r.Text("/next_page_token")
			if n := len(r.Items()); token != "" && n != size {
				o.t.Errorf("%s: a page of %d", r.What, n)
			}
			for _, x := range r.Items() {
				o.whole(x.(map[string]any), r.What)
				got = append(got, x.(map[string]any)["meta"].(map[string]any)["id"].(string))
			}
			if token == "" {
				break
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			o.t.Errorf("%s %s: listed %v, want %v", q.filter, order, got, want)
		}
	case 3:
		if n := o.send("count", "GET", "/v1/papers:count?"+at, nil).Want(o.t, 200).Int("/count"); n != len(want) {
			o.t.Errorf("%s: counted %d, want %d", q.filter, n, len(want))
		}
	case 4:
		groups := map[string]int{}
		for _, g := range o.send("aggregate", "GET", "/v1/papers:aggregate?group_by=topic&"+at, nil).Want(o.t, 200).Value("/groups").([]any) {
			g := g.(map[string]any)
			groups[g["key"].(map[string]any)["topic"].(string)] = int(g["count"].(float64))
		}
		mean := map[string]int{}
		for _, id := range want {
			mean[o.lives[id].head().data["topic"].(string)]++
		}
		if !reflect.DeepEqual(groups, mean) {
			o.t.Errorf("%s: groups %v, want %v", q.filter, groups, mean)
		}
	case 5:
		id := o.pick()
		if l := o.lives[id]; !l.purged {
			title := l.head().data["title"].(string)
			want := 0
			for _, other := range o.lives {
				if other.listed() && other.head().data["title"] == title {
					want++
				}
			}
			if n := o.send("q", "POST", "/v1/papers:search", map[string]any{"q": title, "total": true}).Want(o.t, 200).Int("/total"); n != want {
				o.t.Errorf("q=%s: found %d, want %d", title, n, want)
			}
		}
	case 6: // what is hidden cannot be asked about
		for _, x := range []string{"filter=" + query(`secret = "x"`), "filter=" + query(`secret:*`), "order_by=secret", "filter=" + query(`credits.fee:"x"`)} {
			o.send("hidden", "GET", "/v1/papers?"+x, nil).WantProblem(o.t, 400, "invalid_filter")
		}
		o.send("hidden", "GET", "/v1/papers:aggregate?group_by=secret", nil).WantProblem(o.t, 400, "invalid_filter")
		o.send("hidden", "GET", "/v1/papers:count?filter="+query(`isNull(secret)`), nil).WantProblem(o.t, 400, "invalid_filter")
	case 7:
		want := 0
		for _, l := range o.lives {
			if l.known() && l.head().deleted {
				want++
			}
		}
		if n := o.send("deleted", "GET", "/v1/papers?only_deleted=true&total=true", nil).Want(o.t, 200).Int("/total"); n != want {
			o.t.Errorf("%d deleted, want %d", n, want)
		}
	}
}

// whole checks that hash and size of an envelope are those of what it shows.
func (o *oracle) whole(x map[string]any, what string) {
	o.t.Helper()
	revision, has := x["revision"].(map[string]any)
	data, shown := x["data"].(map[string]any)
	if !has || !shown || x["expanded"] != nil {
		return
	}
	b, _ := json.Marshal(data) // the test's data has neither escapes nor numbers in two forms
	sum := sha256.Sum256(b)
	if revision["hash"] != "sha256:"+hex.EncodeToString(sum[:]) || int(revision["size"].(float64)) != len(b) {
		o.t.Errorf("%s: hash %v and size %v are not those of %s", what, revision["hash"], revision["size"], b)
	}
}

// reads asks for one resource in every way.
func (o *oracle) reads() {
	o.t.Helper()
	id := o.pick()
	l, path := o.lives[id], "/v1/papers/"+id
	n := 1 + o.rnd.Intn(4)
	one := func(kind, path string) *apitest.Response {
		r := o.send(kind, "GET", path, nil)
		if !l.known() && r.Status != 404 {
			o.t.Errorf("%s is %d: %s", r.What, r.Status, r.Body)
		}
		if r.Status == 200 {
			if x, ok := r.Value("").(map[string]any); ok {
				o.whole(x, r.What)
			}
		}
		return r
	}
	switch o.rnd.Intn(13) {
	case 0, 1:
		r := one("get", path)
		if l.listed() && (r.Status != 200 || !reflect.DeepEqual(r.Value("/data"), any(l.head().shown()))) {
			o.t.Errorf("%s: %d %s, want %v", r.What, r.Status, r.Body, l.head().shown())
		}
	case 2:
		one("get old", fmt.Sprintf("%s?revision=%d&include_deleted=true", path, n))
	case 3:
		one("as of", path+"?include_deleted=true&as_of="+query(time.Now().Add(-time.Duration(o.rnd.Intn(3000))*time.Millisecond).UTC().Format(time.RFC3339Nano)))
	case 4:
		one("stable", path+"?status=stable")
	case 5:
		r := one("history", path+"/history?page_size=1000")
		if l.known() {
			want := 0
			for _, p := range l.states {
				if p.may() {
					want++
				}
			}
			if got := len(r.Items()); got != want {
				o.t.Errorf("%s: %d events, want %d: %s", r.What, got, want, r.Body)
			}
		}
	case 6:
		one("revisions", path+fmt.Sprintf("/revisions?page_size=%d", 1+o.rnd.Intn(3)))
	case 7:
		one("revision", fmt.Sprintf("%s/revisions/%d%s", path, n, []string{"", "?raw=true"}[o.rnd.Intn(2)]))
	case 8:
		one("diff", fmt.Sprintf("%s:diff?from=%d&to=%d", path, n, 1+o.rnd.Intn(4)))
	case 9:
		r := one("referrers", path+"/referrers?page_size=1000")
		if l.known() {
			want := 0
			for _, other := range o.lives {
				if other.listed() && other.head().data["parent"] == id {
					want++
				}
			}
			if got := len(r.Items()); got != want {
				o.t.Errorf("%s: %d referrers, want %d", r.What, got, want)
			}
		}
	case 10:
		for digest := range o.blobs {
			one("blob", path+"/blobs/"+digest)
			break
		}
		if l.listed() {
			if scan, ok := l.head().data["scan"].(map[string]any); ok {
				if r := one("scan", path+"/blobs/"+scan["digest"].(string)); r.Status != 404 {
					o.t.Errorf("%s is %d", r.What, r.Status)
				}
			}
		}
	case 11:
		one("expand", path+"?expand=parent")
		o.send("fields", "GET", path+"?fields=secret,title,credits.fee", nil)
	case 12:
		o.send("can", "POST", "/v1:can", map[string]any{"action": []string{"read", "update", "purge"}[o.rnd.Intn(3)], "type": "papers", "id": id})
	}
}

var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

// comparesWithNothing sends a request about a row that may not be known, and the
// same about one that never was: the two answers are the same, to the byte.
func (o *oracle) comparesWithNothing() {
	o.t.Helper()
	id := ""
	for range 20 {
		if id = o.pick(); !o.lives[id].known() {
			break
		}
	}
	if o.lives[id].known() {
		return
	}
	none := o.text("x")
	for _, x := range []struct{ method, path, body, media string }{
		{"GET", "", "", ""}, {"HEAD", "", "", ""}, {"GET", "?include_deleted=true", "", ""}, {"GET", "?revision=1", "", ""}, {"GET", "?status=stable", "", ""},
		{"GET", "/history", "", ""}, {"GET", "/revisions", "", ""}, {"GET", "/revisions/1", "", ""}, {"GET", ":diff?from=1&to=1", "", ""}, {"GET", "/referrers", "", ""},
		{"GET", ":watch", "", ""}, {"GET", "/blobs/sha256:" + strings.Repeat("0", 64), "", ""}, {"PUT", "", `{"title":"x","topic":"open","embargo":false}`, apitest.JSON},
		{"PUT", "", `{"title":5}`, apitest.JSON}, {"PUT", "?mode=modify", `{"title":"x","topic":"open","embargo":false}`, apitest.JSON},
		{"PATCH", "", `{"title":"x"}`, apitest.MergePatch}, {"PATCH", "", `[{"op":"test","path":"/secret","value":"x"}]`, apitest.JSONPatch},
		{"DELETE", "", "", ""}, {"POST", ":restore", "{}", apitest.JSON}, {"POST", ":switch", `{"revision":1}`, apitest.JSON}, {"POST", ":switch", `{"revision":99}`, apitest.JSON},
		{"POST", ":status", `{"status":"stable"}`, apitest.JSON}, {"POST", ":purge", "{}", apitest.JSON},
	}[o.rnd.Intn(5):] {
		if o.rnd.Intn(4) > 0 {
			continue
		}
		ask := func(id string) (int, string, string) {
			var body any
			opts := []apitest.Option{}
			if x.body != "" {
				body, opts = x.body, append(opts, apitest.Header("Content-Type", x.media))
			}
			r := o.send("forbidden "+x.method, x.method, "/v1/papers/"+id+x.path, body, opts...)
			text := requestID.ReplaceAllString(strings.ReplaceAll(string(r.Body), id, "ID"), "")
			return r.Status, text, fmt.Sprint(r.Header.Get("Content-Length"), r.Header.Get("ETag"), r.Header.Get("Autocrud-Seq"), r.Header.Values("Location"))
		}
		before := o.lives[id].seq
		s1, b1, h1 := ask(id)
		s2, b2, h2 := ask(none)
		if s1 != s2 || b1 != b2 || h1 != h2 {
			o.t.Errorf("%s %s tells a row that may not be known from none: %d %s %s, and %d %s %s", x.method, x.path, s1, b1, h1, s2, b2, h2)
		}
		if o.refresh(id); o.lives[id].seq != before {
			o.t.Errorf("%s %s changed a row that may not be known", x.method, x.path)
		}
	}
}

// writes changes things as ann: what is hidden stays, what may not be known is not
// touched, and the answer says nothing of either.
func (o *oracle) writes() {
	o.t.Helper()
	id := o.pick()
	path := "/v1/papers/" + id
	was := o.lives[id]
	var before paper
	if !was.purged {
		before = was.head()
	}
	known, seq := was.known(), was.seq
	opts := []apitest.Option{}
	again := o.rnd.Intn(3) == 0 && o.named // for a caller without a credential nothing is kept
	if again {
		opts = append(opts, apitest.Header("Idempotency-Key", o.text("k")))
	}
	send := func(kind, method, path string, body any, more ...apitest.Option) *apitest.Response {
		all := append(slices.Clone(opts), more...)
		r := o.send(kind, method, path, body, all...)
		if !was.purged {
			o.refresh(id)
		}
		if again { // the first answer once more, perhaps after the row became forbidden
			if o.rnd.Intn(2) == 0 && known {
				o.admin.Patch(o.t, "/v1/papers/"+id, apitest.MergePatch, map[string]any{"embargo": true, "secret": o.text("h")})
				o.refresh(id)
			}
			o.send("again", method, path, body, all...)
		}
		return r
	}
	content := true // whether it changes the content only
	var r *apitest.Response
	switch o.rnd.Intn(14) {
	case 0, 1:
		fresh := o.text("r")
		r := send("create", "POST", "/v1/papers?id="+fresh, o.document(o.ann))
		o.refresh(fresh)
		if r.Status == 201 && !o.lives[fresh].states[0].may() {
			o.t.Errorf("ann made what it may not: %s", r.Body)
		}
		return
	case 2: // an id, or a slug, that a resource has
		doc := o.document(o.ann)
		if !was.purged && before.data["slug"] != nil {
			doc["slug"] = before.data["slug"]
			fresh := o.text("r")
			r := send("taken slug", "POST", "/v1/papers?id="+fresh, doc)
			if o.refresh(fresh); r.Status == 409 && !known && r.Value("/conflicting_id") == any(id) {
				o.t.Errorf("%s", r.Body)
			}
			return
		}
		send("taken id", "POST", "/v1/papers?id="+id, doc)
		o.refresh(id)
		return
	case 3:
		r = send("put", "PUT", path, o.document(o.ann))
	case 4:
		doc := map[string]any{"title": o.text("t"), "topic": "open", "embargo": false}
		if known { // with the list as it is seen
			doc["credits"] = before.shown()["credits"]
		}
		r = send("put", "PUT", path, doc)
	case 5:
		r = send("patch", "PATCH", path, map[string]any{"title": o.text("t"), "topic": o.topic()}, apitest.Header("Content-Type", apitest.MergePatch))
	case 6:
		r = send("modify", "PATCH", path+"?mode=modify", map[string]any{"title": o.text("t")}, apitest.Header("Content-Type", apitest.MergePatch))
	case 7: // to reach for what is hidden
		body := [][]any{{map[string]any{"op": "copy", "from": "/secret", "path": "/title"}}, {map[string]any{"op": "move", "from": "/scan", "path": "/cover"}},
			{map[string]any{"op": "test", "path": "/secret", "value": fmt.Sprint(before.data["secret"])}}, {map[string]any{"op": "remove", "path": "/secret"}},
			{map[string]any{"op": "copy", "from": "/credits/0/fee", "path": "/title"}}}[o.rnd.Intn(5)]
		if r = send("reach", "PATCH", path, body, apitest.Header("Content-Type", apitest.JSONPatch)); r.Status < 400 {
			o.t.Errorf("%v on what is hidden is %d", body, r.Status)
		}
	case 8:
		r = send("hidden", "PATCH", path, map[string]any{"secret": o.text("h")}, apitest.Header("Content-Type", apitest.MergePatch))
	case 9:
		r = send("parent", "PATCH", path, map[string]any{"parent": o.pick()}, apitest.Header("Content-Type", apitest.MergePatch))
	case 10:
		content = false
		r = send("delete", "DELETE", path, nil)
	case 11:
		content = false
		r = send("restore", "POST", path+":restore", nil)
	case 12:
		content = false
		r = send("switch", "POST", path+":switch", map[string]any{"revision": 1 + o.rnd.Intn(4)})
	case 13:
		content = false
		other := o.pick()
		ops := []any{map[string]any{"op": "patch", "type": "papers", "id": id, "patch": map[string]any{"title": o.text("t")}}}
		if other != id {
			ops = append(ops, map[string]any{"op": []string{"delete", "restore"}[o.rnd.Intn(2)], "type": "papers", "id": other})
		}
		seq := o.lives[other].seq
		forbidden := !o.lives[other].known()
		r = send("batch", "POST", "/v1:batch", map[string]any{"atomic": o.rnd.Intn(2) == 0, "operations": ops})
		if o.refresh(other); forbidden && o.lives[other].seq != seq {
			o.t.Errorf("a batch changed %s, which may not be known", other)
		}
	}
	o.refresh(id)
	if !known && was.seq != seq {
		o.t.Errorf("%s changed %s, which may not be known: %s", r.What, id, r.Body)
	}
	if content && known && !was.purged {
		now := was.head()
		if !again && now.number >= before.number && (!reflect.DeepEqual(now.data["secret"], before.data["secret"]) || !reflect.DeepEqual(now.data["scan"], before.data["scan"]) || !reflect.DeepEqual(fees(now), fees(before))) {
			o.t.Errorf("%s changed what is hidden: %v, was %v", r.What, now.data, before.data)
		}
		if !again && !now.may() {
			o.t.Errorf("%s made what ann may not: %v", r.What, now.data)
		}
	}
}

func fees(p paper) (out []any) {
	list, _ := p.data["credits"].([]any)
	for _, c := range list {
		if fee := c.(map[string]any)["fee"]; fee != nil {
			out = append(out, fee)
		}
	}
	return out
}

// bulk changes everything that ann sees, and nothing else.
func (o *oracle) bulk() {
	o.t.Helper()
	q := o.question()
	want := map[string]bool{}
	for _, id := range o.expected(q) {
		want[id] = true
	}
	score := 100 + o.rnd.Intn(1000)
	r := o.send("bulk", "POST", "/v1/papers:bulk", map[string]any{"filter": q.filter, "op": "patch", "patch": map[string]any{"score": score}}).Want(o.t, 202)
	ended(o.t, o.admin, "/v1/bulk-jobs/"+r.Text("/meta/id")).Equal(o.t, "/meta/job/state", `"succeeded"`)
	for _, id := range o.ids {
		l := o.lives[id]
		seq := l.seq
		if o.refresh(id); !want[id] && l.seq != seq {
			o.t.Errorf("bulk changed %s, which is not for it", id)
		}
		if want[id] && l.head().data["score"] != float64(score) {
			o.t.Errorf("bulk did not change %s", id)
		}
	}
}

// watches replays everything that is kept, up to a row that is made for it.
func (o *oracle) watches() {
	o.t.Helper()
	last := o.text("r")
	o.admin.Put(o.t, "/v1/papers/"+last, map[string]any{"title": o.text("t"), "topic": "open", "embargo": false, "credits": []any{}}, apitest.Header("If-None-Match", "*")).Want(o.t, 201)
	o.refresh(last)
	ctx, cancel := context.WithTimeout(o.t.Context(), 30*time.Second)
	defer cancel()
	w, r, err := o.ann.Watch(ctx, "/v1/papers:watch?from_seq=0")
	if err != nil || w == nil {
		o.t.Fatal(r, err)
	}
	defer w.Close()
	o.asked++
	for {
		e, err := w.Next()
		if err != nil {
			o.t.Fatalf("the watch ended before %s: %v", last, err)
		}
		if e.Action != "left" { // that a row left says which one, and no more
			o.judge("", "watch "+e.Action, e.Raw)
		} else if e.Envelope.Data != nil {
			o.judge("", "watch left", e.Raw)
		}
		if e.ID() == last {
			return
		}
	}
}

// toldLive looks at what a watch was told while it all happened: each event has to
// be of a state that may be seen, whatever became of it.
func (o *oracle) toldLive(w *apitest.Watch, told <-chan string) {
	o.t.Helper()
	last := o.adminCreates()
	for last == "" || !o.lives[last].known() {
		last = o.adminCreates()
	}
	may := map[string]bool{}
	for id, l := range o.lives {
		may[id] = true // which one it is was known when it could be seen
		for _, p := range append(slices.Clone(l.former), l.states...) {
			if p.may() {
				for _, x := range p.texts {
					may[x] = true
				}
			}
		}
	}
	n := 0
	for text := range told {
		n++
		for _, x := range planted.FindAllString(text, -1) {
			if !may[x] && !strings.HasPrefix(x, "sha256:") && !strings.HasPrefix(x, "r") {
				o.t.Errorf("the open watch was told %s: %.500s", x, text)
			}
		}
		if strings.Contains(text, last) {
			break
		}
	}
	w.Close()
	o.counts["live events"] += n
}
