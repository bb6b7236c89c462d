package tests_test

import (
	"encoding/base64"
	"fmt"
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// The oracle knows every state that the resources ever had, read as the admin, and
// decides by a few lines of its own what ann, or a caller without a credential, may know.
// Every text that is written is used once, so whatever shows up in an answer can be
// traced to where it is from.

// paper is a state of a resource.
type paper struct {
	data    map[string]any
	owner   string
	anns    bool // it is ann's own
	number  int  // of its revision
	deleted bool
	hash    string   // of all of the content
	texts   []string // in what is shown of it
	partly  bool     // something of it is hidden
}

// may is what the policy of the test says about a state, said once more.
func (p paper) may() bool {
	return p.data["embargo"] == false && (p.data["topic"] == "open" || p.anns)
}

// shown is the content without what is hidden.
func (p paper) shown() map[string]any {
	out := map[string]any{}
	for k, v := range p.data {
		switch k {
		case "secret", "scan":
		case "credits":
			list := []any{}
			for _, c := range v.([]any) {
				list = append(list, map[string]any{"name": c.(map[string]any)["name"]})
			}
			out[k] = list
		default:
			out[k] = v
		}
	}
	return out
}

// life is the states of a resource, oldest first.
type life struct {
	states []paper
	former []paper // of earlier lives, which were purged
	seq    int     // of the newest
	purged bool
}

func (l *life) head() paper { return l.states[len(l.states)-1] }

// known reports whether ann may know that it is there.
func (l *life) known() bool { return !l.purged && l.head().may() }

// listed reports whether it is among the live ones that ann may list.
func (l *life) listed() bool { return l.known() && !l.head().deleted }

// planted is a text of the test's own: of a kind, with a number that is used once.
var planted = regexp.MustCompile(`[a-z]\d{7}z|sha256:[0-9a-f]{64}`)

type oracle struct {
	t      *testing.T
	admin  *apitest.Client
	ann    *apitest.Client // or a caller without a credential
	named  bool            // it is ann
	rnd    *rand.Rand
	made   int
	lives  map[string]*life
	ids    []string          // of all, in the order in which they were made
	blobs  map[string]string // digest -> what is in it
	asked  int               // requests of ann
	leaks  int
	counts map[string]int // of requests, by kind and status
}

// text makes one that no other resource has.
func (o *oracle) text(kind string) string {
	o.made++
	return fmt.Sprintf("%s%07dz", kind, o.made)
}

// refresh reads a resource as the admin and remembers its state when it is new.
func (o *oracle) refresh(id string) *life {
	o.t.Helper()
	l := o.lives[id]
	r := o.admin.Get(o.t, "/v1/papers/"+id+"?include_deleted=true")
	if r.Status == 404 {
		if l != nil {
			l.purged, l.states, l.former = true, nil, append(l.former, l.states...)
		}
		return l
	}
	r.Want(o.t, 200)
	if l == nil {
		l = &life{}
		o.lives[id] = l
		o.ids = append(o.ids, id)
	}
	if seq := r.Int("/meta/seq"); seq != l.seq || l.purged {
		p := paper{owner: r.Text("/meta/created_by"), number: r.Int("/revision/number"), hash: r.Text("/revision/hash"), deleted: r.Value("/meta/deleted") == true}
		p.data, _ = r.Value("/data").(map[string]any)
		p.anns = o.named && p.owner == "key:ann"
		p.texts = planted.FindAllString(fmt.Sprint(p.shown()), -1)
		p.partly = len(p.shown()) != len(p.data) || len(p.texts) != len(planted.FindAllString(fmt.Sprint(p.data), -1))
		l.states, l.seq, l.purged = append(l.states, p), seq, false
	}
	return l
}

// visible are all texts that ann may know now.
func (o *oracle) visible() map[string]bool {
	out := map[string]bool{}
	for id, l := range o.lives {
		if !l.known() {
			continue
		}
		out[id] = true
		for _, p := range l.states {
			if p.may() {
				for _, x := range p.texts {
					out[x] = true
				}
			}
		}
	}
	for digest, content := range o.blobs {
		if out[digest] {
			out[content] = true
		}
	}
	return out
}

// hidden are the digests of whole contents of which ann sees a part or nothing.
func (o *oracle) hidden() map[string]bool {
	out := map[string]bool{}
	for _, l := range o.lives {
		for _, p := range l.states {
			if p.partly || !p.may() {
				out[p.hash] = true
			}
		}
	}
	return out
}

var pageToken = regexp.MustCompile(`"next_page_token":"([^"]+)"`)

// search finds in an answer what ann may not know. What ann said itself is no
// secret.
func (o *oracle) search(request string, r *apitest.Response) {
	o.t.Helper()
	o.asked++
	answer := string(r.Body)
	for name, values := range r.Header {
		answer += "\n" + name + ": " + strings.Join(values, " ")
	}
	for _, m := range pageToken.FindAllStringSubmatch(answer, -1) {
		raw, err := base64.RawURLEncoding.DecodeString(m[1])
		if err == nil {
			answer += "\n" + string(raw)
		}
	}
	o.judge(request, r.What, answer)
}

func (o *oracle) judge(request, what, answer string) {
	o.t.Helper()
	found := planted.FindAllString(answer, -1)
	visible, hidden := map[string]bool(nil), map[string]bool(nil)
	for _, x := range found {
		if strings.Contains(request, x) {
			continue
		}
		if visible == nil {
			visible, hidden = o.visible(), o.hidden()
		}
		bad := !visible[x]
		if strings.HasPrefix(x, "sha256:") && !visible[x] { // the digest of a binary, or of what is shown
			_, binary := o.blobs[x]
			bad = binary || hidden[x]
		}
		if bad {
			if o.leaks++; o.leaks < 20 {
				o.t.Errorf("request %d, %s tells %s:\n%.900s\n(sent: %.300s)", o.asked, what, x, answer, request)
			}
			return
		}
	}
	for _, word := range []string{`"secret"`, `"scan"`, `"fee"`} {
		if strings.Contains(answer, word) && !strings.Contains(request, strings.Trim(word, `"`)) {
			if o.leaks++; o.leaks < 20 {
				o.t.Errorf("request %d, %s names %s: %.500s", o.asked, what, word, answer)
			}
		}
	}
}

// pick is some resource that was made, the newer ones more often.
func (o *oracle) pick() string {
	n := len(o.ids)
	if o.rnd.Intn(3) > 0 && n > 40 {
		return o.ids[n-40+o.rnd.Intn(40)]
	}
	return o.ids[o.rnd.Intn(n)]
}

// question is a filter with what it means.
type question struct {
	filter string
	means  func(p paper) bool
}

func (o *oracle) question() question {
	score := o.rnd.Intn(20)
	has := func(p paper, is func(n int) bool) bool { n, ok := p.data["score"].(float64); return ok && is(int(n)) }
	all := []question{
		{"", func(paper) bool { return true }},
		{fmt.Sprintf("score >= %d", score), func(p paper) bool { return has(p, func(n int) bool { return n >= score }) }},
		{fmt.Sprintf("NOT score = %d", score), func(p paper) bool { return has(p, func(n int) bool { return n != score }) }},
		{`topic = "closed"`, func(p paper) bool { return p.data["topic"] == "closed" }},
		{`topic = "open" OR embargo = true`, func(p paper) bool { return p.data["topic"] == "open" || p.data["embargo"] == true }},
		{`meta.created_by != "key:ann"`, func(p paper) bool { return p.owner != "key:ann" }},
		{`isNull(parent)`, func(p paper) bool { return p.data["parent"] == nil }},
		{`startsWith(title, "t")`, func(p paper) bool { s, _ := p.data["title"].(string); return strings.HasPrefix(s, "t") }},
	}
	return all[o.rnd.Intn(len(all))]
}

// expected are the ids that a list has to have for ann.
func (o *oracle) expected(q question) []string {
	out := []string{}
	for id, l := range o.lives {
		if l.listed() && q.means(l.head()) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
