package tests_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// crossStorages are the rows that the cross runs on: the one in memory, unless
// AUTOCRUD_TEST_STORAGES names only others.
func crossStorages() []apitest.Storage {
	rows := []apitest.Storage{}
	for _, s := range apitest.Storages() {
		if s.Name == inMemory.Name {
			return []apitest.Storage{inMemory}
		}
		if !s.Split { // judges call the Manager of the process
			rows = append(rows, s)
		}
	}
	return rows
}

// crossSchema has a field for every promise.
const crossSchema = `
title: Thing
schema:
  type: object
  required: [name]
  properties:
    name:   {type: string}
    key:    {type: string}
    seen:   {type: boolean, default: true}
    open:   {type: boolean, default: true}
    denied: {type: boolean, default: false}
    hidden: {type: string}
    locked: {type: string}
    code:   {type: [string, "null"]}
    shelf:  {type: [string, "null"]}
    slot:   {type: [string, "null"]}
    must:   {type: [string, "null"]}
    may:    {type: [string, "null"]}
    with:   {type: [string, "null"]}
    file:   {x-binary: {}}
index: [name, seen, open, denied, hidden, locked]
fulltext: [name]
unique: [code, [shelf, slot]]
refs:
  must: {type: TYPE, onDelete: restrict}
  may:  {type: TYPE, onDelete: set_null}
  with: {type: TYPE, onDelete: cascade}
`

// crossModels are the types of the cross: an ordinary one, one whose revisions are
// drafts at first, jobs, and one that demands If-Match.
func crossModels() map[string]string {
	out := map[string]string{}
	for name, more := range map[string]string{"things": "", "drafts": "defaultStatus: draft\n", "tasks": "job: {queue: halted}\n", "stricts": "requireIfMatch: true\n"} {
		out[name] = "name: " + name + strings.ReplaceAll(crossSchema, "TYPE", name) + more
	}
	out["runs"] = "name: runs\nschema: {type: object, properties: {type: {type: string}, id: {type: string}, patch: {type: string}}}\nindex: [id]\njob: {maxAttempts: 1, backoff: {initial: 10ms, max: 20ms}}\n"
	return out
}

// The roles of those who are limited in one way each; veiled rows are those that
// they must not see, closed ones those that they must not write.
const crossPolicy = `
roles:
  all:
    - {types: [things, drafts, tasks, stricts, runs, things-later-jobs, drafts-later-jobs, tasks-later-jobs], actions: ["*"]}
    - {types: [api-keys, webhooks, schedules, bulk-jobs], actions: ["*"]}
  read:
    - {types: [things, drafts, tasks, stricts, api-keys, webhooks, schedules, bulk-jobs], actions: [read, list, watch]}
  blinds:
    - {types: [things, drafts, tasks, stricts, api-keys, webhooks], actions: ["*"]}
    - {types: [things, drafts, tasks, stricts], actions: [read, list, watch], where: 'denied = true', effect: deny}
    - {types: [api-keys], actions: [read, list, watch], where: 'startsWith(name, "denied")', effect: deny}
    - {types: [webhooks], actions: [read, list, watch], where: 'contains(url, "denied")', effect: deny}
  rows:
    - {types: [runs, schedules, bulk-jobs, things-later-jobs, drafts-later-jobs, tasks-later-jobs], actions: ["*"]}
    - {types: [things, drafts, tasks, stricts], actions: ["*"], where: 'seen = true AND open = true'}
    - {types: [things, drafts, tasks, stricts], actions: [read, list, watch], where: 'seen = true'}
    - {types: [api-keys], actions: ["*"], where: 'NOT startsWith(name, "veiled") AND NOT startsWith(name, "closed")'}
    - {types: [api-keys], actions: [read, list, watch], where: 'NOT startsWith(name, "veiled")'}
    - {types: [webhooks], actions: ["*"], where: 'NOT contains(url, "veiled") AND NOT contains(url, "closed")'}
    - {types: [webhooks], actions: [read, list, watch], where: 'NOT contains(url, "veiled")'}
  hides:
    - {types: [runs, schedules, bulk-jobs, things-later-jobs, drafts-later-jobs, tasks-later-jobs], actions: ["*"]}
    - {types: [things, drafts, tasks, stricts], actions: ["*"], fields: {hide: [hidden]}}
    - {types: [api-keys, webhooks], actions: ["*"], fields: {hide: [description]}}
  locks:
    - {types: [runs, schedules, bulk-jobs, things-later-jobs, drafts-later-jobs, tasks-later-jobs], actions: ["*"]}
    - {types: [things, drafts, tasks, stricts], actions: ["*"], fields: {readonly: [locked]}}
    - {types: [api-keys, webhooks], actions: ["*"], fields: {readonly: [description]}}
  revives:
    - {types: [things, drafts, tasks, stricts], actions: ["*"], where: 'open = true'}
    - {types: [things, drafts, tasks, stricts], actions: [read, list, watch, restore]}
  denies:
    - {types: [things, drafts, tasks, stricts, runs, schedules, bulk-jobs, things-later-jobs, drafts-later-jobs, tasks-later-jobs, api-keys, webhooks], actions: ["*"]}
    - {types: [things, drafts, tasks, stricts], actions: [create, update, modify, publish, delete, restore, switch, purge, migrate, rerun, cancel, stamp], where: 'denied = true', effect: deny}
    - {types: [api-keys], actions: [create, update, modify, publish, delete, restore, switch, purge, migrate], where: 'startsWith(name, "denied")', effect: deny}
    - {types: [webhooks], actions: [create, update, modify, publish, delete, restore, switch, purge, migrate], where: 'contains(url, "denied")', effect: deny}
bindings:
  - {role: all, subjects: ["key:all", "key:scoped", "key:makers"]}
  - {role: read, subjects: ["key:reader"]}
  - {role: blinds, subjects: ["key:blinds"]}
  - {role: rows, subjects: ["key:rows"]}
  - {role: hides, subjects: ["key:hides"]}
  - {role: locks, subjects: ["key:locks"]}
  - {role: revives, subjects: ["key:revives"]}
  - {role: denies, subjects: ["key:denies"]}
`

