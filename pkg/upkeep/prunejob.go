package upkeep

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// runPrune prunes every resource of a type for a few seconds, or to the end. What was
// pruned is counted as changed; a page that is done twice does no harm.
func (bk *BulkChanges) runPrune(ctx context.Context, t *model.Type, b Bulk, at BulkState, tell func(BulkState)) (_ BulkState, err error) {
	if at.After == "" && at.Total == 0 {
		if at.Total, _, err = bk.Reads.Count(policy.AsProgram(ctx), b.Type, states.ListOptions{Deletion: storage.LiveAndDeleted}); err != nil {
			return at, err
		}
	}
	keep := model.Retention{Revisions: b.Revisions}
	for end := time.Now().Add(bulkSlice); time.Now().Before(end) && !at.Done; {
		next, out, err := bk.Upkeep.Retention.PrunePage(ctx, t, keep, policy.ActorOf(ctx).Principal, at.After)
		if err != nil {
			return at, states.StoreError(err)
		}
		at.Changed += int64(out.Resources)
		at.Unchanged += int64(out.Looked - out.Resources)
		if at.Done = next == ""; !at.Done {
			at.After = next
		}
		tell(at)
	}
	return at, nil
}
