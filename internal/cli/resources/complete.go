package resources

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/internal/cli/grammar"
	"github.com/autocrud-go/autocrud/internal/cli/remote"
)

// probing is how long completion waits for the server.
const probing = 2 * time.Second

// FileDirective is the only candidate where a name of a file is meant.
const FileDirective = ":file"

// Connected is a command that talks to a server.
type Connected interface{ Connect() Connection }

// Connect is how the command does.
func (c *Connection) Connect() Connection { return *c }

// completing is one completion under way. What fails offers nothing.
type completing struct {
	e *Env
	s remote.Server
	p grammar.Place
}

// Candidates are the words that the server knows for a place.
func Candidates(ctx context.Context, p grammar.Place) []grammar.Candidate {
	switch p.Kind {
	case "file":
		return []grammar.Candidate{{Word: FileDirective}}
	case "output":
		return named(outputs)
	case "action":
		return named(rights)
	case "context":
		contexts, err := remote.Load()
		if err != nil {
			return nil
		}
		return named(contexts.Names())
	}
	given, ok := p.Given.(Connected)
	if !ok {
		return nil
	}
	connection := given.Connect()
	s, err := connection.Server()
	if err != nil {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, probing)
	defer stop()
	c := completing{&Env{Ctx: ctx, Out: io.Discard, Err: io.Discard}, s, p}
	return c.candidates()
}

func named(words []string) (out []grammar.Candidate) {
	for _, w := range words {
		out = append(out, grammar.Candidate{Word: w})
	}
	return out
}

func (c completing) candidates() []grammar.Candidate {
	switch c.p.Kind {
	case "type":
		return c.types(func(*served) bool { return true })
	case "jobtype":
		return c.types(func(t *served) bool { return t.Job != nil })
	case "resource":
		return c.resources(func(*served) bool { return true }, "")
	case "deleted":
		return c.resources(func(*served) bool { return true }, "only_deleted")
	case "job":
		return c.resources(func(t *served) bool { return t.Job != nil }, "")
	case "explain":
		return c.explained()
	case "filter", "order", "field":
		return c.fields()
	}
	return nil
}

func (c completing) types(wanted func(*served) bool) (out []grammar.Candidate) {
	all, err := allTypes(c.e, c.s)
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(mapKeys(all)) {
		if wanted(all[name]) {
			out = append(out, grammar.Candidate{Word: name, Help: all[name].Title})
		}
	}
	return out
}

// offered is how many ids are offered at most.
const offered = 200

// resources are types first, then ids of the type, or TYPE/ID.
func (c completing) resources(wanted func(*served) bool, more string) (out []grammar.Candidate) {
	typ, prefix, slash := strings.Cut(c.p.Word, "/")
	if !slash {
		if len(c.p.Words) == 0 || strings.Contains(c.p.Words[0], "/") {
			return c.types(wanted)
		}
		typ, prefix = c.p.Words[0], c.p.Word
	}
	q := url.Values{"page_size": {"200"}, "returns": {"meta"}, "order_by": {"meta.id"}, "consistency": {"eventual"}}
	if prefix != "" {
		if !idPattern.MatchString(prefix) {
			return nil
		}
		q.Set("filter", `startsWith(meta.id, "`+prefix+`")`)
	}
	if more != "" {
		q.Set(more, "true")
	}
	var page struct{ Items []envelope }
	if _, err := c.s.Get(c.e.Ctx, typePath(typ), q, &page); err != nil {
		return nil
	}
	for _, x := range page.Items[:min(offered, len(page.Items))] {
		word := x.Meta.ID
		if slash {
			word = typ + "/" + word
		}
		if !slices.Contains(c.p.Words, word) {
			out = append(out, grammar.Candidate{Word: word})
		}
	}
	return out
}

// fields complete the last name of a filter, an order or a list of columns.
func (c completing) fields() (out []grammar.Candidate) {
	typ := ""
	switch g := c.p.Given.(type) {
	case *Get:
		typ = firstOf(g.Targets...)
	case *Watch:
		typ = firstOf(g.Target...)
	case interface{ TypeName() string }:
		typ = g.TypeName()
	}
	typ, _, _ = strings.Cut(typ, "/")
	if typ == "" {
		return nil
	}
	t, err := typeOf(c.e, c.s, typ)
	if err != nil {
		return nil
	}
	names := append(t.fields(), metaFields...)
	if t.Job != nil {
		names = append(names, jobFields...)
	}
	if c.p.Kind == "field" {
		for _, path := range paths(t.Schema) {
			if !slices.Contains(names, path) {
				names = append(names, path)
			}
		}
	}
	begun := c.p.Word[:1+strings.LastIndexFunc(c.p.Word, func(r rune) bool {
		return !(r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r > 0x7f)
	})]
	for _, n := range names {
		out = append(out, grammar.Candidate{Word: begun + n})
	}
	return out
}

// paths are the fields of a schema, those of objects dotted.
func paths(schema json.RawMessage) []string {
	var root map[string]any
	if json.Unmarshal(schema, &root) != nil {
		return nil
	}
	var out []string
	var walk func(at map[string]any, prefix string, depth int)
	walk = func(at map[string]any, prefix string, depth int) {
		props := properties(objectOf(root, at))
		for _, name := range slices.Sorted(mapKeys(props)) {
			out = append(out, prefix+name)
			if next, ok := props[name].(map[string]any); ok && depth < 5 {
				walk(next, prefix+name+".", depth+1)
			}
		}
	}
	walk(root, "", 0)
	return out
}

// explained are types, and behind a dot the fields of one.
func (c completing) explained() (out []grammar.Candidate) {
	typ, _, dot := strings.Cut(c.p.Word, ".")
	if !dot {
		return c.types(func(*served) bool { return true })
	}
	t, err := typeOf(c.e, c.s, typ)
	if err != nil {
		return nil
	}
	for _, path := range paths(t.Schema) {
		out = append(out, grammar.Candidate{Word: typ + "." + path})
	}
	return out
}
