package tests_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// This oracle judges deeds instead of answers alone: four principals of different
// strength send random requests by every door, and afterwards each event that the
// history names one of them for has to be allowed by a few lines that say the policy
// once more, on the state before it and on the state after it.

const powersPolicy = `
roles:
  papers:
    - {types: [papers], actions: ["*"], where: 'topic = "open" OR meta.created_by = principal.id', fields: {hide: [secret, credits.fee, scan]}}
    - {types: [papers], actions: ["*"], where: 'embargo = true', effect: deny}
    - {types: [bulk-jobs], actions: [read]}
  operator:
    - {types: [schedules, bulk-jobs, webhooks, roles, bindings], actions: ["*"]}
    - {types: [papers], actions: [read, list, update], where: 'topic = "open"', fields: {hide: [secret]}}
  keeper:
    - {types: [api-keys], actions: [admin]}
    - {types: [papers], actions: [read, list], where: 'topic = "open"'}
  nearly:
    - {types: ["*"], actions: [admin]}
    - {types: [papers], actions: ["*"], where: 'embargo = true', effect: deny}
  strong: [{types: ["*"], actions: [admin]}]
bindings:
  - {role: papers, subjects: ["key:ann"]}
  - {role: operator, subjects: ["key:operator"]}
  - {role: keeper, subjects: ["key:keeper"]}
  - {role: nearly, subjects: ["key:nearly"]}
  - {role: strong, subjects: ["group:admins"]}
`

// power is what one principal may do with papers, said once more.
type power struct {
	may    func(data map[string]any, owner string) bool
	writes []string // the actions of its events
	hidden []string // what it may neither see nor write
}

var powers = map[string]power{
	"key:ann": {
		func(d map[string]any, owner string) bool {
			return d["embargo"] == false && (d["topic"] == "open" || owner == "key:ann")
		},
		[]string{"created", "updated", "modified", "switched", "status_changed", "deleted", "restored", "purged"}, []string{"secret", "scan", "fee"}},
	"key:operator": {func(d map[string]any, _ string) bool { return d["topic"] == "open" }, []string{"updated"}, []string{"secret"}},
	"key:keeper":   {func(d map[string]any, _ string) bool { return d["topic"] == "open" }, nil, nil},
	"key:nearly": {func(d map[string]any, _ string) bool { return d["embargo"] == false },
		[]string{"created", "updated", "modified", "switched", "status_changed", "deleted", "restored", "purged"}, nil},
}

// withoutNames is a copy of a document without fields of some names, at any depth.
func withoutNames(v any, names []string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if !slices.Contains(names, k) {
				out[k] = withoutNames(x, names)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = withoutNames(x, names)
		}
		return out
	}
	return v
}

// only is the rest of it.
func only(v any, names []string) (out []any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(func(yield func(string) bool) {
			for k := range v {
				if !yield(k) {
					return
				}
			}
		}) {
			if slices.Contains(names, k) {
				out = append(out, k, v[k])
			} else {
				out = append(out, only(v[k], names)...)
			}
		}
	case []any:
		for _, x := range v {
			out = append(out, only(x, names)...)
		}
	}
	return out
}

// deed is a state of any resource with who made it so.
type deed struct {
	data    map[string]any
	deleted bool
}

// track is what is known of one resource.
type track struct {
	owner  string
	seq    int
	states []deed
	purged bool
}

type powersOracle struct {
	t      *testing.T
	admin  *apitest.Client
	who    map[string]*apitest.Client
	names  []string // of who, in one order
	rnd    *rand.Rand
	made   int
	asked  int
	tracks map[string]*track // "type/id"
	ids    map[string][]string
	last   map[string]int    // type -> newest sequence that was looked at
	keys   map[string]string // name of a key -> the id that had it first
	wrong  int
	counts map[string]int
	judged int
}

// Four principals of different strength do what they can, by switches, batches, bulk
// changes, schedules, webhooks, keys and repeated requests, and nothing is done in the
// name of one that it may not do. AUTOCRUD_TEST_ORACLE is how many requests.
func TestNothingIsDoneThatItsPrincipalMayNotDo(t *testing.T) {
	t.Parallel()
	requests := max(envInt("AUTOCRUD_TEST_ORACLE"), 400)
	seed := time.Now().UnixNano()
	if n := envInt("AUTOCRUD_TEST_SEED"); n != 0 {
		seed = int64(n)
	}
	t.Logf("AUTOCRUD_TEST_SEED=%d", seed)
	counts, asked, judged := map[string]int{}, 0, 0
	for asked < requests && !t.Failed() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := newPowers(t, seed, counts)
			for o.asked < min(requests-asked, 1000) && o.wrong == 0 {
				o.step()
			}
			o.settle()
			asked, judged = asked+o.asked, judged+o.judged
		})
		seed++
	}
	t.Logf("%d requests, %d events judged: %v", asked, judged, counts)
}

