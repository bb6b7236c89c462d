package notify

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// CachedEvent is one event of the log with what watches need to know of it, computed
// once for all of them and only when one needs it.
type CachedEvent struct {
	entry  storage.Entry
	topics [3]string
	erased uint64       // sequence of the tombstone that came since; guarded by the hub
	prior  *CachedEvent // of a tombstone: the last one before it, if the hub has it
	// live tells that the hub reads on behind it, and so says what is pruned of it.
	live   bool
	pruned atomic.Bool // the content that it left, since

	once  sync.Once
	event *storage.Event
	err   error

	mu    sync.Mutex
	now   *states.View // the state after it
	past  *states.View // the state before it
	known bool         // past is, or there was none
	asked bool         // for past
}

func (m *CachedEvent) decoded() (*storage.Event, error) {
	m.once.Do(func() { m.event, m.err = storage.DecodeEvent(m.entry.Data, m.entry.Seq) })
	return m.event, m.err
}

// after is the state that the event left. Its content is nil when it is gone.
func (m *CachedEvent) after(ctx context.Context, mgr *states.States, t *model.Type) (*states.View, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now != nil && (m.now.Pruned || !m.pruned.Load()) {
		return m.now, nil
	}
	s := &states.View{Type: t, Event: m.event, Pruned: m.pruned.Load()}
	var raw []byte
	var err error
	if m.event.Action != storage.Purged && !s.Pruned {
		if raw, err = mgr.RawContent(ctx, m.event); err != nil {
			return nil, err
		}
		// The hub reads every pruning; asking the index for each event would make its
		// watches slower than those who write.
		if raw == nil || t.Retention.Prunes() && !m.live {
			err := mgr.Unpruned(ctx, m.event)
			if s.Pruned = fault.CodeOf(err) == fault.Pruned; err != nil && !s.Pruned {
				return nil, err
			}
		}
	}
	if !s.Pruned {
		s.Set(raw)
	}
	m.now = s
	return s, nil
}

// before is the state that the event found: nil when there was none; not known
// when it was erased since.
func (m *CachedEvent) before(ctx context.Context, mgr *states.States, t *model.Type) (s *states.View, known bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked {
		return m.past, m.known, nil
	}
	e := m.event
	if m.prior != nil { // the index does not have it any more
		if _, err := m.prior.decoded(); err != nil {
			m.asked = true
			return nil, false, nil //nolint:nilerr // it cannot be read, so it is not known
		}
		old, err := m.prior.after(ctx, mgr, t)
		if err != nil {
			return nil, false, err
		}
		m.asked, m.past, m.known = true, old, old.Content != nil
		return m.past, m.known, nil
	}
	if e.Previous == "" && e.Action == storage.Created {
		m.asked, m.known = true, true
		return nil, true, nil
	}
	old, err := mgr.EventBefore(ctx, e)
	if err != nil {
		return nil, false, err
	}
	m.asked = true
	if old == nil {
		return nil, false, nil
	}
	if old.Action == storage.Purged {
		m.known = true
		return nil, true, nil
	}
	var raw []byte
	if m.now != nil && old.Revision.Hash == e.Revision.Hash && m.now.Raw != nil {
		raw = m.now.Raw
	} else if raw, err = mgr.RawContent(ctx, old); err != nil {
		m.asked = false
		return nil, false, err
	}
	m.past, m.known = &states.View{Type: t, Event: old}, raw != nil
	m.past.Set(raw)
	return m.past, m.known, nil
}
