package tests_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// A random walk of drafts, edits in place, publishes, switches, deletes, restores, purges
// and prunings, through a backup, against an oracle that knows what is published of each
// resource.

// copyOf is what the oracle knows of one resource.
type copyOf struct {
	titles    map[int]string // of the revisions
	stable    map[int]bool
	head      int
	published int // 0: nothing
	deleted   bool
	withheld  int  // of a deleted one: what comes back
	scheduled bool // for a time that does not come
	kept      int  // the revision that it publishes; 0: none
	pruned    int  // through which revision some may be pruned
}

func (c *copyOf) add(title string, stable bool) {
	c.head = len(c.titles) + 1
	c.titles[c.head], c.stable[c.head] = title, stable
	c.moved()
}

func (c *copyOf) moved() {
	if c.stable[c.head] {
		c.published = c.head
	}
}

// publishing is the walk.
type publishing struct {
	t     *testing.T
	c     *apitest.Client
	g     *rand.Rand
	of    map[string]*copyOf
	seq   int
	moves []func(id string, r *copyOf)
}

func newPublishing(t *testing.T, c *apitest.Client, seed uint64) *publishing {
	p := &publishing{t: t, c: c, g: rand.New(rand.NewPCG(seed, 19)), of: map[string]*copyOf{}}
	c.Post(t, "/v1/studios?id=odd", `{"name":"Odd"}`).Want(t, 201)
	p.moves = []func(string, *copyOf){p.update, p.update, p.update, p.modify, p.status, p.turn, p.remove, p.purge, p.publish, p.unpublish, p.plan, p.plan, p.due}
	return p
}

// title is one that no other revision has; words of it are searched for.
func (p *publishing) title(stable bool) string {
	p.seq++
	return fmt.Sprintf("%s w%d common", map[bool]string{true: "stable", false: "draft"}[stable], p.seq)
}

func (p *publishing) doc(title string) string {
	studio := "null"
	if refers(title) {
		studio = `"odd"`
	}
	return fmt.Sprintf(`{"title":%q,"year":%d,"genres":["g%d"],"studio":%s}`, title, 1900+p.seq%50, p.seq%7, studio)
}

// refers reports whether a movie of a title is of the only studio.
func refers(title string) bool {
	word := strings.Fields(title + " - -")[1]
	return strings.ContainsAny(word[len(word)-1:], "13579")
}

func statusOf(stable bool) string { return map[bool]string{true: "stable", false: "draft"}[stable] }

func (p *publishing) step() {
	id := fmt.Sprint("r", p.g.IntN(12))
	r := p.of[id]
	switch {
	case r == nil:
		stable := p.g.IntN(2) == 0
		title := p.title(stable)
		p.c.Post(p.t, "/v1/movies?id="+id+"&status="+statusOf(stable), p.doc(title)).Want(p.t, 201)
		p.of[id] = &copyOf{titles: map[int]string{}, stable: map[int]bool{}}
		p.of[id].add(title, stable)
	case r.deleted && p.g.IntN(4) > 0:
		p.c.Post(p.t, "/v1/movies/"+id+":restore", nil).Want(p.t, 200)
		r.deleted, r.published = false, r.withheld
	case r.deleted:
		p.purge(id, r)
	default:
		p.moves[p.g.IntN(len(p.moves))](id, r)
	}
}

func (p *publishing) update(id string, r *copyOf) {
	stable := p.g.IntN(3) == 0
	title := p.title(stable)
	p.c.Put(p.t, "/v1/movies/"+id+"?status="+statusOf(stable), p.doc(title)).Want(p.t, 200)
	r.add(title, stable)
}

func (p *publishing) modify(id string, r *copyOf) {
	title := p.title(false)
	answer := p.c.Put(p.t, "/v1/movies/"+id+"?mode=modify", p.doc(title))
	if r.stable[r.head] {
		answer.WantProblem(p.t, 409, "invalid_state")
		return
	}
	if r.scheduled && r.kept == r.head {
		answer.WantProblem(p.t, 409, "invalid_state")
		return
	}
	answer.Want(p.t, 200)
	r.titles[r.head] = title
}

