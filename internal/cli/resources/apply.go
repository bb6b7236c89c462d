package resources

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// Apply makes resources be as files declare them.
type Apply struct {
	Connection
	File     []string `short:"f" complete:"file" help:"Files and folders of JSON, YAML or NDJSON documents {type, id, data}; - is stdin."`
	DryRun   bool     `name:"dry-run" help:"Say what would happen, and change nothing."`
	Prune    bool     `help:"Delete what --selector matches, of the types in the files, and no file declares."`
	Selector string   `complete:"filter" help:"Filter of what --prune may delete."`
	Parallel int      `default:"16" help:"Requests at the same time."`
}

// The outcomes of a document.
const (
	created   = "created"
	changed   = "changed"
	unchanged = "unchanged"
)

// applied is a document on its way.
type applied struct {
	document
	outcome string // empty: it was refused
	why     error
	is      *envelope // the stored state; nil: none
	depth   int       // how many others come before it
}

// Run applies. What is refused is told on stderr and does not stop the others.
func (c *Apply) Run(e *Env) error {
	if c.Parallel < 1 || c.Parallel > 256 {
		return usage("--parallel is from 1 to 256")
	}
	if c.Prune != (c.Selector != "") {
		return usage("--prune and --selector go together: the selector bounds what may be deleted")
	}
	docs, err := declaredIn(e, c.File)
	if err != nil {
		return err
	}
	s, err := c.Server()
	if err != nil {
		return err
	}
	a := &applying{e: e, s: s, parallel: c.Parallel, dry: c.DryRun}
	if err := a.prepare(docs); err != nil {
		return err
	}
	refused := a.all()
	if c.Prune {
		if refused > 0 {
			return failed("%d refused; nothing was pruned", refused)
		}
		return a.prune(c.Selector)
	}
	if refused > 0 {
		return failed("%d of %d refused", refused, len(docs))
	}
	return nil
}

// declaredIn reads the files of a command that needs an id for each.
func declaredIn(e *Env, files []string) ([]document, error) {
	if len(files) == 0 {
		return nil, usage("which files? -f FILE, a folder, or - for stdin")
	}
	docs, err := readDocuments(files, e.In)
	if err != nil {
		return nil, &Failure{exitUsage, err.Error()}
	}
	if len(docs) == 0 {
		return nil, usage("there is no document in %s", strings.Join(files, ", "))
	}
	places := map[target]string{}
	for _, d := range docs {
		if d.id == "" {
			return nil, usage("%s: the id is missing; without one, `create -f` makes a new resource each time", d.place)
		}
		if first, twice := places[d.target]; twice {
			return nil, usage("%s: %s is declared in %s already", d.place, d.target, first)
		}
		places[d.target] = d.place
	}
	return docs, nil
}

type applying struct {
	e        *Env
	s        remote.Server
	parallel int
	dry      bool

	types map[string]*served
	docs  []*applied
	by    map[target]*applied
}

// prepare finds the stored state, and the order.
func (a *applying) prepare(docs []document) (err error) {
	if a.types, err = allTypes(a.e, a.s); err != nil {
		return err
	}
	a.by = map[target]*applied{}
	ids := map[string][]string{}
	for _, d := range docs {
		if a.types[d.typ] == nil {
			return usage("%s: there is no type %q that you may see", d.place, d.typ)
		}
		x := &applied{document: d}
		a.docs, a.by[d.target] = append(a.docs, x), x
		ids[d.typ] = append(ids[d.typ], d.id)
	}
	for _, x := range a.docs {
		a.types[x.typ].parse() // before others do at the same time
	}
	for typ, all := range ids {
		if err := a.find(typ, all); err != nil {
			return err
		}
	}
	a.order()
	return nil
}

// chunk is how many resources are looked for in one search.
const chunk = 200

// find reads the stored state of resources of a type, deleted or not.
func (a *applying) find(typ string, ids []string) error {
	var g errgroup.Group
	g.SetLimit(4)
	for part := range slices.Chunk(ids, chunk) {
		g.Go(func() error { return a.look(typ, part) })
	}
	return g.Wait()
}

