package model

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/reshape"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// LoadTypes reads the models of a folder: every .yaml, .yml and .json file
// directly in it is one type. known are the names of types that come from
// elsewhere and may be referred to. Its error is a ModelErrors with every
// mistake of every file, or that of the file system.
func LoadTypes(dir string, known ...string) ([]*Type, error) {
	files, err := ReadFiles(dir)
	if err != nil {
		return nil, err
	}
	return ParseTypes(files, known...)
}

// ReadFiles reads the model files of a folder, by name.
func ReadFiles(dir string) (files []File, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	for _, entry := range entries {
		ext := strings.ToLower(filepath.Ext(entry.Name()))
		if entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || !slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("models: %w", err)
		}
		files = append(files, File{entry.Name(), b})
	}
	return files, nil
}

// File is a model file.
type File struct {
	Name    string // whose ending says whether it is JSON or YAML
	Content []byte
}

// ParseTypes is LoadTypes for files that are read already.
func ParseTypes(files []File, known ...string) ([]*Type, error) {
	var types []*Type
	var list ModelErrors
	names := slices.Clone(known)
	for _, f := range files {
		t, problems := ParseType(f.Name, f.Content)
		list = append(list, problems...)
		if t != nil {
			names = append(names, t.Name)
		}
		types = append(types, t)
	}
	types = slices.DeleteFunc(types, func(t *Type) bool { return t == nil })
	list = append(list, crossCheck(types, names)...)
	if err := list.Sorted(); err != nil {
		return nil, err
	}
	return types, nil
}

// ParseType reads one model file; its name says whether it is JSON or YAML.
// A type is returned also when it has mistakes, as far as it could be read.
func ParseType(file string, b []byte) (*Type, ModelErrors) {
	doc, err := ReadYAML(b, strings.EqualFold(filepath.Ext(file), ".json"))
	if err != nil {
		line, reason := LineOf(err)
		return nil, ModelErrors{{File: file, Line: line, Reason: reason}}
	}
	p := &Problems{Source: Source{File: file, Lines: doc.Lines}}
	t := &Type{}
	schema := readModel(t, doc.Tree, p)
	t.compile(schema, p)
	return t, p.List
}

// CheckTypes checks what no type can know alone: that names are used once and
// references lead to a type. Built-in types may always be referred to. Its
// error is a ModelErrors.
func CheckTypes(types []*Type) error {
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	return crossCheck(types, names).Sorted()
}

func crossCheck(types []*Type, names []string) ModelErrors {
	var list ModelErrors
	first := map[string]*Type{}
	for _, t := range types {
		p := &Problems{Source: t.src}
		if other, twice := first[t.Name]; twice && t.Name != "" {
			p.Add("/name", "type %q is already defined by %s", t.Name, other.src.File)
		} else {
			first[t.Name] = t
		}
		for _, path := range slices.Sorted(maps.Keys(t.Refs)) {
			target := t.Refs[path].Type
			if target != "" && !slices.Contains(names, target) && !IsBuiltin(target) {
				p.Add(PointerTo("/refs", path)+"/type", "refs: field %q refers to type %q, which does not exist%s", path, target, Hint(target, names))
			}
		}
		list = append(list, p.List...)
	}
	return list
}

// reader takes values of known kinds out of a model file.
type reader struct {
	p  *Problems
	m  map[string]any
	at string
}

// object opens an object of the file and refuses keys it does not know.
func (p *Problems) object(v any, at string, known ...string) reader {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		p.Add(at, "%s must be an object", strings.TrimPrefix(at, "/"))
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(known, k) {
			p.Add(PointerTo(at, k), "unknown key %q%s", strings.ReplaceAll(strings.TrimPrefix(PointerTo(at, k), "/"), "/", "."), Hint(k, known))
		}
	}
	return reader{p, m, at}
}

func take[T any](r reader, key, what string) (out T) {
	v, ok := r.m[key]
	if !ok {
		return out
	}
	if out, ok = v.(T); !ok {
		r.p.Add(PointerTo(r.at, key), "%s must be %s", strings.ReplaceAll(strings.TrimPrefix(PointerTo(r.at, key), "/"), "/", "."), what)
	}
	return out
}

func (r reader) text(key string) string { return take[string](r, key, "a string") }
func (r reader) integer(key string) int { return int(take[int64](r, key, "an integer")) }

func (r reader) duration(key string) time.Duration {
	s := r.text(key)
	if s == "" {
		return 0
	}
	d, err := parseDuration(s)
	if err != nil {
		r.p.Add(PointerTo(r.at, key), "%s: %v", strings.ReplaceAll(strings.TrimPrefix(PointerTo(r.at, key), "/"), "/", "."), err)
		return 0
	}
	if d == 0 {
		return -1 // given, and so not the default
	}
	return d
}

func (r reader) texts(key string) []string {
	var out []string
	for i, x := range take[[]any](r, key, "a list of strings") {
		s, ok := x.(string)
		if !ok {
			r.p.Add(PointerTo(PointerTo(r.at, key), i), "%s must be a list of strings", key)
		}
		out = append(out, s)
	}
	return out
}

