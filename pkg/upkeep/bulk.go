package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// BulkJobs is the built-in job type of what is too long for one request.
const BulkJobs = "bulk-jobs"

const bulkSchema = `{"type":"object","required":["op","type"],"additionalProperties":false,
	"examples":[{"op":"delete","type":"bulk-jobs","filter":"meta.id = \"nothing-has-this-id\""}],"properties":{
	"op":{"enum":["patch","delete","restore","cancel","rerun","purge","prune"],"description":"the operation on each resource; cancel and rerun are for jobs, purge for one resource, prune for an administrator"},
	"type":{"type":"string","maxLength":63},
	"filter":{"type":"string","maxLength":1000000,"description":"which; empty: all"},
	"patch":{"type":["object","array"],"description":"RFC 7396, or RFC 6902 as an array"},
	"id":{"type":"string","pattern":"^[A-Za-z0-9_-]{1,128}$","description":"of the resource to purge"},
	"revisions":{"type":"integer","minimum":1,"description":"how many a prune keeps of each resource"}}}`

// BulkType is the type of BulkJobs. A program that serves it runs RunBulk as its
// handler.
func BulkType() (*model.Type, error) {
	return model.NewType(model.Type{Name: BulkJobs, Title: "Bulk job", Builtin: true, Schema: json.RawMessage(bulkSchema),
		Job: &model.JobSpec{Timeout: 10 * time.Minute}})
}

// runPurge does the erasing of a long history. It can be repeated.
func (bk *BulkChanges) runPurge(ctx context.Context, job Bulk) error {
	if _, err := bk.States.Find(job.Type, job.ID); err != nil {
		return err
	}
	subject := storage.RevisionSubject(job.Type, job.ID)
	for seq := uint64(1); ; {
		entry, err := bk.log.Next(ctx, subject, seq)
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
			return bk.Upkeep.erase(ctx, e)
		}
		seq = entry.Seq + 1
	}
}