func newPowers(t *testing.T, seed int64, counts map[string]int) *powersOracle {
	t.Helper()
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, powersPolicy, map[string]string{"papers": paperModel})
	o := &powersOracle{t: t, admin: admin, who: map[string]*apitest.Client{}, rnd: rand.New(rand.NewSource(seed)), tracks: map[string]*track{}, ids: map[string][]string{},
		last: map[string]int{}, keys: map[string]string{}, counts: counts}
	for _, name := range []string{"ann", "operator", "keeper", "nearly"} {
		o.who["key:"+name], _ = key(t, admin, name, "")
		o.names = append(o.names, "key:"+name)
	}
	key(t, admin, "strong", `,"groups":["admins"]`)
	key(t, admin, "small", "")
	admin.Post(t, "/v1/roles?id=within", `{"name":"within","rules":[{"types":["papers"],"actions":["read"],"where":"topic = \"open\"","fields":{"hide":["secret"]}}]}`).Want(t, 201)
	for _, role := range []string{"within", "strong", "papers"} {
		admin.Post(t, "/v1/bindings", `{"role":"`+role+`","subjects":["user:nobody"]}`).Want(t, 201)
	}
	admin.Post(t, "/v1/webhooks", `{"url":"https://example.com/","paused":true}`).Want(t, 201)
	for _, payload := range []string{`{"op":"patch","type":"papers","filter":"score = 3","patch":{"score":4}}`, `{"op":"patch","type":"bindings","filter":"role = \"none\"","patch":{"role":"strong"}}`} {
		admin.Post(t, "/v1/schedules", `{"type":"bulk-jobs","cron":"@yearly","payload":`+payload+`}`).Want(t, 201)
	}
	for range 25 {
		o.adminPaper()
	}
	o.look(true)
	return o
}

func (o *powersOracle) text(kind string) string {
	o.made++
	return fmt.Sprintf("%s%07dz", kind, o.made)
}

func (o *powersOracle) one(list ...string) string { return list[o.rnd.Intn(len(list))] }

func (o *powersOracle) pick(typ string) string {
	ids := o.ids[typ]
	if len(ids) == 0 {
		return "none"
	}
	return ids[o.rnd.Intn(len(ids))]
}

func (o *powersOracle) paper(full bool) map[string]any {
	doc := map[string]any{"title": o.text("t"), "topic": o.one("open", "open", "closed"), "embargo": o.rnd.Intn(6) == 0, "score": o.rnd.Intn(8)}
	if o.rnd.Intn(3) == 0 && len(o.ids["papers"]) > 0 {
		doc["parent"] = o.pick("papers")
	}
	c := map[string]any{"name": o.text("n")}
	if full {
		doc["secret"], c["fee"] = o.text("h"), o.text("f")
	}
	doc["credits"] = []any{c}
	return doc
}

func (o *powersOracle) adminPaper() {
	o.admin.Post(o.t, "/v1/papers?id="+o.text("r")+"&status="+o.one("draft", "stable"), o.paper(true))
}

// step is one change of the admin now and then, and one request of a principal.
func (o *powersOracle) step() {
	o.t.Helper()
	if o.rnd.Intn(3) == 0 {
		o.adminStep()
	}
	who := o.names[o.rnd.Intn(len(o.names))]
	kind, method, path, body, opts := o.request(who)
	if o.rnd.Intn(5) == 0 && method != "GET" {
		opts = append(opts, apitest.Header("Idempotency-Key", o.text("k")))
		o.send(who, kind, method, path, body, opts)
		if o.rnd.Intn(2) == 0 { // the state may be forbidden by the time the answer is given again
			for _, id := range o.ids["papers"] {
				if strings.Contains(path+fmt.Sprint(body), id) {
					o.admin.Patch(o.t, "/v1/papers/"+id, apitest.MergePatch, map[string]any{"embargo": true, "topic": "closed", "secret": o.text("h")})
				}
			}
			o.look(false)
		}
		kind = "again " + kind
	}
	o.send(who, kind, method, path, body, opts)
}

func (o *powersOracle) adminStep() {
	path := "/v1/papers/" + o.pick("papers")
	switch o.rnd.Intn(6) {
	case 0, 1:
		o.adminPaper()
	case 2, 3:
		o.admin.Patch(o.t, path, apitest.MergePatch, map[string]any{"topic": o.one("open", "closed"), "embargo": o.rnd.Intn(4) == 0, "secret": o.text("h")})
	case 4:
		o.admin.Post(o.t, path+":restore", nil)
	case 5:
		o.admin.Post(o.t, path+":switch", map[string]any{"revision": 1 + o.rnd.Intn(3)})
	}
	o.look(false)
}

