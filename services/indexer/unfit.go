package indexer

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// named is how many resources of a type are named that have something that cannot
// be indexed; after them the tenth, the hundredth and so on are.
const named = 5

// leftOut tells of a field that is null to searches, or of a migration that does
// not fit, because the content is of another model. The rest of the resource is
// indexed as ever.
func (x *Indexer) leftOut(ctx context.Context, t *model.Type, e *storage.Event, why fault.FieldError) {
	x.damaged.Add(1)
	x.mu.Lock()
	x.unfit[t.Name]++
	n := x.unfit[t.Name]
	x.mu.Unlock()
	if n > named && !isPowerOfTen(n) {
		return
	}
	x.o.Logger.WarnContext(ctx, "a resource does not fit its model: what cannot be indexed is null to searches",
		"type", t.Name, "id", e.Meta.ID, "seq", e.Seq, "pointer", why.Pointer, "problem", why.Detail, "so_far", n)
}

func isPowerOfTen(n int) bool {
	for n%10 == 0 && n > 0 {
		n /= 10
	}
	return n == 1
}
