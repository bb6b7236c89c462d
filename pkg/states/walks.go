package states

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Walks remembers lists that took long and for which there could be an index over several
// fields, so that one can be suggested.
type Walks struct {
	logger *slog.Logger
	far    time.Duration
	mu     sync.Mutex
	lists  int64
	seen   map[string]*Walk // by type and fields
}

// Walk is lists of one kind.
type Walk struct {
	Index   []string      // over these fields their pages would be found at once
	Lists   int           // that took long
	Longest time.Duration // of them
}

const (
	// farWalk is how long a list takes at least that is one.
	farWalk = 20 * time.Millisecond
	// oftenEnough is after how many an index is suggested.
	oftenEnough = 3
	// maxWalks bounds how many kinds are remembered.
	maxWalks = 100
)

func newWalks(logger *slog.Logger, far time.Duration) *Walks {
	return &Walks{logger: logger, far: far, seen: map[string]*Walk{}}
}

// note tells of a list.
func (w *Walks) note(t *model.Type, s storage.Search, took time.Duration) {
	if took < w.far || s.Text != "" {
		return
	}
	index := t.Definition().Suggested(s.Filter, s.Order)
	if index == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists++
	key := t.Name + " " + strings.Join(index, ",")
	walk := w.seen[key]
	if walk == nil {
		if len(w.seen) >= maxWalks {
			return
		}
		walk = &Walk{Index: index}
		w.seen[key] = walk
	}
	walk.Lists++
	walk.Longest = max(walk.Longest, took)
	if walk.Lists == oftenEnough {
		w.logger.Info("lists take long; an index over several fields would find their pages at once",
			"type", t.Name, "index", "[["+strings.Join(index, ", ")+"]]", "took", walk.Longest)
	}
}

// Lists is how many lists took long and could have an index.
func (w *Walks) Lists() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lists
}

// Suggested are the indexes that lists of a type should have had often enough and that
// its model does not have, the most wanted first.
func (w *Walks) Suggested(t *model.Type) (out []Walk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, walk := range w.seen {
		if typ, _, _ := strings.Cut(key, " "); typ != t.Name || walk.Lists < oftenEnough {
			continue
		}
		if !slices.ContainsFunc(t.Composite, func(c []string) bool { return slices.Equal(c, walk.Index) }) {
			out = append(out, *walk)
		}
	}
	slices.SortFunc(out, func(a, b Walk) int {
		if a.Lists != b.Lists {
			return b.Lists - a.Lists
		}
		return slices.Compare(a.Index, b.Index)
	})
	return out
}
