package resource

import (
	"context"
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// AskPolicy asks everything that an operation asks the policy.
func (m *Manager) AskPolicy(ctx context.Context, t *Type) {
	_ = m.May(ctx, t, "read")
	_ = m.Admin(ctx)
	_ = m.visible(ctx, t, "x", state{})
	_, _ = m.readable(ctx, t, nil)
	_, _ = m.redacted(ctx, t, "read", nil)
	_ = m.narrow(ctx, t, "list", nil)
	_ = m.mayPlan(ctx, t, plan{action: "update"})
	_ = m.censored(ctx, t, nil)
	_, _ = m.watchable(ctx, t, nil)
	_ = limitsOf(ctx)
	_ = AsProgram(ctx)
}

// AddKey makes a key known without a log.
func (a *Access) AddKey(id, name, secret string) {
	k := &apiKey{Name: name, Boxes: []box{{Key: hashKey(secret)}}, used: &atomic.Int64{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[id] = k
}

// ReadLog reads a whole log and tells what was lost.
func ReadLog(ctx context.Context, log storage.Log, fn func(storage.Entry) error) (read, lost uint64, damage string, err error) {
	state, err := log.State(ctx)
	if err != nil {
		return 0, 0, "", err
	}
	r, err := readLog(ctx, log, state, fn)
	return r.Read, r.Lost, r.damage(), err
}

// Conceal and Concealed are what is shown of content, and the places that are not.
func (t *Type) Conceal(content []byte) []byte     { return t.conceal(content) }
func (t *Type) Concealed(content []byte) []string { return t.concealed(content) }
