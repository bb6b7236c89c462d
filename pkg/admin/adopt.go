package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// constraints of a type that hold for all its data, as kept in the log.
type constraints struct {
	Unique [][]string        `json:"unique"`
	Refs   map[string]string `json:"refs"` // path -> type
}

func constraintsOf(t *model.Type) constraints {
	c := constraints{Unique: t.Unique, Refs: map[string]string{}}
	if c.Unique == nil {
		c.Unique = [][]string{}
	}
	for path, r := range t.Refs {
		c.Refs[path] = r.Type
	}
	return c
}

// Unadopted lists the types whose data was not yet checked against their unique
// and refs. Adopt does that; the index must hold the whole log by then.
func (ad *Admin) Unadopted(ctx context.Context) ([]string, error) {
	var out []string
	for _, name := range ad.types.Names() {
		_, kept, err := ad.kept(ctx, name)
		if err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(kept, constraintsOf(ad.types.Named(name))) {
			out = append(out, name)
		}
	}
	return out, nil
}

// maxOffenders bounds how many resources a refusal names.
const maxOffenders = 5

// Adopt takes over the constraints of types for the data that is there. When data
// does not fit, it is refused with the first offenders and nothing is changed. Claims of
// a type from its sequence on were made by writers that have the constraints already:
// they hold. ErrConflict: such a writer was faster, and it is to be asked again with
// an index that holds what was written.
func (ad *Admin) Adopt(ctx context.Context, since map[string]uint64) error {
	var adoptions []*adoption
	for _, name := range slices.Sorted(maps.Keys(since)) {
		a, err := ad.adoption(ctx, name, since[name])
		if err != nil {
			return err
		}
		if err := a.check(ctx); err != nil {
			return err
		}
		adoptions = append(adoptions, a)
	}
	for _, a := range adoptions {
		if err := a.claim(ctx); err != nil {
			return err
		}
		if err := a.keep(ctx); err != nil {
			return err
		}
	}
	return nil
}

// adoption is what a type has to be checked for.
func (ad *Admin) adoption(ctx context.Context, name string, since uint64) (*adoption, error) {
	t, err := ad.States.Type(name)
	if err != nil {
		return nil, err
	}
	seq, kept, err := ad.kept(ctx, name)
	if err != nil {
		return nil, err
	}
	a := &adoption{m: ad, t: t, since: since, keptAt: seq, seen: map[string]string{}}
	for _, u := range t.Unique {
		if !slices.ContainsFunc(kept.Unique, func(k []string) bool { return slices.Equal(k, u) }) {
			a.unique = append(a.unique, u)
		}
	}
	for path, ref := range t.Refs {
		if kept.Refs[path] != ref.Type {
			a.refs = append(a.refs, path)
		}
	}
	slices.Sort(a.refs)
	return a, nil
}

// keep writes down that the data fits the constraints.
func (a *adoption) keep(ctx context.Context) error {
	data, err := json.Marshal(constraintsOf(a.t))
	if err != nil {
		return err
	}
	_, err = a.m.log.Append(ctx, []storage.Record{{Subject: storage.SystemSubject("constraints." + a.t.Name), ID: states.NewUUID(), Expected: a.keptAt, Data: data}})
	if errors.Is(err, storage.ErrConflict) {
		return nil // another process adopted them
	}
	return err
}

type adoption struct {
	m         *Admin
	t         *model.Type
	since     uint64 // claims from here on hold
	keptAt    uint64 // sequence of what was adopted last
	unique    [][]string
	refs      []string
	seen      map[string]string // claim hash -> "constraint\x00id"
	offenders []string
}

func (a *adoption) offend(format string, args ...any) {
	a.offenders = append(a.offenders, fmt.Sprintf(format, args...))
}

// check looks at every live resource, a page at a time.
func (a *adoption) check(ctx context.Context) error {
	if len(a.unique) == 0 && len(a.refs) == 0 {
		return nil
	}
	q := storage.Search{Type: a.t.Name, Order: a.m.States.ByID(a.t), Limit: 500}
	for {
		page, err := a.m.index.Search(ctx, q)
		if err != nil {
			return err
		}
		items := make([]*states.Resource, len(page.Rows))
		if err := a.m.Reads.Fill(ctx, a.t.Name, page.Rows, items, false); err != nil {
			return err
		}
		if err := a.checkPage(ctx, items); err != nil {
			return err
		}
		if len(a.offenders) >= maxOffenders {
			break
		}
		if q.After = page.Next; q.After == nil {
			break
		}
	}
	if len(a.offenders) > 0 {
		return fmt.Errorf("the data of %s does not fit its model: %s", a.t.Name,
			strings.Join(a.offenders[:min(len(a.offenders), maxOffenders)], "; "))
	}
	return nil
}

