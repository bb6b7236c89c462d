package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// How many resources a plan names, and how many places of each.
const (
	maxOffenders = 10
	maxPlaces    = 5
)

// Asked is what a plan is about.
type Asked struct {
	Types []*model.Type // as they would be
	// Base are the models that data was written by, by type; none for those whose
	// model was not recorded.
	Base map[string]*Written
	// Gone are types that have data, or a recorded model, and are in no model any more.
	Gone []string
	// Rules are the rules of roles that can no longer work, by type.
	Rules map[string][]string
	// Here leaves unique values and references to who takes them over, and the
	// number of rows uncounted: it looks at what a start has to know.
	Here bool
	// Constraints looks at unique values and references although Here.
	Constraints bool
}

// Make looks at what changes, and at the data where that has to decide.
func Make(ctx context.Context, s Source, a Asked) (*Report, error) {
	var todo []*examination
	for _, t := range a.Types {
		x := newExamination(t, a.Base[t.Name], a)
		x.rules = a.Rules[t.Name]
		todo = append(todo, x)
	}
	for _, typ := range a.Gone {
		todo = append(todo, &examination{plan: TypePlan{Type: typ}, gone: true, counts: true})
	}
	slices.SortFunc(todo, func(x, y *examination) int { return strings.Compare(x.plan.Type, y.plan.Type) })
	if err := examine(ctx, s, todo); err != nil {
		return nil, err
	}
	out := &Report{Types: []TypePlan{}}
	for _, x := range todo {
		if x.gone && x.live == 0 {
			continue // nothing is lost
		}
		out.Types = append(out.Types, x.judged())
	}
	return out, nil
}

// examination is what is found out about one type.
type examination struct {
	plan TypePlan
	t    *model.Type
	old  *Written // nil: it is not known
	now  *Written
	gone bool

	reads  bool     // the resources are read and checked
	counts bool     // they are counted
	alike  bool     // no content is read in another way than before
	widens bool     // the schema refuses nothing that it allowed
	rules  []string // that can no longer work
	fields []string // that are newly indexed, or of another kind
	unique [][]string
	refs   []string

	live, rows int
	held       map[name]uint64 // who has a unique value
	found      map[string]bool // the kinds of change that resources do not fit
	named      int             // resources among the offenders
}

func newExamination(t *model.Type, old *Written, a Asked) *examination {
	x := &examination{t: t, old: old, now: Describe(t), plan: TypePlan{Type: t.Name}, held: map[name]uint64{}, found: map[string]bool{}}
	if old == nil {
		x.reads = true
	} else {
		x.plan.Changes = compare(old, x.now)
		x.widens = old.widens(x.now)
		x.alike = old.readsAllAlike(x.now) || old.Same(x.now)
	}
	for _, f := range x.now.Index {
		if compositeOf(f) == nil && (old == nil || !slices.Contains(old.Index, f)) {
			path, _, _ := strings.Cut(f, " ")
			x.fields = append(x.fields, path)
		}
	}
	if !a.Here || a.Constraints {
		x.constraints()
	}
	x.reads = x.reads || !x.widens || !x.alike || len(x.fields)+len(x.unique)+len(x.refs) > 0 || old.Unfit > 0 && !(a.Here && old.Same(x.now))
	x.counts = !a.Here && slices.ContainsFunc(x.plan.Changes, func(c Change) bool { return c.Effect == Rebuild })
	return x
}

// constraints finds the unique values and references that the data was not checked
// for. Content that is read in another way is checked anew.
func (x *examination) constraints() {
	for _, u := range x.t.Unique {
		kept := x.old != nil && slices.ContainsFunc(x.old.Unique, func(k []string) bool { return slices.Equal(k, u) })
		if !kept || !x.alike || slices.ContainsFunc(u, func(f string) bool { return slices.Contains(x.fields, f) }) {
			x.unique = append(x.unique, u)
		}
	}
	for path, ref := range x.t.Refs {
		kept := x.old == nil || x.old.Refs[path].Type == ref.Type
		if !kept || !x.alike && ref.OnDelete != model.Dangling { // which may lead nowhere later
			x.refs = append(x.refs, path)
		}
	}
	slices.Sort(x.refs)
}

