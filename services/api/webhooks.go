package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Webhooks delivers to webhooks.
type Webhooks interface {
	// Test sends one event that means nothing.
	Test(ctx context.Context, id string) (storage.Delivery, error)
	// Deliveries lists what was tried, newest first; next is 0 on the last page.
	Deliveries(ctx context.Context, id string, before uint64, limit int) (page []storage.Delivery, next uint64, err error)
}

func pauseWebhook(a *API, c call) error {
	return patchWebhook(a, c, map[string]any{"paused": true, "paused_reason": nil})
}

func resumeWebhook(a *API, c call) error {
	return patchWebhook(a, c, map[string]any{"paused": false, "paused_reason": nil})
}

func patchWebhook(a *API, c call, change map[string]any) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	r, err := a.m.Patch(c.r.Context(), c.t.Name, c.id, resource.Patch{Kind: resource.MergePatch, Body: change}, resource.UpdateOptions{IfMatch: match})
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, everything)
}

// replayWebhook makes deliveries begin again at a sequence or a time.
func replayWebhook(a *API, c call) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	body, err := readObject(c.w, c.r, "from_seq", "from_time")
	if err != nil {
		return a.unfit(c, "update", match, err)
	}
	replay := map[string]any{"id": uuid.NewString(), "from_seq": nil, "from_time": nil}
	switch seq, at := body["from_seq"], body["from_time"]; {
	case (seq == nil) == (at == nil):
		return a.unfit(c, "update", match, invalid("", "needs from_seq or from_time, one of them"))
	case seq != nil:
		if n, ok := seq.(int64); !ok || n < 0 {
			return a.unfit(c, "update", match, invalid("/from_seq", "must be a sequence, from 0 on"))
		}
		replay["from_seq"] = seq
	default:
		text, _ := at.(string)
		if _, err := model.ParseTime(text); err != nil {
			return a.unfit(c, "update", match, invalid("/from_time", "must be an RFC 3339 time"))
		}
		replay["from_time"] = at
	}
	r, err := a.m.Webhooks.ReplayWebhook(c.r.Context(), c.id, replay, resource.UpdateOptions{IfMatch: match})
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, everything)
}

func testWebhook(a *API, c call) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	match.Any = match.None() // the type may demand one; a test changes nothing
	if err := a.m.Check(c.r.Context(), "update", c.t.Name, c.id, match); err != nil {
		return err
	}
	x, err := a.o.Webhooks.Test(c.r.Context(), c.id)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, x)
}

func listDeliveries(a *API, c call) error {
	p := c.query()
	page := p.page()
	if p.err != nil {
		return p.err
	}
	hook, err := a.m.Get(c.r.Context(), c.t.Name, c.id, resource.GetOptions{IncludeDeleted: true})
	if err != nil {
		return err
	}
	if !c.match.Holds(hook.EventID) {
		return errNotMatched
	}
	var meta storage.Meta
	if err := json.Unmarshal(hook.Meta, &meta); err != nil {
		return err
	}
	binding := "deliveries/" + c.id
	before, err := a.m.PageAfter(page.Token, binding)
	if err != nil {
		return err
	}
	items, next, err := a.o.Webhooks.Deliveries(c.r.Context(), c.id, before, page.Limit())
	if err != nil {
		return &fault.Error{Code: fault.Unavailable, Detail: "the deliveries cannot be read; try again", Cause: err}
	}
	// One that was purged may have had the same id.
	if i := slices.IndexFunc(items, func(x storage.Delivery) bool { return x.At.Before(meta.CreatedAt) }); i >= 0 {
		items, next = items[:i], 0
	}
	for i := range items { // an envelope is for callers who may see it elsewhere
		if !a.m.Webhooks.MayWatchAll(c.r.Context(), items[i].Type) {
			items[i].Request.Body = json.RawMessage("null")
		}
	}
	token := ""
	if next > 0 {
		token = a.m.PageToken(next, binding)
	}
	if items == nil {
		items = []storage.Delivery{}
	}
	return c.items(items, token)
}
