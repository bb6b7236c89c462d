package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Roles and Bindings are the built-in types that add to the policy of the file.
const (
	Roles    = "roles"
	Bindings = "bindings"
)

const roleSchema = `{"type":"object","required":["name"],"additionalProperties":false,"properties":{
	"name":{"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"},
	"includes":{"type":"array","maxItems":50,"uniqueItems":true,"items":{"type":"string","minLength":1,"maxLength":100},"default":[],"description":"roles whose rules it has too"},
	"rules":{"type":"array","maxItems":200,"default":[],"items":{"type":"object","required":["types","actions"],"additionalProperties":false,"properties":{
		"types":{"type":"array","minItems":1,"maxItems":100,"items":{"type":"string","minLength":1,"maxLength":64}},
		"actions":{"type":"array","minItems":1,"maxItems":50,"items":{"type":"string","minLength":1,"maxLength":64}},
		"where":{"type":"string","maxLength":4000},
		"effect":{"enum":["allow","deny"]},
		"view":{"enum":["head","published"],"description":"published: it allows read, list and watch in the published view only"},
		"fields":{"type":"object","additionalProperties":false,"properties":{
			"hide":{"type":"array","maxItems":200,"items":{"type":"string","minLength":1,"maxLength":500}},
			"readonly":{"type":"array","maxItems":200,"items":{"type":"string","minLength":1,"maxLength":500}}}}}}}}}`

const bindingSchema = `{"type":"object","required":["role","subjects"],"additionalProperties":false,"properties":{
	"role":{"type":"string","minLength":1,"maxLength":100},
	"subjects":{"type":"array","minItems":1,"maxItems":500,"uniqueItems":true,"items":{"type":"string","pattern":"^((user|group|key|schedule):.+|public)$","maxLength":300}}}}`

// RoleType is the type of Roles.
func RoleType() (*model.Type, error) {
	return model.NewType(model.Type{Name: Roles, Title: "Role", Builtin: true, Schema: json.RawMessage(roleSchema), Index: []string{"name"}, Unique: [][]string{{"name"}}})
}

// BindingType is the type of Bindings.
func BindingType() (*model.Type, error) {
	return model.NewType(model.Type{Name: Bindings, Title: "Binding", Builtin: true, Schema: json.RawMessage(bindingSchema), Index: []string{"role", "subjects"}})
}

// CheckRole refuses rules that can never work, and circles.
func CheckRole(a *Access, types []*model.Type, content []byte) error {
	if err := SmallEnough(content); err != nil {
		return err
	}
	var r Role
	if err := json.Unmarshal(content, &r); err != nil {
		return err
	}
	fields := r.check(a.policyNames(types))
	if a != nil && len(fields) == 0 {
		release := a.tables()
		roles := maps.Clone(a.named)
		_, ofFile := a.roles[r.Name]
		release()
		roles[r.Name] = r
		for i, name := range r.Includes {
			if _, ok := roles[name]; !ok {
				fields = append(fields, fault.FieldError{Pointer: fmt.Sprint("/includes/", i), Detail: fmt.Sprintf("%q is no role%s", name, model.Hint(name, sortedKeys(roles)))})
			}
		}
		if around := circle(roles, r.Name); around != nil {
			fields = append(fields, fault.FieldError{Pointer: "/includes", Detail: "the role would include itself: " + strings.Join(around, " includes ")})
		}
		if ofFile {
			fields = append(fields, fault.FieldError{Pointer: "/name", Detail: "is a role of the policy file"})
		}
	}
	if len(fields) > 0 {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "the role cannot work", Fields: fields}
	}
	return nil
}

// CheckBinding refuses a binding whose role or subjects cannot work.
func CheckBinding(a *Access, types []*model.Type, content []byte) error {
	if err := SmallEnough(content); err != nil {
		return err
	}
	var b Binding
	if err := json.Unmarshal(content, &b); err != nil {
		return err
	}
	var fields []fault.FieldError
	names := a.policyNames(types)
	for i, subject := range b.Subjects {
		if why := names.subject(subject); why != "" {
			fields = append(fields, fault.FieldError{Pointer: fmt.Sprint("/subjects/", i), Detail: why})
		}
	}
	if a != nil {
		release := a.tables()
		known := sortedKeys(a.named)
		release()
		if !slices.Contains(known, b.Role) {
			fields = append(fields, fault.FieldError{Pointer: "/role", Detail: fmt.Sprintf("%q is no role%s", b.Role, model.Hint(b.Role, known))})
		}
	}
	if len(fields) > 0 {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "the binding cannot work", Fields: fields}
	}
	return nil
}