// examine reads the resources of the types that need it.
func examine(ctx context.Context, s Source, todo []*examination) error {
	all, of, targets := map[string]bool{}, map[string]*examination{}, map[string]bool{}
	rows := map[string]bool{}
	for _, x := range todo {
		if !x.reads && !x.counts {
			continue
		}
		of[x.plan.Type] = x
		all[x.plan.Type], rows[x.plan.Type] = true, true
		for _, path := range x.refs {
			targets[x.t.Refs[path].Type], all[x.t.Refs[path].Type] = true, true
		}
	}
	if len(all) == 0 {
		return nil
	}
	passes := uint64(2)
	if len(targets) > 0 {
		passes = 3
	}
	r, err := newReading(ctx, s, all, passes)
	if err != nil {
		return err
	}
	there := map[name]int{} // revisions of the resources that may be referred to
	if len(targets) > 0 {
		if err := r.events(ctx, targets, func(e *storage.Event) error {
			if !e.Meta.Deleted {
				there[nameOf(e.Meta.Type, e.Meta.ID)] = e.Meta.RevisionCount
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return r.events(ctx, rows, func(e *storage.Event) error {
		return of[e.Meta.Type].event(ctx, r, there, e)
	})
}

// event looks at the state of one resource.
func (x *examination) event(ctx context.Context, r *reading, there map[name]int, e *storage.Event) error {
	x.rows++
	if !e.Meta.Deleted {
		x.live++
	}
	if !x.reads || x.gone {
		return nil
	}
	content, err := r.content(ctx, e)
	switch {
	case errors.Is(err, errUnreadable) && e.Meta.Deleted:
		return nil
	case errors.Is(err, errUnreadable):
		x.plan.Unreadable++
		return nil
	case err != nil:
		return err
	case e.Meta.Deleted:
		if x.refuses(e, content) {
			x.plan.DeletedUnfit++
		}
		return nil
	}
	x.plan.Checked++
	return x.row(ctx, r, there, e, content)
}

// refuses reports whether a resource does not fit the schema, whatever its values are
// beside those of others.
func (x *examination) refuses(e *storage.Event, content []byte) bool {
	return model.Misfit(x.t, content, e.Revision.SchemaVersion)
}

// row checks one resource as it would be read.
func (x *examination) row(ctx context.Context, r *reading, there map[name]int, e *storage.Event, content []byte) error {
	o := offence{x: x, id: e.Meta.ID}
	defer o.end()
	read, err := model.Read(x.t, content, e.Revision.SchemaVersion)
	if err != nil {
		o.add(kindSchema, "", err.Error())
		return nil
	}
	for _, f := range read.Misfits() {
		o.add(x.kindOf(read, f), f.Pointer, f.Detail)
	}
	if read.Migration != nil {
		return nil
	}
	values := read.Values
	if len(x.unique)+len(x.refs) == 0 {
		return nil
	}
	byName := make(map[string]query.Value, len(values))
	for i, f := range x.t.Definition().Fields {
		byName[f.Name] = values[i]
	}
	x.references(&o, there, byName)
	return x.uniques(ctx, r, &o, e, byName)
}

// kindOf is the part of the model that a place does not fit.
func (x *examination) kindOf(read model.Reading, f fault.FieldError) string {
	switch {
	case read.Migration != nil:
		return kindMigrations
	case !slices.Contains(read.Schema, f) && slices.Contains(x.fields, pathOf(f.Pointer)):
		return kindIndex
	}
	return kindSchema
}

func (x *examination) references(o *offence, there map[name]int, values map[string]query.Value) {
	for _, path := range x.refs {
		ref := x.t.Refs[path]
		for _, v := range model.Targets(values[path]) {
			id, number, ok := ref.Target(v)
			revisions, exists := there[nameOf(ref.Type, id)]
			switch {
			case !ok:
				o.add(kindRefs, pointerTo(path), fmt.Sprintf("%q is no id", v))
			case !exists:
				o.add(kindRefs, pointerTo(path), fmt.Sprintf("there is no %s %q", ref.Type, id))
			case number > revisions:
				o.add(kindRefs, pointerTo(path), fmt.Sprintf("%s %q has no revision %d", ref.Type, id, number))
			}
		}
	}
}

func (x *examination) uniques(ctx context.Context, r *reading, o *offence, e *storage.Event, values map[string]query.Value) error {
	for _, fields := range x.unique {
		key, ok := model.UniqueKey(fields, values)
		if !ok {
			continue
		}
		n := nameOf(strings.Join(fields, ","), key)
		first, taken := x.held[n]
		if !taken {
			x.held[n] = e.Seq
			continue
		}
		holder := "another one"
		if o.shown() {
			entry, err := r.Log.At(ctx, first)
			if err == nil {
				_, holder, _ = storage.SplitRevisionSubject(entry.Subject)
			} else if !errors.Is(err, storage.ErrNotFound) {
				return err
			}
		}
		o.add(kindUnique, pointerTo(fields[0]), fmt.Sprintf("%s has the same %s", holder, strings.Join(fields, ", ")))
	}
	return nil
}

// pathOf is the dotted path of a place: without its places in lists.
func pathOf(pointer string) string {
	names := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	names = slices.DeleteFunc(names, func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" })
	return strings.Join(names, ".")
}

func pointerTo(path string) string { return "/" + strings.ReplaceAll(path, ".", "/") }

// offence is what is wrong with one resource.
type offence struct {
	x  *examination
	id string
	at []string // the places
}

// shown reports whether another place of the resource would be named.
func (o *offence) shown() bool { return o.x.named < maxOffenders && len(o.at) < maxPlaces }

func (o *offence) add(kind, pointer, detail string) {
	o.x.found[kind] = true
	if slices.Contains(o.at, pointer) {
		return // one reason is enough
	}
	if o.at = append(o.at, pointer); o.x.named < maxOffenders && len(o.at) <= maxPlaces {
		o.x.plan.Offenders = append(o.x.plan.Offenders, Offender{o.id, pointer, detail})
	}
}

func (o *offence) end() {
	if len(o.at) == 0 {
		return
	}
	o.x.plan.Unfit++
	o.x.named++
}

// judged gives each change the effect that the data showed.
func (x *examination) judged() TypePlan {
	p := x.plan
	switch {
	case x.gone:
		p.Changes = []Change{{kindType, Breaking, fmt.Sprintf("it has no model any more, and %d live resources", x.live)}}
	case x.old == nil && x.rows == 0:
		p.Changes = []Change{{kindType, None, "it is new"}}
	case x.old == nil:
		p.Changes = []Change{{kindSchema, None, "it was not recorded which model the data was written by: every resource was read"}}
	}
	if x.counts {
		for i, c := range p.Changes {
			if c.Effect == Rebuild {
				p.Changes[i].Detail = fmt.Sprintf("%s (%d rows)", c.Detail, x.rows)
			}
		}
	}
	for _, kind := range []string{kindMigrations, kindSchema, kindIndex, kindUnique, kindRefs} {
		if x.found[kind] && !(x.old != nil && x.widens && x.alike && (kind == kindSchema || kind == kindMigrations)) {
			p.Changes = breaking(p.Changes, kind)
		}
	}
	for _, rule := range x.rules {
		p.Changes = append(p.Changes, Change{kindRules, Breaking, rule})
	}
	if p.Changes == nil {
		p.Changes = []Change{}
	}
	if p.Offenders == nil {
		p.Offenders = []Offender{}
	}
	return p
}

// breaking marks the change that resources do not fit: the one of the kind, else the
// one that made other content of them.
func breaking(changes []Change, kind string) []Change {
	for _, k := range []string{kind, kindMigrations, kindVersion, kindSchema} {
		for i, c := range changes {
			if c.Kind == k {
				changes[i].Effect = Breaking
				return changes
			}
		}
	}
	return append(changes, Change{kind, Breaking, "resources do not fit it"})
}

// Against makes the question of what types do to the data that a log holds: against
// the models that are recorded, and with the types that are in no model any more,
// of those recorded and of others that have data. kept are none of those.
func Against(ctx context.Context, log Log, types []*model.Type, kept func(string) bool, stored []string) (Asked, error) {
	a := Asked{Types: types, Base: map[string]*Written{}}
	recorded, err := ReadRecorded(ctx, log)
	if err != nil {
		return a, err
	}
	for name, r := range recorded {
		a.Base[name] = r.Written
	}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(recorded)), stored) {
		if !kept(name) && !slices.Contains(a.Gone, name) && !slices.ContainsFunc(types, func(t *model.Type) bool { return t.Name == name }) {
			a.Gone = append(a.Gone, name)
		}
	}
	return a, nil
}