func (p *publishing) status(id string, r *copyOf) {
	stable := p.g.IntN(2) == 0
	p.c.Post(p.t, "/v1/movies/"+id+":status", `{"status":"`+statusOf(stable)+`"}`).Want(p.t, 200)
	switch {
	case stable == r.stable[r.head]:
	case stable:
		r.stable[r.head] = true
		r.moved()
		r.scheduled = false
	default:
		r.add(r.titles[r.head], false)
	}
}

func (p *publishing) turn(id string, r *copyOf) {
	n := 1 + p.g.IntN(len(r.titles))
	answer := p.c.Post(p.t, "/v1/movies/"+id+":switch", fmt.Sprintf(`{"revision":%d}`, n))
	if answer.Status == 410 {
		answer.WantProblem(p.t, 410, "pruned")
		if n == r.head || n == r.published || r.scheduled && n == r.kept || n > r.pruned {
			p.t.Fatalf("revision %d of %s was pruned, %+v", n, id, r)
		}
		return
	}
	answer.Want(p.t, 200)
	if n != r.head {
		r.head = n
		r.moved()
	}
}

func (p *publishing) remove(id string, r *copyOf) {
	p.c.Delete(p.t, "/v1/movies/"+id).Want(p.t, 200)
	r.deleted, r.withheld, r.published, r.scheduled = true, r.published, 0, false
}

func (p *publishing) purge(id string, _ *copyOf) {
	p.c.Post(p.t, "/v1/movies/"+id+":purge", nil)
	delete(p.of, id)
}

func (p *publishing) publish(id string, r *copyOf) {
	p.c.Post(p.t, "/v1/movies/"+id+":publish", nil).Want(p.t, 200)
	r.scheduled = r.scheduled && r.published == r.head // nothing was done
	r.stable[r.head] = true
	r.moved()
}

func (p *publishing) unpublish(id string, r *copyOf) {
	p.c.Post(p.t, "/v1/movies/"+id+":unpublish", nil).Want(p.t, 200)
	r.published = 0
}

// plan schedules something for a time that does not come, or cancels it.
func (p *publishing) plan(id string, r *copyOf) {
	path := "/v1/movies/" + id + ":publish"
	switch p.g.IntN(3) {
	case 0:
		p.c.Post(p.t, path, `{"at":null}`).Want(p.t, 200)
		r.scheduled = false
	case 1:
		p.c.Post(p.t, path, `{"at":"`+farOff+`","revision":"newest"}`).Want(p.t, 200)
		r.scheduled, r.kept = true, 0
	default:
		p.c.Post(p.t, path, whenBody(farOff)).Want(p.t, 200)
		r.scheduled, r.kept = true, r.head
	}
}

// due has a revision published a moment later, when HEAD may have moved on, or what is
// published taken back.
func (p *publishing) due(id string, r *copyOf) {
	if p.g.IntN(3) > 0 {
		return
	}
	verb := ":publish"
	if p.g.IntN(4) == 0 {
		verb = ":unpublish"
	}
	answer := p.c.Post(p.t, "/v1/movies/"+id+verb, whenBody(soon(120*time.Millisecond)))
	if answer.Status == 422 { // the request took longer
		return
	}
	answer.Want(p.t, 200)
	n := r.head
	title := p.title(false)
	p.c.Put(p.t, "/v1/movies/"+id+"?status=draft", p.doc(title)).Want(p.t, 200)
	r.add(title, false)
	unscheduled(p.t, p.c, "/v1/movies/"+id)
	r.scheduled = false
	if verb == ":unpublish" {
		r.published = 0
		return
	}
	r.stable[n], r.published = true, n
}

// prune prunes all but the newest revision, what is published and what is needed
// otherwise.
func (p *publishing) prune() {
	p.t.Helper()
	path := "/v1/bulk-jobs/" + p.c.Post(p.t, "/v1/movies:prune", `{"revisions":1}`).Want(p.t, 202).Text("/meta/id")
	apitest.Eventually(p.t, 5*time.Minute, "the end of the pruning", func() bool {
		return p.c.Get(p.t, path).Want(p.t, 200).Text("/meta/job/state") == "succeeded"
	})
	for _, r := range p.of {
		r.pruned = len(r.titles)
	}
}

