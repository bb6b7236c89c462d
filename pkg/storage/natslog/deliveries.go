package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Deliveries implements storage.Deliveries with a stream of its own, which keeps
// 7 days and up to 1 GiB.
type Deliveries struct {
	prefix string
	js     jetstream.JetStream
	stream jetstream.Stream
}

var _ storage.Deliveries = (*Deliveries)(nil)

func deliveriesConfig(o OutwardOptions) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:        storage.StreamName(o.Namespace, "DELIVERIES"),
		Description: "AutoCRUD webhook deliveries of namespace " + o.Namespace + ".",
		Subjects:    []string{"ac." + o.Namespace + ".delivery.>"},
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxAge: 7 * 24 * time.Hour, MaxBytes: 1 << 30, MaxMsgs: -1, MaxMsgsPerSubject: -1, MaxConsumers: -1,
		Storage: jetstream.FileStorage, Replicas: o.Replicas, Duplicates: time.Second,
	}
	if o.Memory {
		c.Storage, c.MaxBytes = jetstream.MemoryStorage, 64<<20
	}
	return c
}

// ProvisionDeliveries creates the stream when there is none, and checks it.
func ProvisionDeliveries(ctx context.Context, js jetstream.JetStream, o OutwardOptions) error {
	o = o.withDefaults()
	want := deliveriesConfig(o)
	_, err := js.CreateStream(ctx, want)
	if err == nil || !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		if err != nil {
			return fmt.Errorf("create stream %s: %w: %w", want.Name, storage.ErrUnavailable, err)
		}
		return nil
	}
	s, err := js.Stream(ctx, want.Name)
	if err != nil {
		return fmt.Errorf("open stream %s: %w: %w", want.Name, storage.ErrUnavailable, err)
	}
	got := s.CachedInfo().Config
	if got.Storage != want.Storage || got.Retention != want.Retention || got.Discard != want.Discard || len(got.Subjects) != 1 || got.Subjects[0] != want.Subjects[0] {
		return fmt.Errorf("stream %s: %w: storage, retention, discard or subjects are others", want.Name, storage.ErrDrift)
	}
	return nil
}

// OpenDeliveries uses the stream that ProvisionDeliveries made.
func OpenDeliveries(ctx context.Context, nc *nats.Conn, o OutwardOptions) (*Deliveries, error) {
	o = o.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	name := storage.StreamName(o.Namespace, "DELIVERIES")
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w: %w", name, storage.ErrUnavailable, err)
	}
	return &Deliveries{prefix: "ac." + o.Namespace + ".delivery.", js: js, stream: s}, nil
}

// Record implements storage.Deliveries.
func (d *Deliveries) Record(ctx context.Context, x storage.Delivery) error {
	b, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("delivery of %s: %w", x.EventID, err)
	}
	if _, err := d.js.Publish(ctx, d.prefix+x.Webhook+"."+x.Type+"."+x.Resource, b); err != nil {
		return unavailable("record a delivery", err)
	}
	return nil
}

// List implements storage.Deliveries. A stream is read forwards only, so windows
// that grow are read from its end.
func (d *Deliveries) List(ctx context.Context, webhook string, before uint64, limit int) (page []storage.Delivery, next uint64, err error) {
	info, err := d.stream.Info(ctx)
	if err != nil {
		return nil, 0, unavailable("list deliveries", err)
	}
	if before == 0 || before > info.State.LastSeq {
		before = info.State.LastSeq + 1
	}
	for size := uint64(4 * limit); before > info.State.FirstSeq && len(page) < limit; size *= 2 {
		from := info.State.FirstSeq
		if before-from > size {
			from = before - size
		}
		found, places, err := d.window(ctx, d.prefix+webhook+".>", from, before)
		if err != nil {
			return nil, 0, err
		}
		for i := len(found) - 1; i >= 0; i-- {
			if len(page) == limit {
				return page, places[i] + 1, nil
			}
			page = append(page, found[i])
		}
		before = from
	}
	if before > info.State.FirstSeq {
		return page, before, nil
	}
	return page, 0, nil
}

func (d *Deliveries) window(ctx context.Context, subject string, from, before uint64) (found []storage.Delivery, places []uint64, err error) {
	for seq := from; seq < before; {
		m, err := d.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && m.Sequence >= before {
			break
		}
		if err != nil {
			return nil, nil, unavailable("list deliveries", err)
		}
		var x storage.Delivery
		if json.Unmarshal(m.Data, &x) == nil {
			found, places = append(found, x), append(places, m.Sequence)
		}
		seq = m.Sequence + 1
	}
	return found, places, nil
}

// Erase implements storage.Deliveries.
func (d *Deliveries) Erase(ctx context.Context, typ, id string) (n int, err error) {
	for seq := uint64(1); ; n++ {
		m, err := d.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(d.prefix+"*."+typ+"."+id))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return n, nil
		}
		if err != nil {
			return n, unavailable("erase deliveries", err)
		}
		if err := d.stream.SecureDeleteMsg(ctx, m.Sequence); err != nil {
			if _, gone := d.stream.GetMsg(ctx, m.Sequence); !errors.Is(gone, jetstream.ErrMsgNotFound) {
				return n, unavailable("erase deliveries", err)
			}
		}
		seq = m.Sequence + 1
	}
}
