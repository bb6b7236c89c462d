package resource

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// mayHand refuses a step on what hands rights to others, or uses them later, by an
// actor that does not have those rights itself: a key, a role, a binding, a schedule,
// a webhook, a bulk change. It asks about the state before the step and about the
// one after it, so that nothing stronger than the actor is changed or taken away.
func (gt *Gate) mayHand(ctx context.Context, t *model.Type, p plan, s state, next step) error {
	if !t.Builtin || p.action == "" || gt.Guard.Admin(ctx) == nil {
		return nil
	}
	if s.exists() {
		content, err := gt.States.content(ctx, s.event)
		if err != nil {
			return err
		}
		if err := gt.mayHave(ctx, t, content); err != nil {
			return err
		}
	}
	if next.event.Action == storage.Purged {
		return nil
	}
	if err := gt.mayHave(ctx, t, next.content); err != nil {
		return err
	}
	if becomes := gt.strategies.of(t).Becomes; becomes != nil {
		step, err := gt.transition(ctx, p, s, next)
		if err != nil {
			return err
		}
		return becomes(ctx, step)
	}
	return nil
}

// transition is a step as strategies are asked about it.
func (gt *Gate) transition(ctx context.Context, p plan, s state, next step) (out Transition, err error) {
	out = Transition{Before: s.event, After: next.event, Content: next.content, Rotates: p.asks.rotate != nil}
	if s.exists() {
		out.BeforeContent, err = gt.States.content(ctx, s.event)
	}
	return out, err
}

// keeps asks the strategy of a type about a step of any actor.
func (gt *Gate) keeps(ctx context.Context, t *model.Type, p plan, s state, next step) error {
	keeps := gt.strategies.of(t).Keeps
	if keeps == nil {
		return nil
	}
	step, err := gt.transition(ctx, p, s, next)
	if err != nil {
		return err
	}
	return keeps(ctx, step)
}

// mayHave refuses content that has rights which the actor has not.
func (gt *Gate) mayHave(ctx context.Context, t *model.Type, content []byte) error {
	if a := policy.ActorOf(ctx); a.Identity.Limit != "" && !gt.strategies.of(t).ByLimited {
		return policy.Denied(ctx, t, "", "create", policy.Decision{Why: "a handler that is limited by the role of its type of jobs makes nothing that acts later"})
	}
	if hands := gt.strategies.of(t).Hands; hands != nil {
		return hands(ctx, content)
	}
	return nil
}
