package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Policy is what a policy file holds.
type Policy struct {
	Roles    []Role
	Bindings []Binding
}

const maxPolicyFile = 1 << 20

// policyReader reads one policy file and collects what is wrong with it.
type policyReader struct {
	model.Problems
	names policyNames
}

// Parse reads a policy file, YAML or JSON: roles, each a list of rules or
// {includes, rules}, and bindings. Everything is checked against the types and the
// application's own actions; the error is ModelErrors, each with its line.
func Parse(file string, text []byte, types []*model.Type, verbs []Verb) (*Policy, error) {
	r := policyReader{Problems: model.Problems{Source: model.Source{File: file}}, names: policyNames{types, verbs}}
	if len(text) > maxPolicyFile {
		r.Add("", "it has over %d bytes", maxPolicyFile)
		return nil, r.List
	}
	doc, err := model.ReadYAML(text, false)
	if err != nil {
		line, reason := model.LineOf(err)
		return nil, model.ModelErrors{{File: file, Line: line, Reason: reason}}
	}
	r.Lines = doc.Lines
	p := r.read(doc.Tree)
	if len(r.List) == 0 {
		r.check(p)
	}
	return p, r.List.Sorted()
}

// read takes the file apart.
func (r *policyReader) read(tree any) *Policy {
	var file struct {
		Roles    map[string]json.RawMessage `json:"roles"`
		Bindings []json.RawMessage          `json:"bindings"`
	}
	p := &Policy{}
	r.part("", model.AppendCanonical(nil, tree), &file)
	for _, name := range sortedKeys(file.Roles) {
		role, at := Role{}, model.PointerTo("/roles", name)
		var parts struct {
			Includes []string          `json:"includes"`
			Rules    []json.RawMessage `json:"rules"`
		}
		if raw := file.Roles[name]; raw[0] == '[' {
			r.part(at, raw, &parts.Rules)
		} else {
			r.part(at, raw, &parts)
			at += "/rules"
		}
		for i, raw := range parts.Rules {
			var rule Rule
			r.part(model.PointerTo(at, i), raw, &rule)
			role.Rules = append(role.Rules, rule)
		}
		role.Name, role.Includes = name, parts.Includes
		p.Roles = append(p.Roles, role)
	}
	for i, raw := range file.Bindings {
		var b Binding
		r.part(model.PointerTo("/bindings", i), raw, &b)
		p.Bindings = append(p.Bindings, b)
	}
	return p
}

// policyMembers are the members that the parts of a policy file have.
var policyMembers = []string{"roles", "bindings", "includes", "rules", "types", "actions", "where", "effect", "fields", "hide", "readonly", "view", "role", "subjects"}

var unknownMember = regexp.MustCompile(`^json: unknown field "(.*)"$`)

// part reads a part of the file strictly.
func (r *policyReader) part(at string, raw []byte, to any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == nil {
		return
	}
	if m := unknownMember.FindStringSubmatch(err.Error()); m != nil {
		inside := model.PointerTo(at, m[1])
		if _, known := r.Lines[inside]; !known {
			inside = model.PointerTo(at+"/fields", m[1])
		}
		near := ""
		if n := model.Nearest(m[1], policyMembers); n != "" {
			near = fmt.Sprintf("; did you mean %q?", n)
		}
		r.Add(inside, "%q is nothing that a policy has%s", m[1], near)
		return
	}
	r.Add(at, "cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
}

func (r *policyReader) check(p *Policy) {
	roles, names := map[string]Role{}, []string{}
	for _, role := range p.Roles {
		roles[role.Name], names = role, append(names, role.Name)
	}
	for _, role := range p.Roles {
		at := model.PointerTo("/roles", role.Name)
		for _, f := range role.check(r.names) {
			if _, whole := r.Lines[at+"/rules"]; !whole {
				f.Pointer = strings.TrimPrefix(f.Pointer, "/rules")
			}
			r.Add(at+f.Pointer, "role %s: %s", role.Name, f.Detail)
		}
		for i, name := range role.Includes {
			if _, ok := roles[name]; !ok {
				r.Add(model.PointerTo(at+"/includes", i), "role %s includes %q, which is no role%s", role.Name, name, model.Hint(name, names))
			}
		}
		if around := circle(roles, role.Name); around != nil {
			r.Add(at, "role %s includes itself: %s", role.Name, strings.Join(around, " includes "))
		}
	}
	for i, b := range p.Bindings {
		at := model.PointerTo("/bindings", i)
		if _, ok := roles[b.Role]; !ok {
			r.Add(at+"/role", "%q is no role%s", b.Role, model.Hint(b.Role, names))
		}
		for j, s := range b.Subjects {
			if why := r.names.subject(s); why != "" {
				r.Add(model.PointerTo(at+"/subjects", j), "%s", why)
			}
		}
	}
}

// Verb is the name of what an application adds to a type: POST /v1/{type}:{name}.
type Verb struct{ Type, Name string }

// policyNames are the names that a policy may use.
type policyNames struct {
	types []*model.Type
	verbs []Verb
}

// subject tells what is wrong with a subject, or nothing.
func (n policyNames) subject(s string) string {
	kind, name, _ := strings.Cut(s, ":")
	switch {
	case s == Public:
		return ""
	case name == "" || !slices.Contains([]string{"user", "group", "key", strings.TrimSuffix(ScheduleSubject, ":")}, kind):
		return fmt.Sprintf("a subject is public, or user:, group:, key: or schedule: and a name, not %q", s)
	case kind != "schedule":
		return ""
	}
	var scheduled []string
	for _, t := range n.types {
		if t.Job != nil && len(t.Job.Schedule) > 0 {
			scheduled = append(scheduled, t.Name)
		}
	}
	if slices.Contains(scheduled, name) {
		return ""
	}
	return fmt.Sprintf("%q: %q is no type with a job.schedule%s", s, name, model.Hint(name, scheduled))
}

// action tells what is wrong with an action of a rule, or nothing.
func (n policyNames) action(r Rule, name string) string {
	known := append([]string{"*"}, Rights...)
	for _, a := range n.verbs {
		if slices.ContainsFunc(n.types, func(t *model.Type) bool { return t.Name == a.Type && r.covers(t) }) {
			known = append(known, a.Name)
		}
	}
	if slices.Contains(known, name) {
		return ""
	}
	if near := model.Nearest(name, known); near != "" {
		return fmt.Sprintf("%q is no action; did you mean %q?", name, near)
	}
	return fmt.Sprintf("%q is no action; there are: %s", name, strings.Join(known, ", "))
}

// typeNames are those of all types.
func (n policyNames) typeNames() (out []string) {
	for _, t := range n.types {
		out = append(out, t.Name)
	}
	return out
}

// circle is the way from a role back to itself, or nil.
func circle(roles map[string]Role, start string) []string {
	seen := map[string]bool{}
	var walk func(name string, path []string) []string
	walk = func(name string, path []string) []string {
		for _, next := range roles[name].Includes {
			if next == start {
				return append(path, next)
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if found := walk(next, append(path, next)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(start, []string{start})
}