// refer asks who refers to the studio, and what comes with references to it.
func (p *publishing) refer(want map[string]string) {
	p.t.Helper()
	found := map[string]bool{}
	for _, title := range want {
		if refers(title) {
			found[title] = true
		}
	}
	r := p.c.Get(p.t, "/v1/studios/odd/referrers?view=published&page_size=1000").Want(p.t, 200)
	if len(r.Items()) != len(found) {
		p.t.Fatalf("the studio has the referrers %s, want %v", r.Body, found)
	}
	for _, item := range p.c.Get(p.t, "/v1/movies?view=published&page_size=1000&expand=studio").Want(p.t, 200).Items() {
		x := item.(map[string]any)
		title := x["data"].(map[string]any)["title"].(string)
		expanded, _ := x["expanded"].(map[string]any)
		if (expanded["studio"] != nil) != found[title] {
			p.t.Fatalf("with its studio %q is %v", title, x)
		}
	}
}

// move goes on in another program, into which a backup of this one was restored.
func (p *publishing) move(to *apitest.Client) {
	p.t.Helper()
	if status, body := sendBackup(p.t, to, fetchBackup(p.t, p.c)); status != 200 {
		p.t.Fatalf("the backup is restored: %d %s", status, body)
	}
	p.c = to
}

// export compares what the command exports with the list.
func (p *publishing) export() {
	p.t.Helper()
	out := apitest.Run(p.t, "", "export", "movies", "-", "--view", "published", "--url", p.c.URL)
	got, want := map[string]bool{}, map[string]bool{}
	for _, w := range word.FindAllString(out.Stdout, -1) {
		got[w] = true
	}
	for _, r := range p.of {
		if r.published > 0 {
			want[word.FindString(r.titles[r.published])] = true
		}
	}
	if out.Code != 0 || !reflect.DeepEqual(got, want) {
		p.t.Fatalf("it exports %v, want %v: %d %s", got, want, out.Code, out.Stderr)
	}
}

