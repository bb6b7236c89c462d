package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// BulkJobs is the built-in job type of what is too long for one request.
const BulkJobs = "bulk-jobs"

const bulkSchema = `{"type":"object","required":["op","type","id"],"additionalProperties":false,"properties":{
	"op":{"enum":["purge"],"description":"what is done"},
	"type":{"type":"string","maxLength":63},
	"id":{"type":"string","pattern":"^[A-Za-z0-9_-]{1,128}$"}}}`

// BulkType is the type of BulkJobs. A program that serves it runs RunBulk as its
// handler.
func BulkType() (*Type, error) {
	return NewType(Type{Name: BulkJobs, Title: "Bulk job", Builtin: true, Schema: json.RawMessage(bulkSchema), Job: &JobSpec{}})
}

// queuePurge makes the job that tells how a long erasing goes; nil when the
// program does not serve bulk jobs.
func (m *Manager) queuePurge(ctx context.Context, k key) (*Resource, error) {
	if m.types[BulkJobs] == nil {
		return nil, nil
	}
	return m.Create(withoutKey(ctx), BulkJobs, map[string]any{"op": "purge", "type": k.typ, "id": k.id}, CreateOptions{})
}

// RunBulk does a bulk job. It can be repeated.
func (m *Manager) RunBulk(ctx context.Context, payload []byte) error {
	var job struct{ Op, Type, ID string }
	if err := json.Unmarshal(payload, &job); err != nil {
		return err
	}
	if _, err := m.find(job.Type, job.ID); err != nil {
		return err
	}
	subject := storage.RevisionSubject(job.Type, job.ID)
	for seq := uint64(1); ; {
		entry, err := m.log.Next(ctx, subject, seq)
		if errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("%s %q was not purged", job.Type, job.ID)
		}
		if err != nil {
			return err
		}
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err != nil {
			return err
		}
		if e.Action == storage.Purged {
			return m.erase(ctx, e)
		}
		seq = entry.Seq + 1
	}
}
