package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Publish publishes HEAD: a draft becomes stable, a stable revision that was taken back
// is published again. What is published stays as it is.
func (wr *Writer) Publish(ctx context.Context, typ, id string, match Match) (*states.Resource, error) {
	return wr.publishing(ctx, typ, id, match, func(ctx context.Context, t *model.Type, s states.State, before *storage.Event) (Step, error) {
		switch {
		case s.Event.Revision.Status == storage.Draft:
			content, err := wr.States.Content(ctx, s.Event)
			if err != nil {
				return Step{}, err
			}
			return wr.setStatus(t, s, content, storage.Stable, ""), nil
		case before != nil && before.Revision.Number == s.Event.Revision.Number:
			return Step{}, nil
		}
		return wr.Unchanged(ctx, s, Successor(s, storage.MadePublic))
	})
}

// Unpublish takes back what is published, and leaves HEAD as it is.
func (wr *Writer) Unpublish(ctx context.Context, typ, id string, match Match) (*states.Resource, error) {
	return wr.publishing(ctx, typ, id, match, func(ctx context.Context, _ *model.Type, s states.State, before *storage.Event) (Step, error) {
		if before == nil {
			return Step{}, nil
		}
		return wr.Unchanged(ctx, s, Successor(s, storage.TakenBack))
	})
}

// publishing runs what a live resource and what is published of it are made into.
func (wr *Writer) publishing(ctx context.Context, typ, id string, match Match, next func(context.Context, *model.Type, states.State, *storage.Event) (Step, error)) (*states.Resource, error) {
	t, err := wr.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	return wr.Run(ctx, t, id, Plan{Action: "publish", Make: func(ctx context.Context, _ *Mutation, s states.State) (Step, error) {
		if err := states.RequireLive(t, id, s); err != nil {
			return Step{}, err
		}
		if err := match.Check(t, s); err != nil {
			return Step{}, err
		}
		before, err := publishedBefore(ctx, wr.States, t, s)
		if err != nil {
			return Step{}, err
		}
		return next(ctx, t, s, before)
	}})
}