// policyNames are the names that roles and bindings may use.
func (a *Access) policyNames(types []*model.Type) policyNames {
	n := policyNames{types: types}
	if a != nil {
		n.verbs = a.verbs
	}
	return n
}

// policySubjects are where what decides about access is written.
var policySubjects = []string{"rev." + APIKeys + ".>", "rev." + Roles + ".>", "rev." + Bindings + ".>", "rev." + Users + ".>",
	storage.SystemSubject(sessionSubjects + ">"), storage.SystemSubject(onceSubjects + ">"), storage.SystemSubject(linkSubjects + ">")}

// Load reads what the log holds of keys, roles and bindings. It must be done
// before the first request.
func (a *Access) Load(ctx context.Context, log storage.Log) error {
	target := uint64(0)
	for _, s := range policySubjects {
		e, err := log.Last(ctx, s)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		target = max(target, e.Seq)
	}
	if target == 0 {
		return nil
	}
	return a.read(ctx, log, target)
}

// Follow keeps the access up to date until ctx ends.
func (a *Access) Follow(ctx context.Context, log storage.Log, report func(error)) error {
	restart.Loop{
		First:   20 * time.Millisecond,
		Longest: time.Second,
		Failed:  func(err error, _ time.Duration) { report(err) },
	}.Run(ctx, func(ctx context.Context) error { return a.read(ctx, log, 0) })
	return nil
}

// read applies the log from where it is, up to a sequence, or for ever.
func (a *Access) read(ctx context.Context, log storage.Log, through uint64) error {
	state, err := log.State(ctx)
	if err != nil {
		return err
	}
	a.Mu.RLock()
	from := max(a.followed+1, state.First, 1)
	a.Mu.RUnlock()
	feed, err := log.Follow(ctx, from, policySubjects...)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		entry, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		a.take(entry)
		if through != 0 && entry.Seq >= through {
			return nil
		}
	}
}

// take takes over an entry of the log.
func (a *Access) take(entry storage.Entry) {
	a.Mu.Lock()
	a.followed = max(a.followed, entry.Seq)
	a.Mu.Unlock()
	if a.applySystem(entry) {
		return
	}
	if e, err := storage.DecodeEvent(entry.Data, entry.Seq); err == nil {
		a.Apply(e)
	}
}

// Apply takes over what an event of a key, a role or a binding says; of two the
// newer one counts, in whatever order they come.
func (a *Access) Apply(e *storage.Event) {
	switch e.Meta.Type {
	case APIKeys, Roles, Bindings:
	case Users:
		if !a.peopled {
			return // it is the application's
		}
	default:
		return
	}
	id := e.Meta.ID
	k := e.Meta.Type + "/" + id
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if a.seen[k] >= e.Seq {
		return
	}
	a.seen[k] = e.Seq
	gone := e.Meta.Deleted || e.Action == storage.Purged || e.Content == nil
	switch e.Meta.Type {
	case APIKeys:
		a.applyKey(id, e, gone)
		return
	case Users:
		a.applyUser(id, e, gone)
		return
	case Roles:
		delete(a.added, id)
		var r Role
		if !gone && json.Unmarshal(e.Content, &r) == nil {
			a.added[id] = r
		}
	case Bindings:
		delete(a.bound, id)
		var b Binding
		if !gone && json.Unmarshal(e.Content, &b) == nil {
			a.bound[id] = b
		}
	}
	a.stale = true
	a.moved()
}

// applyKey takes over an API key. The policy stays as it is; who uses the key, or
// something that the key began, asks again. The caller holds the lock.
func (a *Access) applyKey(id string, e *storage.Event, gone bool) {
	old := a.Keys[id]
	if old != nil {
		delete(a.Keys, id)
		if a.holders[old.Name] == old {
			delete(a.holders, old.Name)
		}
	}
	k, err := ReadKey(e.Content)
	if err == nil && k.Name != "" {
		a.former[k.Name] = id
	}
	if !gone && err == nil {
		if old != nil {
			k.Used = old.Used
		}
		a.Keys[id], a.holders[k.Name] = k, k
	}
	if old != nil {
		a.moved()
	}
}

// ScheduleSubject begins the principal of the schedule in the model of a type. It has
// the roles that bindings give it, and every right when none does: the model is the
// operator's.
const ScheduleSubject = "schedule:"
