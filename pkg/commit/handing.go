package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// mayHand refuses a step on what hands rights to others, or uses them later, by an
// actor that does not have those rights itself: a key, a role, a binding, a schedule,
// a webhook, a bulk change. It asks about the state before the step and about the
// one after it, so that nothing stronger than the actor is changed or taken away.
func (gt *Gate) mayHand(ctx context.Context, t *model.Type, p Plan, s states.State, next Step) error {
	if !t.Builtin || p.Action == "" || gt.Guard.Admin(ctx) == nil {
		return nil
	}
	if s.Exists() {
		content, err := gt.States.Content(ctx, s.Event)
		if err != nil {
			return err
		}
		if err := gt.MayHave(ctx, t, content); err != nil {
			return err
		}
	}
	if next.Event.Action != storage.Purged {
		if err := gt.MayHave(ctx, t, next.Content); err != nil {
			return err
		}
	}
	if becomes := gt.strategies.Of(t).Becomes; becomes != nil {
		step, err := gt.transition(ctx, p, s, next)
		if err != nil {
			return err
		}
		return becomes(ctx, step)
	}
	return nil
}

// transition is a step as strategies are asked about it.
func (gt *Gate) transition(ctx context.Context, p Plan, s states.State, next Step) (out states.Transition, err error) {
	out = states.Transition{Before: s.Event, After: next.Event, Content: next.Content, Rotates: p.Asks.Rotate != nil}
	if s.Exists() {
		out.BeforeContent, err = gt.States.Content(ctx, s.Event)
	}
	return out, err
}

// keeps asks the strategy of a type about a step of any actor.
func (gt *Gate) keeps(ctx context.Context, t *model.Type, p Plan, s states.State, next Step) error {
	keeps := gt.strategies.Of(t).Keeps
	if keeps == nil {
		return nil
	}
	step, err := gt.transition(ctx, p, s, next)
	if err != nil {
		return err
	}
	return keeps(ctx, step)
}

// MayHave refuses content that has rights which the actor has not.
func (gt *Gate) MayHave(ctx context.Context, t *model.Type, content []byte) error {
	if a := policy.ActorOf(ctx); a.Identity.Limit != "" && !gt.strategies.Of(t).ByLimited {
		return policy.Denied(ctx, t, "", "create", policy.Decision{Why: "a handler that is limited by the role of its type of jobs makes nothing that acts later"})
	}
	if hands := gt.strategies.Of(t).Hands; hands != nil {
		return hands(ctx, content)
	}
	return nil
}