// send asks as one principal, and judges what is answered and what was done.
func (o *powersOracle) send(who, kind, method, path string, body any, opts []apitest.Option) {
	o.t.Helper()
	sent := path
	if text, ok := body.(string); ok {
		sent += text
	} else if body != nil {
		b, _ := json.Marshal(body)
		sent += string(b)
	}
	r := o.who[who].Do(o.t, method, path, body, opts...)
	o.asked++
	o.counts[strings.TrimPrefix(who, "key:")+" "+kind+" "+fmt.Sprint(r.Status/100*100)]++
	if r.Status == 401 || r.Status >= 500 {
		o.fail("%s: %s is %d: %s", who, r.What, r.Status, r.Body)
	}
	if kind == "rotate" && r.Status == 200 && r.Text("/meta/created_by") != who && r.Text("/data/name") != strings.TrimPrefix(who, "key:") {
		o.fail("%s made a new secret for %s: %s", who, path, r.Body)
	}
	if id := r.Text("/meta/id"); r.Status == 202 && id != "" {
		ended(o.t, o.admin, "/v1/bulk-jobs/"+id)
	}
	// What the principal may know is what it might know before or after.
	before := o.knows(who)
	o.look(strings.Contains(path, "api-keys") || !strings.Contains(path, "papers"))
	after := o.knows(who)
	for _, x := range planted.FindAllString(string(r.Body), -1) {
		if !before[x] && !after[x] && !strings.Contains(sent, x) && !strings.HasPrefix(x, "sha256:") {
			o.fail("%s: %s tells %s: %.600s", who, r.What, x, r.Body)
		}
	}
}

func (o *powersOracle) fail(format string, args ...any) {
	o.t.Helper()
	if o.wrong++; o.wrong < 10 {
		o.t.Errorf(format, args...)
	}
}

// knows are the texts that a principal may know of papers now.
func (o *powersOracle) knows(who string) map[string]bool {
	p, out := powers[who], map[string]bool{}
	for _, id := range o.ids["papers"] {
		k := o.tracks["papers/"+id]
		if k.purged || !p.may(k.states[len(k.states)-1].data, k.owner) {
			continue
		}
		out[id] = true
		for _, s := range k.states {
			if p.may(s.data, k.owner) {
				for _, x := range planted.FindAllString(fmt.Sprint(withoutNames(s.data, p.hidden)), -1) {
					out[x] = true
				}
			}
		}
	}
	return out
}

var powersTypes = []string{"papers", "api-keys", "roles", "bindings", "schedules", "webhooks"}

// look finds what changed since the last time and judges each event.
func (o *powersOracle) look(all bool) {
	o.t.Helper()
	for _, typ := range powersTypes {
		if !all && typ != "papers" {
			continue
		}
		path := fmt.Sprintf("/v1/%s?include_deleted=true&consistency=strong&returns=meta&page_size=1000&order_by=meta.seq&filter=%s", typ, query(fmt.Sprintf("meta.seq > %d", o.last[typ])))
		for _, x := range o.admin.Get(o.t, path).Want(o.t, 200).Items() {
			meta := x.(map[string]any)["meta"].(map[string]any)
			o.last[typ] = max(o.last[typ], int(meta["seq"].(float64)))
			o.follow(typ, meta["id"].(string), meta["created_by"].(string))
		}
	}
}

// follow judges the events of one resource that are new.
func (o *powersOracle) follow(typ, id, owner string) {
	o.t.Helper()
	at := "/v1/" + typ + "/" + id
	k := o.tracks[typ+"/"+id]
	if k == nil {
		k = &track{owner: owner}
		o.tracks[typ+"/"+id] = k
		o.ids[typ] = append(o.ids[typ], id)
	}
	r := o.admin.Get(o.t, at+"/history?page_size=1000")
	if r.Status == 404 {
		return // purged since; told by settle
	}
	for _, x := range r.Want(o.t, 200).Items() {
		h := x.(map[string]any)
		seq := int(h["seq"].(float64))
		if seq <= k.seq {
			continue
		}
		k.seq = seq
		action, who := h["action"].(string), h["principal"].(string)
		if action == "purged" {
			continue
		}
		if action == "created" { // perhaps of another life of the id
			k.owner, k.states = owner, nil
		}
		_, number, _ := strings.Cut(h["revision"].(string), ":")
		rev := o.admin.Get(o.t, at+"/revisions/"+number)
		if rev.Status != 200 {
			return
		}
		data, _ := rev.Value("/data").(map[string]any)
		now := deed{data, action == "deleted"}
		var before *deed
		if n := len(k.states); n > 0 {
			before = &k.states[n-1]
		}
		if who != "admin" && who != "system:webhooks" {
			o.judged++
			if why := o.judge(typ, id, who, action, before, now, k.owner); why != "" {
				o.fail("%s of %s by %s: %s\nbefore %v\nafter  %v", action, at, who, why, before, now)
			}
		}
		if typ == "api-keys" {
			name, _ := data["name"].(string)
			if first, had := o.keys[name]; had && first != id && who != "admin" {
				o.fail("%s gave the name %s of the key %s to %s", who, name, first, id)
			}
			o.keys[name] = id
		}
		k.states = append(k.states, now)
	}
	k.purged = false
}

