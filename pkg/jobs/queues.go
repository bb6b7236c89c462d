package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// QueueSettings is the built-in type of the limits of queues. The id of a
// resource is the name of its queue; a queue without one has no limits.
const QueueSettings = "queue-settings"

const queueSchema = `{"type":"object","additionalProperties":false,"properties":{
	"paused":{"type":"boolean","default":false,"description":"no job of the queue starts"},
	"concurrency":{"type":"integer","minimum":0,"maximum":100000,"default":0,"description":"jobs of the queue that run at once, of all workers together; 0: any number"},
	"rate":{"type":["object","null"],"default":null,"required":["limit","per"],"additionalProperties":false,"description":"starts in a time, spread evenly; null: any number","properties":{
		"limit":{"type":"integer","minimum":1,"maximum":1000000},
		"per":{"type":"string","pattern":"^[0-9]+(ms|s|m|h)$","maxLength":12,"description":"a duration, for example 1s or 1m"}}}}}`

// QueueLimits are the settings of a queue.
type QueueLimits struct {
	Paused      bool       `json:"paused"`
	Concurrency int        `json:"concurrency"`
	Rate        *QueueRate `json:"rate"`
	Seq         uint64     `json:"-"` // of the settings' last change
}

// QueueRate is how many jobs may start in a time.
type QueueRate struct {
	Limit int    `json:"limit"`
	Per   string `json:"per"`
}

// Every is the time the limit is for.
func (r QueueRate) Every() time.Duration {
	d, err := time.ParseDuration(r.Per)
	if err != nil || d < time.Millisecond {
		return time.Second // refused when it was written
	}
	return d
}

// QueueType is the type of QueueSettings.
func QueueType() (*model.Type, error) {
	return model.NewType(model.Type{Name: QueueSettings, Title: "Settings of a queue", Builtin: true, Schema: json.RawMessage(queueSchema)})
}

// checkQueue refuses settings that the schema cannot tell to be wrong.
func checkQueue(content []byte) error {
	var q QueueLimits
	if err := json.Unmarshal(content, &q); err != nil {
		return err
	}
	if q.Rate == nil {
		return nil
	}
	if d, err := time.ParseDuration(q.Rate.Per); err != nil || d < time.Millisecond || d > 24*time.Hour {
		return fmt.Errorf("rate.per is a duration from 1ms to 24h, not %q", q.Rate.Per)
	}
	return nil
}

// AllQueueSettings reads the settings of every queue that has some.
func (jb *Jobs) AllQueueSettings(ctx context.Context) (map[string]QueueLimits, error) {
	out := map[string]QueueLimits{}
	t := jb.types.Named(QueueSettings)
	if t == nil {
		return out, nil
	}
	q := storage.Search{Type: QueueSettings, Order: jb.States.ByID(t), Limit: states.MaxPageSize}
	for {
		page, err := jb.index.Search(ctx, q)
		if err != nil {
			return nil, states.StoreError(err)
		}
		for _, row := range page.Rows {
			l := QueueLimits{Seq: row.Seq}
			if err := json.Unmarshal(row.Content, &l); err != nil {
				return nil, states.StoreError(err)
			}
			out[row.ID] = l
		}
		if q.After = page.Next; q.After == nil {
			return out, nil
		}
	}
}

// Queue is how a queue stands.
type Queue struct {
	Name string `json:"name"`
	QueueLimits
	Types []string   `json:"types"` // whose jobs go into it
	Depth QueueDepth `json:"depth"`
	// OldestDueAt is since when the oldest pending job waits.
	OldestDueAt *time.Time `json:"oldest_due_at"`
	PerMinute   QueueRates `json:"per_minute"`
}

// QueueDepth counts the jobs of a queue by state. Failed are the dead letters.
type QueueDepth struct {
	Pending   int64 `json:"pending"`
	Scheduled int64 `json:"scheduled"`
	Running   int64 `json:"running"`
	Failed    int64 `json:"failed"`
}

// QueueRates counts what ended within the last minute.
type QueueRates struct {
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
}