// caller is a principal that asks, over HTTP and as an actor of Go code.
type caller struct {
	*apitest.Client
	name  string // of the principal
	token string
	actor policy.Actor
}

// world is a running program with all of that.
type world struct {
	row      apitest.Storage
	settings autocrud.Settings
	stop     func()
	admin    *caller
	callers  map[string]*caller
	other    *apitest.Client   // the admin of another namespace
	m        *resource.Manager // that Go code of the program gets
	upkeep   *upkeep.Upkeep
	hooks    *hookServer
	count    atomic.Int64
	unwanted sync.Map // type/id of what a hook refuses
	mu       sync.Mutex
	kept     []keptBinary
	notes    []auditNote
}

// keptBinary is one that has to be readable at the end, after a sweep.
type keptBinary struct{ cell, path string }

// errUnwanted is the refusal of a hook.
var errUnwanted = errors.New("a hook does not want it")

func (w *world) fresh(prefix string) string { return fmt.Sprintf("%s%d", prefix, w.count.Add(1)) }

// marker is a text that is used once, so that wherever it shows up it is known
// where it is from.
func (w *world) marker() string { return w.fresh("mk") + "z" }

// touchInput says which resource an action changes, and how.
type touchInput struct {
	ID    string `json:"id,omitempty"`
	Patch string `json:"patch"`
}

type touchOutput struct {
	Seq  int    `json:"seq"`
	Code string `json:"code,omitempty"`
}

// runPayload is what a job of the cross does.
type runPayload struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Patch string `json:"patch"`
}

// patchBy is what actions and handlers do: one write through the Manager.
func patchBy(ctx context.Context, m *resource.Manager, typ, id, patch string) (int, error) {
	body, err := model.DecodeJSON([]byte(patch))
	if err != nil {
		return 0, err
	}
	r, err := m.Patch(ctx, typ, id, resource.Patch{Kind: resource.MergePatch, Body: body}, resource.UpdateOptions{})
	if err != nil {
		return 0, err
	}
	return int(r.Seq), nil
}

func (w *world) app() *autocrud.App {
	app := autocrud.New()
	for _, typ := range []string{"things", "drafts", "tasks"} {
		act := func(ctx context.Context, c autocrud.ActionCall[touchInput]) (touchOutput, error) {
			id := c.ID
			if id == "" {
				id = c.Input.ID
			}
			n, err := patchBy(ctx, c.Manager, typ, id, c.Input.Patch)
			return touchOutput{Seq: n}, err
		}
		autocrud.Action(app, typ, "touch", act)
		autocrud.Action(app, typ, "stamp", act, autocrud.OnResource())
		autocrud.Action(app, typ, "later", func(ctx context.Context, c autocrud.ActionCall[touchInput]) (touchOutput, error) {
			out, err := act(ctx, c)
			out.Code = string(fault.CodeOf(err)) // so that it is not tried again
			return out, nil
		}, autocrud.OnResource(), autocrud.AsJob())
		for _, action := range storage.Actions {
			autocrud.Before(app, typ, action, func(_ context.Context, c autocrud.Change[map[string]any]) error {
				if _, no := w.unwanted.Load(c.Type + "/" + c.ID); no {
					return errUnwanted
				}
				return nil
			})
		}
	}
	autocrud.Action(app, "things", "meet", func(_ context.Context, c autocrud.ActionCall[struct{}]) (struct{}, error) {
		w.m = c.Manager // the Manager that Go code of this program gets
		return struct{}{}, nil
	})
	autocrud.HandleJob(app, "runs", func(ctx context.Context, j *job.Job[runPayload]) error {
		n, err := patchBy(ctx, j.Manager, j.Payload.Type, j.Payload.ID, j.Payload.Patch)
		if err != nil {
			return j.SetResult(map[string]any{"code": fault.CodeOf(err)})
		}
		return j.SetResult(map[string]any{"seq": n})
	})
	return app
}

