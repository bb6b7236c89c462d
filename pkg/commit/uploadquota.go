package commit

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// quotaPeriod is how long an uploaded byte counts, at most.
const quotaPeriod = 24 * time.Hour

// uploads counts what was uploaded since the period began.
type uploads struct {
	mu    sync.Mutex
	since time.Time
	of    map[string]int64
	all   int64
}

// take counts bytes of a principal, or refuses them.
func (u *uploads) take(principal string, n int64, q states.UploadQuota, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now.Sub(u.since) >= quotaPeriod || u.of == nil {
		u.since, u.of, u.all = now, map[string]int64{}, 0
	}
	left := quotaPeriod - now.Sub(u.since)
	if q.All > 0 && u.all+n > q.All {
		return &fault.Error{Code: fault.Unavailable, RetryAfter: left, Detail: fmt.Sprintf("the uploads of a day are used up: this process takes %d bytes", q.All)}
	}
	if principal != "" && q.Principal > 0 && u.of[principal]+n > q.Principal {
		return &fault.Error{Code: fault.RateLimited, RetryAfter: left, Detail: fmt.Sprintf("the uploads of this principal of a day are used up: %d bytes; Retry-After tells when more are taken", q.Principal)}
	}
	u.all += n
	if principal != "" {
		u.of[principal] += n
	}
	return nil
}

// give takes back what was counted of an upload that was not stored.
func (u *uploads) give(principal string, n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = max(u.all-n, 0)
	if principal != "" {
		u.of[principal] = max(u.of[principal]-n, 0)
	}
}

// metered counts what is read of an upload.
type metered struct {
	io.Reader
	m         *BinaryStore
	principal string // empty: there are none
	n         int64
}

// meter has an upload count for its actor.
func (bn *BinaryStore) meter(ctx context.Context, r io.Reader) *metered {
	x := &metered{Reader: r, m: bn}
	if bn.o.Access != nil {
		x.principal = policy.ActorOf(ctx).Principal
	}
	return x
}

// Read implements io.Reader.
func (x *metered) Read(p []byte) (int, error) {
	n, err := x.Reader.Read(p)
	if n > 0 {
		if over := x.m.uploads.take(x.principal, int64(n), x.m.o.Uploads, x.m.o.Now()); over != nil {
			return 0, over
		}
		x.n += int64(n)
	}
	return n, err
}

// failed gives back what was counted.
func (x *metered) failed() {
	if x.n > 0 {
		x.m.uploads.give(x.principal, x.n)
	}
}