// Queues lists the queues of all job types, by name.
func (jb *Jobs) Queues(ctx context.Context) ([]Queue, error) {
	if t := jb.types.Named(QueueSettings); t != nil {
		if err := jb.Guard.May(ctx, t, "read"); err != nil {
			return nil, err
		}
	}
	if err := jb.States.Freshen(ctx, states.Default, 0); err != nil {
		return nil, err
	}
	settings, err := jb.AllQueueSettings(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]*Queue{}
	of := func(name string) *Queue {
		if all[name] == nil {
			all[name] = &Queue{Name: name, QueueLimits: settings[name], Types: []string{}}
		}
		return all[name]
	}
	for name := range settings {
		of(name)
	}
	for _, name := range jb.types.Names() {
		t := jb.types.Named(name)
		if t.Job == nil {
			continue
		}
		q := of(t.Job.Queue)
		q.Types = append(q.Types, name)
		if err := jb.measure(policy.AsProgram(ctx), name, of); err != nil { // a caller who may see the queues may see how long they are
			return nil, err
		}
	}
	out := make([]Queue, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, *all[name])
	}
	return out, nil
}

// measure adds the jobs of a type to their queues.
func (jb *Jobs) measure(ctx context.Context, typ string, of func(string) *Queue) error {
	count := func(filter string, min []string, fn func(q *Queue, state storage.JobState, g storage.Group)) error {
		a, err := jb.Reads.Aggregate(ctx, typ, states.AggregateOptions{GroupBy: []string{"meta.job.queue", "meta.job.state"}, Min: min,
			ListOptions: states.ListOptions{Filter: filter, Consistency: states.Eventual, Page: states.PageOptions{Size: states.MaxPageSize}}})
		if err != nil {
			return err
		}
		for _, g := range a.Groups {
			name, _ := g.Key[0].(string)
			state, _ := g.Key[1].(string)
			fn(of(name), storage.JobState(state), g)
		}
		return nil
	}
	err := count(`in(meta.job.state, "pending", "scheduled", "running", "failed")`, []string{"meta.job.run_at"}, func(q *Queue, state storage.JobState, g storage.Group) {
		switch state {
		case storage.JobPending:
			q.Depth.Pending += g.Count
			if at, ok := g.Min[0].(time.Time); ok && (q.OldestDueAt == nil || at.Before(*q.OldestDueAt)) {
				q.OldestDueAt = &at
			}
		case storage.JobScheduled:
			q.Depth.Scheduled += g.Count
		case storage.JobRunning:
			q.Depth.Running += g.Count
		case storage.JobStateFailed:
			q.Depth.Failed += g.Count
		}
	})
	if err != nil {
		return err
	}
	return count(`meta.updated_at > now() - duration("1m") AND in(meta.job.state, "succeeded", "failed")`, nil, func(q *Queue, state storage.JobState, g storage.Group) {
		if state == storage.JobStateDone {
			q.PerMinute.Succeeded += g.Count
		} else {
			q.PerMinute.Failed += g.Count
		}
	})
}

// Queue is one of Queues.
func (jb *Jobs) Queue(ctx context.Context, name string) (*Queue, error) {
	if t := jb.types.Named(QueueSettings); t != nil {
		if err := jb.Guard.May(ctx, t, "read"); err != nil {
			return nil, err
		}
	}
	all, err := jb.Queues(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	return nil, fault.Errorf(fault.NotFound, "there is no queue %q", name)
}

// PauseQueue keeps the jobs of a queue from starting, or lets them.
func (jb *Jobs) PauseQueue(ctx context.Context, name string, paused bool) (*Queue, error) {
	if _, err := jb.Queue(ctx, name); err != nil {
		return nil, err
	}
	change := map[string]any{"paused": paused}
	for range 3 {
		_, err := jb.Writer.Patch(ctx, QueueSettings, name, commit.Patch{Kind: commit.MergePatch, Body: change}, commit.UpdateOptions{})
		switch fault.CodeOf(err) {
		case fault.NotFound:
			_, err = jb.Writer.Create(ctx, QueueSettings, change, commit.CreateOptions{ID: name})
		case fault.Deleted:
			if _, err = jb.Writer.Restore(ctx, QueueSettings, name, commit.Match{}); err == nil {
				continue
			}
		}
		if err == nil {
			return jb.Queue(ctx, name)
		}
		if fault.CodeOf(err) != fault.AlreadyExists {
			return nil, err
		}
	}
	return nil, commit.ErrBusy()
}
