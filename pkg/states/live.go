package states

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Live is how far running jobs are, which is not in the log. It is what this
// process was told and may be a second old. A nil Live knows nothing.
type Live struct {
	mu   sync.RWMutex
	jobs map[Key]liveJobState
}

type liveJobState struct {
	attempt  int
	progress storage.Progress
	told     time.Time
}

// NewLive knows nothing yet.
func NewLive() *Live { return &Live{jobs: map[Key]liveJobState{}} }

// forgetLive is when what was told of a job and not repeated is forgotten.
const forgetLive = time.Minute

// Set tells how far an attempt is.
func (l *Live) Set(typ, id string, attempt int, p storage.Progress) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if len(l.jobs) > 1000 {
		for k, s := range l.jobs {
			if now.Sub(s.told) > forgetLive {
				delete(l.jobs, k)
			}
		}
	}
	l.jobs[Key{typ, id}] = liveJobState{attempt, p, now}
}

// Drop forgets an attempt that ended.
func (l *Live) Drop(typ, id string, attempt int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.jobs[Key{typ, id}]; ok && s.attempt == attempt {
		delete(l.jobs, Key{typ, id})
	}
}

// onto puts the progress of a running job into its meta.
func (l *Live) onto(typ string, r *Resource) {
	if l == nil || r == nil {
		return
	}
	l.mu.RLock()
	s, ok := l.jobs[Key{typ, r.ID}]
	l.mu.RUnlock()
	if !ok {
		return
	}
	var meta storage.Meta
	if json.Unmarshal(r.Meta, &meta) != nil || meta.Job == nil || meta.Job.State != storage.JobRunning || meta.Job.Attempts != s.attempt {
		return
	}
	meta.Job.Progress = &s.progress
	if b, err := json.Marshal(meta); err == nil {
		r.Meta = b
	}
}
