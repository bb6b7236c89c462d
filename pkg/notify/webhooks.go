package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// WebhookAccess is what the dispatcher of webhooks asks: what a webhook may be told.
type WebhookAccess struct {
	Guard   *states.Guard
	Seals   *commit.Seals
	States  *states.States
	Watches *Watches
	Writer  *commit.Writer
	o       *states.Options
	types   *registry.Types
}

// NewWebhookAccess is what a Manager knows of webhooks.
func NewWebhookAccess(p commit.Parts, watches *Watches) *WebhookAccess {
	wh := &WebhookAccess{Guard: p.Guard, Seals: p.Seals, States: p.States, Watches: watches, Writer: p.Writer, o: p.Core.Options, types: p.Core.Types}
	p.Core.Register(Webhooks, states.Strategy{Check: wh.checkWebhook, Hands: wh.mayBeTold, ActsLater: true})
	return wh
}

// Webhooks is the built-in type of addresses that are told of events.
const Webhooks = "webhooks"

const webhookSchema = `{"type":"object","required":["url"],"additionalProperties":false,"properties":{
	"url":{"type":"string","minLength":1,"maxLength":2000,"description":"http or https; redirects are not followed","examples":["https://hooks.example/movies"]},
	"description":{"type":"string","maxLength":500},
	"types":{"type":"array","maxItems":100,"uniqueItems":true,"items":{"type":"string"},"default":[],"description":"types whose events are sent; empty: all"},
	"actions":{"type":"array","maxItems":50,"uniqueItems":true,"items":{"type":"string"},"default":[],"description":"actions that are sent; empty: all"},
	"filter":{"type":"string","maxLength":4000,"default":"","description":"only resources that match; over indexed fields with one type, else over meta fields"},
	"secret":{"type":"string","minLength":1,"maxLength":200,"writeOnly":true,"examples":["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="],"description":"whsec_ and 24 to 64 bytes in base64; made when absent. A new one is used beside the one before for a day"},
	"ordered":{"type":"boolean","default":false,"description":"one at a time, strictly in order"},
	"paused":{"type":"boolean","default":false},
	"paused_reason":{"type":["string","null"],"maxLength":1000,"default":null},
	"replay":{"type":["object","null"],"default":null,"additionalProperties":false,"required":["id"],"description":"where deliveries began again; set by :replay","properties":{
		"id":{"type":"string","maxLength":64,"pattern":"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$"},"from_seq":{"type":"integer","minimum":0},"from_time":{"type":"string","format":"date-time"}}}}}`

// WebhookType is the type of Webhooks; check refuses addresses that must not be
// called.
func WebhookType(check func(url string) error) (*model.Type, error) {
	return model.NewType(model.Type{Name: Webhooks, State: "replay", Title: "Webhook", Builtin: true, Schema: json.RawMessage(webhookSchema), Index: []string{"url", "paused"}, Secret: "secret",
		Check: func(data any) error {
			doc, _ := data.(map[string]any)
			url, _ := doc["url"].(string)
			if err := check(url); err != nil {
				return &fault.Error{Code: fault.ValidationFailed, Detail: "this address cannot be a webhook", Fields: []fault.FieldError{{Pointer: "/url", Detail: err.Error()}}}
			}
			return nil
		}})
}

// Webhook is the data of a webhook.
type Webhook struct {
	URL          string   `json:"url"`
	Types        []string `json:"types"`
	Actions      []string `json:"actions"`
	Filter       string   `json:"filter"`
	Ordered      bool     `json:"ordered"`
	Paused       bool     `json:"paused"`
	PausedReason *string  `json:"paused_reason"`
	Replay       *Replay  `json:"replay"`
}

// Replay is where deliveries are to begin again.
type Replay struct {
	ID       string  `json:"id"`
	FromSeq  *uint64 `json:"from_seq,omitempty"`
	FromTime *string `json:"from_time,omitempty"`
}

// ReplayWebhook makes the deliveries of a webhook begin again.
func (wh *WebhookAccess) ReplayWebhook(ctx context.Context, id string, replay map[string]any, o commit.UpdateOptions) (*states.Resource, error) {
	return wh.Writer.PatchWith(ctx, Webhooks, id, commit.Patch{Kind: commit.MergePatch, Body: map[string]any{"replay": replay}}, o, commit.Request{Replay: true})
}

