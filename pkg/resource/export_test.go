package resource

import (
	"context"
	"sync/atomic"
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