// judge tells why an event may not be, or nothing.
func (o *powersOracle) judge(typ, id, who, action string, before *deed, now deed, owner string) string {
	p, known := powers[who]
	switch {
	case typ == "papers":
		if !known || !slices.Contains(p.writes, action) {
			return "no right to it"
		}
		if before != nil && !p.may(before.data, owner) {
			return "not allowed on the state before"
		}
		if !p.may(now.data, owner) {
			return "not allowed on the state after"
		}
		var was []any
		if before != nil {
			was = only(before.data, p.hidden)
		}
		if len(p.hidden) > 0 && !reflect.DeepEqual(was, only(now.data, p.hidden)) {
			return "changes what is hidden"
		}
		return ""
	case who == "key:ann", who == "key:keeper" && typ != "api-keys", who == "key:operator" && typ == "api-keys":
		return "no right to the type"
	case before != nil && !o.harmless(typ, who, before.data):
		return "what was there is stronger"
	case !o.harmless(typ, who, now.data):
		return "what it makes is stronger"
	}
	return ""
}

// harmless reports whether a key, role, binding, schedule or webhook gives a principal
// nothing that it has not.
func (o *powersOracle) harmless(typ, who string, data map[string]any) bool {
	switch typ {
	case "api-keys":
		groups, _ := data["groups"].([]any)
		name, _ := data["name"].(string)
		if who == "key:nearly" { // only itself is denied the same
			return name == "nearly" && len(groups) == 0
		}
		return who == "key:keeper" && len(groups) == 0 && (!slices.Contains(o.names, "key:"+name) || name == "keeper")
	case "roles":
		b, _ := json.Marshal(data["rules"])
		return who == "key:operator" && !strings.Contains(string(b), "admin") && !strings.Contains(string(b), "deny") && !strings.Contains(string(b), "delete") &&
			(string(b) == "[]" || strings.Contains(string(b), `"hide":["secret"]`))
	case "bindings":
		return who == "key:operator" && data["role"] == "within"
	case "schedules":
		payload, _ := data["payload"].(map[string]any)
		return who == "key:nearly" || payload["type"] == "bindings" || payload["type"] == "papers" && payload["op"] == "patch" // each binding is judged when it is written
	}
	return false // a webhook is told of papers that each of them may not see
}

// settle waits for what was begun and judges the purges, which the audit names.
func (o *powersOracle) settle() {
	o.t.Helper()
	apitest.Eventually(o.t, 20*time.Second, "no job is under way", func() bool {
		for _, id := range o.ids["schedules"] {
			o.admin.Delete(o.t, "/v1/schedules/"+id)
		}
		return o.admin.Get(o.t, "/v1/bulk-jobs:count?consistency=strong&filter="+query(`in(meta.job.state, "pending", "running", "scheduled")`)).Want(o.t, 200).Int("/count") == 0
	})
	o.look(true)
	for token := ""; ; {
		path := "/v1/audit?consistency=strong&outcome=ok&action=purged&page_size=1000"
		if token != "" {
			path += "&page_token=" + query(token)
		}
		r := o.admin.Get(o.t, path).Want(o.t, 200)
		for _, x := range r.Items() {
			a := x.(map[string]any)
			typ, id, who := a["type"].(string), a["id"].(string), a["principal"].(string)
			k := o.tracks[typ+"/"+id]
			if who == "admin" || k == nil || len(k.states) == 0 || int(a["seq"].(float64)) < k.seq {
				continue
			}
			last := k.states[len(k.states)-1]
			o.judged++
			if why := o.judge(typ, id, who, "purged", &last, last, k.owner); why != "" {
				o.fail("purge of %s %s by %s: %s: %v", typ, id, who, why, last)
			}
		}
		if token = r.Text("/next_page_token"); token == "" {
			return
		}
	}
}
