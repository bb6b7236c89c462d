package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
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
	err := createStream(ctx, js, want)
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

// listTime is how long a page is gathered: a webhook that shares the stream with
// many others gets what was found by then.
const listTime = 3 * time.Second

const (
	// maxListed is how many bytes of bodies a page brings, within a window.
	maxListed = 8 << 20
	maxWindow = 32
)

// List implements storage.Deliveries. A stream is read forwards only, so windows
// of the size of a page are read from its end. Where one holds nothing, the next
// that does is looked for by halving, so others' deliveries are not read.
func (d *Deliveries) List(ctx context.Context, webhook string, before uint64, limit int) (page []storage.Delivery, next uint64, err error) {
	info, err := d.stream.Info(ctx)
	if err != nil {
		return nil, 0, unavailable("list deliveries", err)
	}
	if before == 0 || before > info.State.LastSeq {
		before = info.State.LastSeq + 1
	}
	subject, first := d.prefix+webhook+".>", max(info.State.FirstSeq, 1)
	size := 0
	for begun := time.Now(); before > first; {
		if len(page) == limit || len(page) > 0 && (time.Since(begun) > listTime || size > maxListed) {
			return page, before, nil
		}
		from := before - min(before-first, uint64(limit-len(page)), maxWindow)
		found, err := d.window(ctx, subject, from, before)
		if err != nil {
			return nil, 0, err
		}
		before = from
		if len(found) == 0 {
			if before, err = d.newest(ctx, subject, first, before); err != nil {
				return nil, 0, err
			}
		}
		for _, x := range found {
			size += len(x.Request.Body) + len(x.Response)
		}
		slices.Reverse(found)
		page = append(page, found...)
	}
	return page, 0, nil
}

// window reads what is at from and after it, but before another place.
func (d *Deliveries) window(ctx context.Context, subject string, from, before uint64) (found []storage.Delivery, err error) {
	for from < before {
		at, m, err := d.at(ctx, subject, from)
		if err != nil {
			return nil, err
		}
		if at >= before {
			break
		}
		var x storage.Delivery
		if json.Unmarshal(m.Data, &x) == nil {
			found = append(found, x)
		}
		from = at + 1
	}
	return found, nil
}

// newest is the place behind the newest message of a subject before a place; or
// first, when there is none.
func (d *Deliveries) newest(ctx context.Context, subject string, first, before uint64) (uint64, error) {
	low := first // there is one at low-1, or low is first
	for size := uint64(1); low == first && before > first; size *= 4 {
		from := before - min(before-first, size)
		at, _, err := d.at(ctx, subject, from)
		if err != nil {
			return 0, err
		}
		if at < before {
			low = at + 1
		} else {
			before = from
		}
	}
	for low < before {
		mid := low + (before-low)/2
		at, _, err := d.at(ctx, subject, mid)
		if err != nil {
			return 0, err
		}
		if at < before {
			low = at + 1
		} else {
			before = mid
		}
	}
	return low, nil
}

// at is the first message of a subject from a place on; its place is beyond every
// other when there is none.
func (d *Deliveries) at(ctx context.Context, subject string, from uint64) (uint64, *jetstream.RawStreamMsg, error) {
	m, err := d.stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return math.MaxUint64, nil, nil
	case err != nil:
		return 0, nil, unavailable("list deliveries", err)
	}
	return m.Sequence, m, nil
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
