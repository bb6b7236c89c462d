package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// The kinds of changes that data can refuse, besides the keys of the model file.
const (
	kindType       = "type"
	kindSchema     = "schema"
	kindVersion    = "version"
	kindMigrations = "migrations"
	kindIndex      = "index"
	kindUnique     = "unique"
	kindRefs       = "refs"
	kindJob        = "job"
	kindRules      = "rules"
)

// widens reports whether the schema certainly allows all that it allowed.
func (w *Written) widens(now *Written) bool {
	if w.SchemaHash == now.SchemaHash {
		return true
	}
	if w.Schema == nil || now.Schema == nil {
		return false
	}
	old, err := model.DecodeJSON(w.Schema)
	changed, err2 := model.DecodeJSON(now.Schema)
	return err == nil && err2 == nil && Widens(old, changed) && defaultsStay(old, changed)
}

// compare lists what differs, before the data was looked at.
func compare(old, now *Written) (out []Change) {
	add := func(kind string, effect Effect, format string, args ...any) {
		out = append(out, Change{kind, effect, fmt.Sprintf(format, args...)})
	}
	if old.SchemaHash != now.SchemaHash {
		add(kindSchema, None, "%s", schemaDetail(old, now))
	}
	if old.Version != now.Version {
		add(kindVersion, None, "%q instead of %q", now.Version, old.Version)
	}
	if !slices.Equal(steps(old), steps(now)) {
		add(kindMigrations, None, "%s", changed(steps(old), steps(now)))
	}
	for _, x := range []struct {
		kind     string
		old, now []string
		tables   bool
	}{
		{kindIndex, old.Index, now.Index, true}, {"fulltext", old.FullText, now.FullText, true},
		{kindUnique, groups(old.Unique), groups(now.Unique), false}, {kindRefs, refs(old.Refs), refs(now.Refs), false},
	} {
		if slices.Equal(x.old, x.now) {
			continue
		}
		effect := None
		if x.tables && old.Table != now.Table {
			effect = Rebuild
		}
		add(x.kind, effect, "%s", changed(x.old, x.now))
	}
	if string(old.Job) != string(now.Job) {
		add(kindJob, jobEffect(old, now), "%s", jobDetail(old, now))
	}
	if old.Retention != now.Retention {
		effect := None
		if now.Retention.Prunes() {
			effect = Prune
		}
		add("retention", effect, "%s instead of %s", keeps(now.Retention), keeps(old.Retention))
	}
	for _, k := range slices.Sorted(maps.Keys(now.Options)) {
		if before, after := old.Options[k], now.Options[k]; before != after {
			add(k, None, "%q instead of %q", after, before)
		}
	}
	if old.Table != now.Table && !slices.ContainsFunc(out, func(c Change) bool { return c.Effect == Rebuild }) {
		rebuilds(&out)
	}
	return out
}

// keeps says in words what is kept of a resource.
func keeps(r model.Retention) string {
	switch {
	case r.Revisions > 0 && r.Days > 0:
		return fmt.Sprintf("the newest %d revisions of the last %d days", r.Revisions, r.Days)
	case r.Revisions > 0:
		return fmt.Sprintf("the newest %d revisions", r.Revisions)
	case r.Days > 0:
		return fmt.Sprintf("the revisions of the last %d days", r.Days)
	}
	return "all revisions"
}

// rebuilds marks the change that the new table of the index is for.
func rebuilds(changes *[]Change) {
	for _, kind := range []string{kindVersion, kindMigrations, "access", kindSchema} {
		for i, c := range *changes {
			if c.Kind == kind {
				(*changes)[i].Effect = Rebuild
				return
			}
		}
	}
	*changes = append(*changes, Change{kindIndex, Rebuild, "it is laid out in another way"})
}

func jobEffect(old, now *Written) Effect {
	if (old.Job == nil) != (now.Job == nil) {
		return Rebuild
	}
	return None
}

func jobDetail(old, now *Written) string {
	switch {
	case old.Job == nil:
		return "its resources become jobs"
	case now.Job == nil:
		return "its resources are jobs no more"
	}
	return "other settings"
}

// schemaDetail names the places where two schemas differ.
func schemaDetail(old, now *Written) string {
	how := "it may refuse what it allowed"
	if old.widens(now) {
		how = "it can only allow more"
	}
	a, err := model.DecodeJSON(old.Schema)
	b, err2 := model.DecodeJSON(now.Schema)
	if err != nil || err2 != nil {
		return how
	}
	var places []string
	differences("", a, b, &places)
	const shown = 5
	if n := len(places) - shown; n > 0 {
		places = append(places[:shown], fmt.Sprintf("%d more", n))
	}
	return how + ": " + strings.Join(places, ", ")
}

// differences gathers the pointers at which two documents differ.
func differences(at string, a, b any, out *[]string) {
	x, ok := a.(map[string]any)
	y, also := b.(map[string]any)
	if !ok || !also {
		if !jsonpatch.Equal(a, b) {
			*out = append(*out, at)
		}
		return
	}
	names := map[string]bool{}
	for k := range x {
		names[k] = true
	}
	for k := range y {
		names[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(names)) {
		_, in := x[k]
		if _, also := y[k]; in != also {
			*out = append(*out, model.PointerTo(at, k))
			continue
		}
		differences(model.PointerTo(at, k), x[k], y[k], out)
	}
}

func steps(w *Written) (out []string) {
	for _, s := range w.Migrations {
		out = append(out, fmt.Sprintf("from %q %s", s.From, s.Patch))
	}
	return out
}

func groups(unique [][]string) (out []string) {
	for _, g := range unique {
		out = append(out, strings.Join(g, ","))
	}
	return out
}

func refs(of map[string]model.Ref) (out []string) {
	for _, path := range slices.Sorted(maps.Keys(of)) {
		r := of[path]
		s := path + " to " + r.Type + " (" + string(r.OnDelete) + ")"
		if r.Revision {
			s += " revision"
		}
		out = append(out, s)
	}
	return out
}

// changed says what came and what went.
func changed(old, now []string) string {
	var parts []string
	for _, x := range now {
		if !slices.Contains(old, x) {
			parts = append(parts, "new: "+x)
		}
	}
	for _, x := range old {
		if !slices.Contains(now, x) {
			parts = append(parts, "gone: "+x)
		}
	}
	if len(parts) == 0 {
		return "another order"
	}
	return strings.Join(parts, "; ")
}