func (a *applying) look(typ string, ids []string) error {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = `"` + id + `"`
	}
	answer, err := a.s.Do(a.e.Ctx, remote.Request{Method: http.MethodPost, Path: typePath(typ) + ":search", Body: map[string]any{
		"filter": "in(meta.id, " + strings.Join(quoted, ", ") + ")", "page_size": chunk, "include_deleted": true, "consistency": "strong"}})
	if remote.Code(err) == "permission_denied" {
		for _, id := range ids { // who may read may not list
			var x envelope
			switch _, err := a.s.Get(a.e.Ctx, resourcePath(typ, id), url.Values{"include_deleted": {"true"}}, &x); {
			case err == nil:
				a.by[target{typ, id}].is = &x
			case remote.Code(err) != "not_found":
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	var page struct {
		Items []*envelope `json:"items"`
	}
	if err := answer.Into(&page); err != nil {
		return err
	}
	for _, x := range page.Items {
		if d := a.by[target{typ, x.Meta.ID}]; d != nil {
			d.is = x
		}
	}
	return nil
}

// order puts each behind what it refers to. In a ring the first that is found comes first.
func (a *applying) order() {
	state := map[*applied]int{} // 1: being looked at, 2: done
	var visit func(x *applied)
	visit = func(x *applied) {
		state[x] = 1
		for _, t := range a.references(x) {
			to := a.by[t]
			if to == nil || state[to] == 1 {
				continue
			}
			if state[to] == 0 {
				visit(to)
			}
			x.depth = max(x.depth, to.depth+1)
		}
		state[x] = 2
	}
	for _, x := range a.docs {
		if state[x] == 0 {
			visit(x)
		}
	}
}

// references are the resources that a document names.
func (a *applying) references(x *applied) (out []target) {
	for path, ref := range a.types[x.typ].Refs {
		for _, id := range idsAt(x.data, strings.Split(path, ".")) {
			out = append(out, target{ref.Type, id})
		}
	}
	return out
}

// idsAt are the texts at a path, through lists.
func idsAt(v any, path []string) (out []string) {
	switch v := v.(type) {
	case string:
		if len(path) == 0 {
			id, _, _ := strings.Cut(v, ":") // of a revision: id:number
			return []string{id}
		}
	case []any:
		for _, e := range v {
			out = append(out, idsAt(e, path)...)
		}
	case map[string]any:
		if len(path) > 0 {
			return idsAt(v[path[0]], path[1:])
		}
	}
	return out
}

// all applies level by level and tells what was refused.
func (a *applying) all() (refused int) {
	levels := map[int][]*applied{}
	deepest := 0
	for _, x := range a.docs {
		levels[x.depth] = append(levels[x.depth], x)
		deepest = max(deepest, x.depth)
	}
	for depth := range deepest + 1 {
		var g errgroup.Group
		g.SetLimit(a.parallel)
		for _, x := range levels[depth] {
			g.Go(func() error {
				x.outcome, x.why = a.one(x)
				return nil
			})
		}
		_ = g.Wait() // each keeps its own error
		for _, x := range levels[depth] {
			if x.why != nil {
				refused++
				fmt.Fprintf(a.e.Err, "%s: %s: %s\n", show.Line(x.place), x.target, Explain(x.why))
				continue
			}
			fmt.Fprintf(a.e.Out, "%s %s\n", x.target, x.outcome)
		}
	}
	return refused
}

// one applies a document.
func (a *applying) one(x *applied) (string, error) {
	outcome := a.outcome(x)
	switch {
	case outcome == unchanged:
		return outcome, nil
	case a.dry:
		return outcome, a.check(x)
	}
	q := url.Values{"returns": {"meta"}}
	if x.status != "" {
		q.Set("status", x.status)
	}
	put := remote.Request{Method: http.MethodPut, Path: x.path(), Query: q, Body: x.body(), Header: http.Header{}}
	before := uint64(0)
	switch {
	case x.is == nil:
		put.Header.Set("If-None-Match", "*")
	case x.is.Meta.Deleted:
		if _, err := changing(a.e, a.s, x.target, post("restore", nil)(x.target)); err != nil {
			return "", err
		}
	default:
		before = x.is.Meta.Seq
	}
	answer, err := changing(a.e, a.s, x.target, put)
	if x.is == nil && remote.Code(err) == "precondition_failed" { // it was made meanwhile
		put.Header.Del("If-None-Match")
		outcome = changed
		answer, err = changing(a.e, a.s, x.target, put)
	}
	if err != nil {
		return "", err
	}
	var now envelope
	if err := answer.Into(&now); err != nil {
		return "", err
	}
	if before != 0 && now.Meta.Seq == before {
		outcome = unchanged // the server fills in more than we do
	}
	return outcome, nil
}

// outcome is what applying will do, as far as can be told from here.
func (a *applying) outcome(x *applied) string {
	switch {
	case x.is == nil:
		return created
	case x.is.Meta.Deleted || x.status != "" && x.status != x.is.Meta.Status:
		return changed
	}
	now, err := model.DecodeJSON(x.is.Data)
	if err != nil || !equal(a.filled(x), now) {
		return changed
	}
	return unchanged
}

// filled is the data with the defaults of the schema.
func (a *applying) filled(x *applied) any {
	if t := a.types[x.typ].parse(); t != nil {
		return t.Defaults(x.data)
	}
	return x.data
}

// check says before a dry run ends what the schema refuses.
func (a *applying) check(x *applied) error {
	t := a.types[x.typ].parse()
	if t == nil {
		return nil
	}
	return explained(t.Validate(a.filled(x)))
}

// prune deletes what no file declares, what refers first.
func (a *applying) prune(selector string) error {
	var gone []target
	types := map[string]bool{}
	for _, x := range a.docs {
		types[x.typ] = true
	}
	for _, typ := range slices.Sorted(mapKeys(types)) {
		var page []envelope
		err := listed(a.e, a.s, typ, selector, &page)
		if err != nil {
			return err
		}
		for _, x := range page {
			if t := (target{typ, x.Meta.ID}); a.by[t] == nil {
				gone = append(gone, t)
			}
		}
	}
	for len(gone) > 0 {
		var held []target
		var why error
		for _, t := range gone {
			if !a.dry {
				if _, err := changing(a.e, a.s, t, remote.Request{Method: http.MethodDelete, Path: t.path()}); remote.Code(err) == "referenced" {
					held, why = append(held, t), fmt.Errorf("%s: %w", t, err)
					continue
				} else if err != nil && remote.Code(err) != "deleted" {
					return err
				}
			}
			fmt.Fprintf(a.e.Out, "%s deleted\n", t)
		}
		if len(held) == len(gone) {
			return why
		}
		gone = held
	}
	return nil
}