func (a *adoption) checkPage(ctx context.Context, items []*states.Resource) error {
	wanted := map[string]map[string][]string{} // type -> id -> "path of source"
	for _, r := range items {
		values, err := a.t.ValuesOf(r.Data)
		if err != nil {
			a.offend("%s: %v", r.ID, err)
			continue
		}
		if !a.fits(r) {
			continue
		}
		a.checkUnique(r.ID, values)
		for _, path := range a.refs {
			ref := a.t.Refs[path]
			for _, v := range model.Targets(values[path]) {
				id, _, ok := ref.Target(v)
				if !ok {
					a.offend("%s of %s is %q, which is no id", path, r.ID, v)
					continue
				}
				if wanted[ref.Type] == nil {
					wanted[ref.Type] = map[string][]string{}
				}
				wanted[ref.Type][id] = append(wanted[ref.Type][id], path+" of "+r.ID)
			}
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(wanted)) {
		ids := map[string]bool{}
		for id := range wanted[typ] {
			ids[id] = true
		}
		found, err := a.m.Reads.ReadAll(ctx, typ, ids)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			if found[id] == nil {
				a.offend("%s leads to %s %q, which is not there", wanted[typ][id][0], typ, id)
			}
		}
	}
	return nil
}

// fits reports whether the fields of the constraints can be read at all.
func (a *adoption) fits(r *states.Resource) bool {
	tree, err := model.DecodeJSON(r.Data)
	if err != nil {
		return true // told already
	}
	_, _, unfit := a.t.Project(tree)
	for _, f := range unfit {
		path := states.WithoutIndexes(strings.ReplaceAll(strings.TrimPrefix(f.Pointer, "/"), "/", "."))
		if slices.Contains(a.refs, path) || slices.ContainsFunc(a.unique, func(fields []string) bool { return slices.Contains(fields, path) }) {
			a.offend("%s of %s %s", path, r.ID, f.Detail)
			return false
		}
	}
	return true
}

func (a *adoption) checkUnique(id string, values map[string]query.Value) {
	for _, fields := range a.unique {
		name := strings.Join(fields, ",")
		h := a.m.Claims.ClaimHash(a.t.Name, name, fields, values)
		if h == "" {
			continue
		}
		if other, taken := a.seen[h]; taken {
			_, otherID, _ := strings.Cut(other, "\x00")
			a.offend("%s and %s have the same %s", otherID, id, name)
			continue
		}
		a.seen[h] = name + "\x00" + id
	}
}

// claim announces the holders of all unique values, and lets go what is still
// claimed from the last time that the type had the constraints.
func (a *adoption) claim(ctx context.Context) error {
	if len(a.unique) == 0 {
		return nil
	}
	old, err := a.claimed(ctx)
	if err != nil {
		return err
	}
	var unit []storage.Record
	add := func(subject string, expected uint64, c commit.UniqueClaim) error {
		data, err := json.Marshal(c)
		if err != nil {
			return err
		}
		unit = append(unit, storage.Record{Subject: subject, ID: states.NewUUID(), Expected: expected, Data: data})
		if len(unit) < 500 {
			return nil
		}
		_, err = a.m.log.Append(ctx, unit)
		unit = nil
		return err
	}
	for _, h := range slices.Sorted(maps.Keys(a.seen)) {
		name, id, _ := strings.Cut(a.seen[h], "\x00")
		subject := storage.ClaimSubject(h)
		c, is := old[subject]
		delete(old, subject)
		if is && c.seq >= a.since {
			if !c.Live || c.ID != id {
				return storage.ErrConflict // the value changed hands since it was read
			}
			continue
		}
		if err := add(subject, c.seq, commit.UniqueClaim{Version: 1, Type: a.t.Name, ID: id, Constraint: name, Live: true}); err != nil {
			return err
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(old)) {
		c := old[subject]
		if !c.Live || c.seq >= a.since {
			continue
		}
		c.Live = false
		if err := add(subject, c.seq, c.UniqueClaim); err != nil {
			return err
		}
	}
	if len(unit) == 0 {
		return nil
	}
	_, err = a.m.log.Append(ctx, unit)
	return err
}

// claimedAt is a claim and its place in the log.
type claimedAt struct {
	commit.UniqueClaim
	seq uint64
}

// claimed lists what was said last of each claim by the constraints, by subject.
func (a *adoption) claimed(ctx context.Context) (map[string]claimedAt, error) {
	out := map[string]claimedAt{}
	last, err := a.m.log.Last(ctx, storage.ClaimSubject(">"))
	if errors.Is(err, storage.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	feed, err := a.m.log.Follow(ctx, 1, storage.ClaimSubject(">"))
	if err != nil {
		return nil, err
	}
	defer feed.Close()
	for {
		entry, err := feed.Next(ctx)
		if err != nil {
			return nil, err
		}
		var c commit.UniqueClaim
		if json.Unmarshal(entry.Data, &c) == nil && c.Type == a.t.Name && slices.ContainsFunc(a.unique, func(u []string) bool { return strings.Join(u, ",") == c.Constraint }) {
			out[entry.Subject] = claimedAt{c, entry.Seq}
		}
		if entry.Seq >= last.Seq {
			return out, nil
		}
	}
}

func (ad *Admin) kept(ctx context.Context, name string) (uint64, constraints, error) {
	c := constraints{Unique: [][]string{}, Refs: map[string]string{}}
	entry, err := ad.log.Last(ctx, storage.SystemSubject("constraints."+name))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return 0, c, nil
	case err != nil:
		return 0, c, err
	}
	return entry.Seq, c, json.Unmarshal(entry.Data, &c)
}