// begin starts the program and lets every caller ask it, from now on.
func (w *world) begin(t testing.TB, s autocrud.Settings, models map[string]string) (stop func()) {
	t.Helper()
	s.Auth, s.AdminKey, s.Models, s.Addr, s.LogLevel = "required", adminKey, apitest.WriteModels(t, models), "127.0.0.1:0", "error"
	if s.DataDir == "" {
		s.DataDir = t.TempDir()
	}
	if s.Policies == "" {
		s.Policies = filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(s.Policies, []byte(crossPolicy), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := w.app().Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := r.Stop(); err != nil {
			t.Errorf("the program ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	w.settings, w.upkeep = s, r.Domain.Upkeep
	admin := apitest.NewClient(t, r.URL).As(adminKey)
	if w.admin == nil {
		w.admin = &caller{name: "admin", token: adminKey, actor: policy.Actor{Principal: "admin", Address: "127.0.0.1", Identity: &policy.Identity{Admin: true}}}
	}
	w.admin.Client = admin
	for _, by := range w.callers {
		by.Client = admin.As(by.token)
	}
	return stop
}

// meets has the program hand over the Manager that Go code of it gets.
func (w *world) meets(t testing.TB) {
	t.Helper()
	w.admin.Post(t, "/v1/things:meet", `{}`).Want(t, 200)
}

// newWorld starts the program, and one of another namespace.
func newWorld(t *testing.T, row apitest.Storage) *world {
	t.Helper()
	w := &world{row: row, hooks: newHookServer(t)}
	w.stop = w.begin(t, local(row.Settings(t)), crossModels())
	admin := w.admin.Client
	elsewhere := local(row.Settings(t))
	elsewhere.Namespace = "elsewhere"
	w.other = guardModels(t, (&world{}).app(), elsewhere, crossPolicy, crossModels())
	w.meets(t)
	admin.Post(t, "/v1/queues/halted:pause", nil).Want(t, 200)
	w.callers = map[string]*caller{"admin": w.admin, "nobody": {Client: admin.As(""), name: "anonymous"}}
	for _, name := range []string{"all", "reader", "rows", "hides", "locks", "denies", "revives", "blinds", "stranger", "scoped", "makers"} {
		more, identity := "", &policy.Identity{}
		switch name {
		case "scoped":
			more = `,"scopes":[{"types":["*"],"actions":["read","list","watch"]},{"types":["api-keys","webhooks"],"actions":["read","list","watch"]}]`
			identity.Scopes = []policy.Rule{{Types: []string{"*"}, Actions: []string{"read", "list", "watch"}}}
		case "makers":
			more = `,"scopes":[{"types":["*"],"actions":["create"]}]`
		}
		token := admin.Post(t, "/v1/api-keys", `{"name":"`+name+`"`+more+`}`).Want(t, 201).Text("/secret")
		w.callers[name] = &caller{admin.As(token), "key:" + name, token, policy.Actor{Principal: "key:" + name, Address: "127.0.0.1", Identity: identity}}
	}
	return w
}

// kind is a type as the cross knows it.
type kind struct {
	name    string
	builtin bool
	admins  bool // only an admin writes it
	inForce bool // what is written is in force at once: it has no drafts
	draft   bool // its revisions are drafts at first
	job     bool
	groups  string            // a field that can be grouped by
	lacks   map[string]string // promise -> why no content of the type can show it
	// doc makes a document from symbols: name, veiled, closed, denied, hidden,
	// locked, code, shelf, slot, must, may, with, file.
	doc  func(content) content
	read func(data map[string]any) content // the symbols of a document; nil: they are its fields
}

// master is a caller who may do everything with the type.
func (k *kind) master(c *cell) *caller {
	if k.admins {
		return c.w.admin
	}
	return c.by("all")
}

// symbols of a document that was read.
func (k *kind) symbols(data map[string]any) content {
	if k.read == nil {
		return data
	}
	return k.read(data)
}

// content is a document, or symbols of one.
type content map[string]any

// and is a copy with more.
func (c content) and(name string, value any) content {
	out := maps.Clone(c)
	if out == nil {
		out = content{}
	}
	out[name] = value
	return out
}

// plainDoc is the document of the types with crossSchema.
func plainDoc(with content) content {
	out := content{}
	for name, v := range with {
		switch name {
		case "veiled":
			out["seen"] = v != true
		case "closed":
			out["open"] = v != true
		case "file":
			out["file"] = map[string]any{"digest": v}
		default:
			out[name] = v
		}
	}
	return out
}

func ordinary() *kind { return &kind{name: "things", groups: "name", doc: plainDoc} }

func draftFirst() *kind { return &kind{name: "drafts", draft: true, groups: "name", doc: plainDoc} }

func taskKind() *kind { return &kind{name: "tasks", job: true, groups: "name", doc: plainDoc} }

// wait polls until ok.
func (c *cell) wait(what string, ok func() bool) {
	c.Helper()
	apitest.Eventually(c, 10*time.Second, what, ok)
}