// compare asks every door of the published view.
func (p *publishing) compare() {
	p.t.Helper()
	want := map[string]string{}
	for id, r := range p.of {
		head := p.c.Get(p.t, "/v1/movies/"+id+"?include_deleted=true").Want(p.t, 200)
		if (head.Value("/meta/scheduled") != nil) != r.scheduled {
			p.t.Fatalf("%s is scheduled: %v, but is %s", id, r.scheduled, head.Body)
		}
		if r.published > 0 {
			want[id] = r.titles[r.published]
		}
	}
	c, t := p.c, p.t
	for n := range 12 {
		id := fmt.Sprint("r", n)
		answer := c.Get(t, "/v1/movies/"+id+"?view=published")
		title, there := want[id]
		if !there {
			answer.WantProblem(t, 404, "not_found")
			continue
		}
		answer.Want(t, 200).Equal(t, "/data/title", fmt.Sprintf("%q", title)).Equal(t, "/revision/number", fmt.Sprint(p.of[id].published)).
			Equal(t, "/meta/published", fmt.Sprint(p.of[id].published)).Equal(t, "/meta/status", `"stable"`)
		word := strings.Fields(title)[1]
		c.Get(t, "/v1/movies?view=published&q="+word).Want(t, 200).Equal(t, "/items/0/data/title", fmt.Sprintf("%q", title))
	}
	for _, path := range []string{"/v1/movies?view=published&page_size=1000&returns=data,meta,revision", "/v1/movies?view=published&page_size=1000&q=common&order_by=year",
		"/v1/movies?view=published&page_size=1000&filter=contains(title,+%22common%22)&order_by=meta.id"} {
		got := map[string]string{}
		for _, item := range c.Get(t, path).Want(t, 200).Value("/items").([]any) {
			x := item.(map[string]any)
			id := x["meta"].(map[string]any)["id"].(string)
			got[id] = x["data"].(map[string]any)["title"].(string)
			if one := c.Get(t, "/v1/movies/"+id+"?view=published"); !reflect.DeepEqual(one.Value("/data"), x["data"]) || !reflect.DeepEqual(one.Value("/meta"), x["meta"]) {
				t.Fatalf("%s is %s alone and %v in a list", id, one.Body, x)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s gives %v, want %v", path, got, want)
		}
	}
	p.refer(want)
	listed := c.Get(t, "/v1/movies?view=published&page_size=1000&order_by=meta.id")
	searched := c.Post(t, "/v1/movies:search", `{"view":"published","page_size":1000,"order_by":"meta.id"}`).Want(t, 200)
	if !reflect.DeepEqual(searched.Value("/items"), listed.Value("/items")) {
		t.Fatalf(":search gives %s, a list %s", searched.Body, listed.Body)
	}
	for id := range want { // an instant ahead of every write
		then := c.Get(t, "/v1/movies/"+id+"?view=published&as_of="+time.Now().UTC().Add(time.Hour).Format(time.RFC3339)).Want(t, 200)
		if now := c.Get(t, "/v1/movies/"+id+"?view=published"); !reflect.DeepEqual(then.Value("/data"), now.Value("/data")) || !reflect.DeepEqual(then.Value("/revision"), now.Value("/revision")) {
			t.Fatalf("%s is %s now and %s as of a time", id, now.Body, then.Body)
		}
	}
	c.Get(t, "/v1/movies:count?view=published").Want(t, 200).Equal(t, "/count", fmt.Sprint(len(want)))
	for _, g := range c.Get(t, "/v1/movies:aggregate?view=published&group_by=meta.status").Want(t, 200).Value("/groups").([]any) {
		if key := g.(map[string]any)["key"].(map[string]any)["meta.status"]; key != "stable" {
			t.Fatalf("a group of %v is published", key)
		}
	}
	c.Get(t, "/v1/movies:count?view=published&filter=contains(title,+%22never%22)").Want(t, 200).Equal(t, "/count", "0")
}

// mirror follows the published view from a place and compares what it makes of it with
// the list.
func (p *publishing) mirror(from string) {
	p.t.Helper()
	mirrors(p.t, p.c, "movies", p.doc("the end"), from)
}

// mirrors follows the published view of a type, from a place to a resource that it makes,
// and compares what it makes of it with the list.
func mirrors(t *testing.T, c *apitest.Client, typ, end, from string) {
	t.Helper()
	at := "/v1/" + typ
	until := c.Post(t, at+"?id=end-of-the-walk&status=stable", end).Want(t, 201)
	w := c.MustWatch(t, at+":watch?view=published&from_seq="+from)
	defer w.Close()
	got := map[string]any{}
	for {
		e, err := w.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Action == "left" {
			delete(got, e.ID())
		} else {
			got[e.ID()] = []any{e.Envelope.Data, e.Envelope.Meta}
		}
		if fmt.Sprint(e.Seq) == until.Header.Get("Autocrud-Seq") {
			break
		}
	}
	want := map[string]any{}
	for _, item := range c.Get(t, at+"?view=published&page_size=1000").Want(t, 200).Items() {
		x := item.(map[string]any)
		want[x["meta"].(map[string]any)["id"].(string)] = []any{x["data"], x["meta"]}
	}
	for id := range want {
		if fmt.Sprint(got[id]) != fmt.Sprint(want[id]) {
			t.Errorf("the mirror has of %s\n%v\nthe list\n%v", id, got[id], want[id])
		}
	}
	if len(got) != len(want) {
		t.Errorf("the mirror has %d, the list %d", len(got), len(want))
	}
	purged(t, c, at+"/end-of-the-walk")
}

// Half of the steps prune nothing, so that a watch from the beginning is told everything.
func TestThePublishedViewIsThatOfTheOracle(t *testing.T) {
	steps := max(envInt("AUTOCRUD_PUBLISHED_STEPS"), 300) / 2
	t.Parallel()
	for _, row := range storages(t) {
		for _, prunes := range []bool{false, true} {
			if prunes && row.Split {
				continue // three servers each rewrite a file for every event that leaves the log: a minute for twenty
			}
			t.Run(fmt.Sprint(row.Name, map[bool]string{true: " and what is pruned"}[prunes]), func(t *testing.T) {
				t.Parallel()
				p := newPublishing(t, run(t, row, nil, nil), draw(t.Name()))
				for n := 1; n <= steps && !t.Failed(); n++ {
					p.step()
					if prunes && n%50 == 0 {
						p.prune()
					}
					if n == steps/2 {
						p.move(run(t, row, nil, nil))
					}
					if n%25 == 0 {
						p.compare()
					}
				}
				if !prunes {
					p.mirror("0")
				}
				p.export()
				c := p.c
				c.Post(t, "/v1:reindex", nil).Want(t, 202)
				apitest.Eventually(t, 5*time.Minute, "the index is built anew", func() bool {
					return fmt.Sprint(c.Get(t, "/v1:reindex").Want(t, 200).Value("/building")) == "[]"
				})
				p.compare()
			})
		}
	}
}