// checkWebhook refuses a webhook that could never be told anything.
func (wh *WebhookAccess) checkWebhook(content []byte) error {
	tree, err := model.DecodeJSON(content)
	if err != nil {
		return err
	}
	doc, _ := tree.(map[string]any)
	var fields []fault.FieldError
	types, _ := doc["types"].([]any)
	for i, x := range types {
		name, _ := x.(string)
		if t := wh.types.Named(name); t == nil || t.Builtin {
			fields = append(fields, fault.FieldError{Pointer: fmt.Sprint("/types/", i), Detail: "is not a type whose events are sent"})
		}
	}
	actions, _ := doc["actions"].([]any)
	for i, x := range actions {
		name, _ := x.(string)
		if name != string(Left) && !slices.Contains(storage.Actions, storage.Action(name)) {
			fields = append(fields, fault.FieldError{Pointer: fmt.Sprint("/actions/", i), Detail: "is not an action"})
		}
	}
	if text, _ := doc["filter"].(string); len(fields) == 0 && strings.TrimSpace(text) != "" {
		only := ""
		if len(types) == 1 {
			only, _ = types[0].(string)
		}
		if _, err := wh.Watches.watchFilter(context.Background(), wh.types.Named(only), storage.HeadView, text); err != nil {
			fields = append(fields, fault.FieldError{Pointer: "/filter", Detail: err.Error()})
		}
	}
	if len(fields) > 0 {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "the webhook is not valid", Fields: fields}
	}
	return nil
}

// MayWatchAll reports whether the actor may see all of every event of a type.
func (wh *WebhookAccess) MayWatchAll(ctx context.Context, typ string) bool {
	t := wh.types.Named(typ)
	return t == nil || wh.Guard.WatchesAll(ctx, t)
}

// MayTell reports whether a webhook, as an event of it left it, may be told of a
// type: whether its owner then may watch all of that now.
func (wh *WebhookAccess) MayTell(ctx context.Context, id string, seq uint64, typ string) (bool, error) {
	t := wh.types.Named(typ)
	if wh.o.Access == nil || t == nil {
		return true, nil
	}
	s, err := wh.States.Head(ctx, states.Key{Type: Webhooks, ID: id}, false)
	if err != nil || !s.Exists() {
		return false, err
	}
	e := s.Event
	if s.Seq() != seq {
		if e, err = wh.States.EventAt(ctx, states.Key{Type: Webhooks, ID: id}, seq); err != nil || e == nil {
			return false, err
		}
	}
	return wh.Guard.WatchesAll(wh.Guard.ActForOwner(ctx, e), t), nil
}

// Purged reports whether the resource that an event is about was purged since,
// also when another has its id now. It is as new as the index.
func (wh *WebhookAccess) Purged(ctx context.Context, t storage.Message) (bool, error) {
	s, err := wh.States.Head(ctx, states.Key{Type: t.Type, ID: t.Resource}, false)
	if err != nil {
		return false, err
	}
	return !s.Exists() && s.Seq() > t.Seq || s.Exists() && t.At.Before(s.Event.Meta.CreatedAt), nil
}

// mayBeTold refuses a webhook for what the actor may not watch all of.
func (wh *WebhookAccess) mayBeTold(ctx context.Context, content []byte) error {
	var h Webhook
	if err := json.Unmarshal(content, &h); err != nil {
		return err
	}
	for _, of := range wh.States.Types() {
		if of.Builtin || len(h.Types) > 0 && !slices.Contains(h.Types, of.Name) {
			continue
		}
		if !wh.Guard.WatchesAll(ctx, of) {
			return policy.Denied(ctx, of, "", "watch", policy.Decision{Why: "a webhook is told everything about " + of.Name + ", which needs the right to watch all of it"})
		}
	}
	return nil
}

// Secrets opens the secrets of a resource that are good now, the newest first.
// It is for what uses them, never for an answer.
func (wh *WebhookAccess) Secrets(ctx context.Context, typ, id string) (out [][]byte, err error) {
	t, err := wh.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	s, err := wh.States.Head(ctx, states.Key{Type: typ, ID: id}, false)
	if err != nil {
		return nil, err
	}
	if err := states.RequireLive(t, id, s); err != nil {
		return nil, err
	}
	content, err := wh.States.Content(ctx, s.Event)
	if err != nil {
		return nil, err
	}
	for i, b := range t.Sealed(content) {
		if i > 0 && (b.Until == nil || b.Until.Before(wh.o.Now())) {
			continue
		}
		secret, err := wh.Seals.Unseal(t, b)
		if err != nil {
			return nil, err
		}
		out = append(out, secret)
	}
	return out, nil
}

// Judged tells what a webhook is told of an event of the log: nothing, when it
// does not match or was erased.
func (wa *Watches) Judged(ctx context.Context, h Webhook, seq uint64) (Notice, bool, error) {
	var only *model.Type
	if len(h.Types) == 1 {
		only = wa.types.Named(h.Types[0])
	}
	var filter query.Expr
	var err error
	if strings.TrimSpace(h.Filter) != "" { // else it is told also of what no filter can be asked about
		if filter, err = wa.watchFilter(ctx, only, storage.HeadView, h.Filter); err != nil {
			return Notice{}, false, err
		}
	}
	entry, err := wa.log.At(ctx, seq)
	if errors.Is(err, storage.ErrNotFound) {
		return Notice{}, false, nil
	}
	if err != nil {
		return Notice{}, false, states.StoreError(err)
	}
	w := &Watch{m: wa, typ: only, filter: filter, trusted: true, models: wa.types.Version()}
	return w.look(ctx, &CachedEvent{entry: entry})
}
