package jobs

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// UnfinishedStates are those of jobs that the dispatcher has to look after.
var UnfinishedStates = []storage.JobState{storage.JobRunning, storage.JobPending, storage.JobScheduled}

// JobsIn walks the live jobs of a type in one state, by run_at, and calls fn
// for each until it returns false. What changes meanwhile may be seen or not.
func (jb *Jobs) JobsIn(ctx context.Context, typ string, state storage.JobState, fn func(storage.Meta) bool) error {
	t, err := jb.States.Type(typ)
	if err != nil {
		return err
	}
	fields := t.Definition().QueryFields()
	stateField, _ := fields.Lookup("meta.job.state")
	runAt, _ := fields.Lookup("meta.job.run_at")
	q := storage.Search{Type: typ, Filter: query.Compare{Field: stateField, Op: query.Equal, Value: string(state)},
		Order: query.Order{{Field: runAt}}, Limit: states.MaxPageSize, Bare: true}
	for {
		page, err := jb.index.Search(ctx, q)
		if err != nil {
			return states.StoreError(err)
		}
		for _, row := range page.Rows {
			var meta storage.Meta
			if err := json.Unmarshal(row.Meta, &meta); err != nil {
				return states.StoreError(err)
			}
			if meta.Job != nil && !fn(meta) {
				return nil
			}
		}
		if q.After = page.Next; q.After == nil {
			return nil
		}
	}
}

// Heads reads the newest events of several resources from the index, which may
// be behind; those it does not know are left out.
func (jb *Jobs) Heads(ctx context.Context, typ string, ids []string) ([]*storage.Event, error) {
	events, err := jb.index.Heads(ctx, typ, ids)
	return events, states.StoreError(err)
}

// JobState tells where a job stands, from the log; cancelled when there is no
// such job any more.
func (jb *Jobs) JobState(ctx context.Context, typ, id string) (storage.JobState, error) {
	s, err := jb.States.Head(ctx, states.Key{Type: typ, ID: id}, true)
	switch {
	case err != nil:
		return "", err
	case !s.Exists() || s.Event.Meta.Deleted || s.Event.Meta.Job == nil:
		return storage.JobStateCancel, nil
	}
	return s.Event.Meta.Job.State, nil
}

// Newest is the newest event of a resource, from the log; nil when there is
// none.
func (jb *Jobs) Newest(ctx context.Context, typ, id string) (*storage.Event, error) {
	e, err := jb.States.LastEvent(ctx, states.Key{Type: typ, ID: id})
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	return e, err
}
