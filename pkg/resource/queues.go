package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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
func QueueType() (*Type, error) {
	return NewType(Type{Name: QueueSettings, Title: "Settings of a queue", Builtin: true, Schema: json.RawMessage(queueSchema), check: checkQueue})
}

// checkQueue refuses settings that the schema cannot tell to be wrong.
func checkQueue(_ *Manager, content []byte) error {
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
func (m *Manager) AllQueueSettings(ctx context.Context) (map[string]QueueLimits, error) {
	out := map[string]QueueLimits{}
	t := m.types[QueueSettings]
	if t == nil {
		return out, nil
	}
	q := storage.Search{Type: QueueSettings, Order: m.byID(t), Limit: MaxPageSize}
	for {
		page, err := m.index.Search(ctx, q)
		if err != nil {
			return nil, stored(err)
		}
		for _, row := range page.Rows {
			l := QueueLimits{Seq: row.Seq}
			if err := json.Unmarshal(row.Content, &l); err != nil {
				return nil, stored(err)
			}
			out[row.ID] = l
		}
		if q.After = page.Next; q.After == nil {
			return out, nil
		}
	}
}
