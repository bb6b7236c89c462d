package natslog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Bus implements storage.Bus with messages that no stream keeps, on subjects
// ac.<namespace>.bus.>.
type Bus struct {
	nc     *nats.Conn
	prefix string

	mu         sync.Mutex
	reconnects uint64
	since      time.Time
}

var _ storage.Bus = (*Bus)(nil)

// NewBus makes one; the connection stays the caller's.
func NewBus(nc *nats.Conn, namespace string) *Bus {
	return &Bus{nc: nc, prefix: "ac." + namespace + ".bus.", since: time.Now()}
}

// Tell implements storage.Bus.
func (b *Bus) Tell(subject string, data []byte) error {
	if err := b.nc.Publish(b.prefix+subject, data); err != nil {
		return fmt.Errorf("tell %s: %w: %w", subject, storage.ErrUnavailable, err)
	}
	return nil
}

// Listen implements storage.Bus.
func (b *Bus) Listen(subject string, fn func([]byte)) (func(), error) {
	return b.subscribed(b.nc.Subscribe(b.prefix+subject, func(m *nats.Msg) { fn(m.Data) }))
}

// Ask implements storage.Bus.
func (b *Bus) Ask(ctx context.Context, subject string, data []byte) ([]byte, error) {
	m, err := b.nc.RequestWithContext(ctx, b.prefix+subject, data)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w: %w", subject, storage.ErrUnavailable, err)
	}
	return m.Data, nil
}

// maxAnswering bounds how many questions of a subject are answered at once.
const maxAnswering = 1024

// Serve implements storage.Bus.
func (b *Bus) Serve(subject string, fn func(context.Context, []byte) []byte) (func(), error) {
	ctx, cancel := context.WithCancel(context.Background())
	slots := make(chan struct{}, maxAnswering)
	stop, err := b.subscribed(b.nc.QueueSubscribe(b.prefix+subject, "serve", func(m *nats.Msg) {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			_ = m.Respond(fn(ctx, m.Data)) // the asking process may be gone
		}()
	}))
	if err != nil {
		cancel()
		return nil, err
	}
	return func() { stop(); cancel() }, nil
}

func (b *Bus) subscribed(s *nats.Subscription, err error) (func(), error) {
	if err != nil {
		return nil, unavailable("subscribe", err)
	}
	return func() { _ = s.Unsubscribe() }, nil
}

// Connected implements storage.Bus.
func (b *Bus) Connected() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.nc.Stats().Reconnects; n != b.reconnects {
		b.reconnects, b.since = n, time.Now()
	}
	if !b.nc.IsConnected() {
		b.since = time.Now()
		return time.Time{}
	}
	return b.since
}