// readModel fills in the type from a model file and returns its schema.
func readModel(t *Type, tree any, p *Problems) any {
	if _, ok := tree.(map[string]any); !ok {
		p.Add("", "a model file holds an object with name and schema")
	}
	r := p.object(tree, "", "name", "title", "description", "schema", "index", "fulltext", "unique", "refs",
		"defaultStatus", "requireIfMatch", "version", "migrations", "retention", "job", "access", "auditReads")
	t.Name, t.Title, t.Description = r.text("name"), r.text("title"), r.text("description")
	readIndexes(t, r)
	t.FullText = r.texts("fulltext")
	t.Unique = readUnique(r)
	t.Refs = readRefs(r)
	t.DefaultStatus = storage.Status(r.text("defaultStatus"))
	t.Access = r.text("access")
	t.AuditReads = take[bool](r, "auditReads", "true or false")
	t.RequireIfMatch = take[bool](r, "requireIfMatch", "true or false")
	if n, ok := r.m["version"].(int64); ok {
		t.Version = strconv.FormatInt(n, 10) // version: 1 means "1"
	} else {
		t.Version = r.text("version")
	}
	t.Migrations = readMigrations(r)
	kept := p.object(r.m["retention"], "/retention", "revisions", "days")
	t.Retention = Retention{Revisions: kept.integer("revisions"), Days: kept.integer("days")}
	if v, ok := r.m["job"]; ok {
		t.Job = readJob(p, v)
	}
	return r.m["schema"]
}

// readIndexes tells fields from indexes over several of them.
func readIndexes(t *Type, r reader) {
	for i, x := range take[[]any](r, "index", "a list of fields, or of lists of fields") {
		switch x := x.(type) {
		case string:
			t.Index, t.indexAt = append(t.Index, x), append(t.indexAt, i)
		case []any:
			t.Composite = append(t.Composite, reader{r.p, map[string]any{strconv.Itoa(i): x}, "/index"}.texts(strconv.Itoa(i)))
			t.compositeAt = append(t.compositeAt, i)
		default:
			r.p.Add(PointerTo("/index", i), "index must be a list of fields, or of lists of fields")
		}
	}
}

// placeOf is where the i-th of what a model lists is, which a program may have listed.
func placeOf(list string, at []int, i int) string {
	if i < len(at) {
		i = at[i]
	}
	return PointerTo(list, i)
}

func readUnique(r reader) [][]string {
	var out [][]string
	for i, x := range take[[]any](r, "unique", "a list of fields, or of lists of fields") {
		switch x := x.(type) {
		case string:
			out = append(out, []string{x})
		case []any:
			group := reader{r.p, map[string]any{strconv.Itoa(i): x}, "/unique"}.texts(strconv.Itoa(i))
			out = append(out, group)
		default:
			r.p.Add(PointerTo("/unique", i), "unique must be a list of fields, or of lists of fields")
		}
	}
	return out
}

func readRefs(r reader) map[string]Ref {
	refs := take[map[string]any](r, "refs", "an object of fields")
	if len(refs) == 0 {
		return nil
	}
	out := map[string]Ref{}
	for path, x := range refs {
		if name, ok := x.(string); ok { // studio: studios
			out[path] = Ref{Type: name}
			continue
		}
		f := r.p.object(x, PointerTo("/refs", path), "type", "onDelete", "revision")
		out[path] = Ref{Type: f.text("type"), OnDelete: OnDelete(f.text("onDelete")), Revision: take[bool](f, "revision", "true or false")}
	}
	return out
}

func readMigrations(r reader) []Migration {
	var out []Migration
	for i, x := range take[[]any](r, "migrations", "a list") {
		at := PointerTo("/migrations", i)
		m := r.p.object(x, at, "from", "patch", "function")
		from, ok := m.m["from"].(int64)
		migration := Migration{From: strconv.FormatInt(from, 10)}
		if !ok {
			migration.From = m.text("from")
		}
		migration.Function = m.text("function")
		if ops := take[[]any](m, "patch", "a list of operations"); len(ops) > 0 {
			for j, op := range ops {
				members, _ := op.(map[string]any)
				name, _ := members["op"].(string)
				r.p.object(op, PointerTo(at+"/patch", j), reshape.Members(name)...)
			}
			migration.Patch = AppendCanonical(nil, ops)
		}
		out = append(out, migration)
	}
	return out
}

func readEnv(h reader) map[string]string {
	var out map[string]string
	for name, v := range take[map[string]any](h, "env", "an object of strings") {
		s, ok := v.(string)
		if !ok || strings.ContainsAny(name, "=\x00") || name == "" || strings.Contains(s, "\x00") {
			h.p.Add(PointerTo(PointerTo(h.at, "env"), name), "job.handler.env must be an object of strings")
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = s
	}
	return out
}

func readJob(p *Problems, v any) *JobSpec {
	r := p.object(v, "/job", "queue", "maxAttempts", "timeout", "backoff", "handler", "concurrencyKey", "schedule", "keep", "role")
	j := &JobSpec{
		Queue: r.text("queue"), MaxAttempts: r.integer("maxAttempts"), Timeout: r.duration("timeout"),
		ConcurrencyKey: r.text("concurrencyKey"), Schedule: r.texts("schedule"), Keep: r.duration("keep"), Role: r.text("role"),
	}
	if j.Keep == -1 {
		j.Keep = 0
	}
	if _, given := r.m["maxAttempts"]; given && j.MaxAttempts == 0 {
		j.MaxAttempts = -1 // refused, not the default
	}
	b := p.object(r.m["backoff"], "/job/backoff", "initial", "max")
	j.Backoff = Backoff{b.duration("initial"), b.duration("max")}
	if v, ok := r.m["handler"]; ok {
		h := p.object(v, "/job/handler", "http", "exec", "dir", "env", "grace")
		j.Handler = Handler{HTTP: h.text("http"), Exec: h.texts("exec"), Dir: h.text("dir"), Grace: h.duration("grace"), Env: readEnv(h)}
		if h.m["http"] == nil && h.m["exec"] == nil {
			p.Add("/job/handler", "job.handler needs http or exec")
		}
	}
	return j
}
