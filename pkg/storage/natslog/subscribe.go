package natslog

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

var _ storage.Subscriptions = (*Outward)(nil)

// Subscribe implements storage.Subscriptions with a durable consumer.
func (w *Outward) Subscribe(ctx context.Context, name string, o storage.SubscribeOptions) (storage.Subscription, error) {
	c, err := w.consumer(ctx, w.seal(name), o)
	if err != nil {
		return nil, err
	}
	s := &subscription{consumer: c, prefix: w.prefix, after: afterOf(c.CachedInfo().Config), wanted: make(chan struct{}, 1), messages: make(chan jetstream.Msg), stop: make(chan struct{})}
	go s.read()
	return s, nil
}

func (w *Outward) consumer(ctx context.Context, name string, o storage.SubscribeOptions) (jetstream.Consumer, error) {
	if o.Silence == 0 {
		o.Silence = 30 * time.Second
	}
	var filters []string
	for _, t := range o.Types {
		filters = append(filters, w.prefix+t+".>")
	}
	there, err := w.stream.Consumer(ctx, name)
	if err == nil {
		cfg := there.CachedInfo().Config
		if cfg.MaxAckPending == max(o.Open, 1) && cfg.AckWait == o.Silence && slices.Equal(filtersOf(cfg), filters) {
			return there, nil
		}
		cfg.MaxAckPending, cfg.AckWait, cfg.FilterSubject, cfg.FilterSubjects = max(o.Open, 1), o.Silence, "", filters
		c, err := w.stream.UpdateConsumer(ctx, cfg)
		if err != nil {
			return nil, unavailable("change a subscription", err)
		}
		return c, nil
	}
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, unavailable("subscribe to events", err)
	}
	cfg := jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: o.Silence, MaxDeliver: -1,
		MaxAckPending: max(o.Open, 1), FilterSubjects: filters, DeliverPolicy: jetstream.DeliverNewPolicy}
	switch {
	case o.After != nil:
		seq, err := w.behind(ctx, *o.After)
		if err != nil {
			return nil, err
		}
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, seq
		cfg.Metadata = map[string]string{afterKey: strconv.FormatUint(*o.After, 10)}
	case !o.Since.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &o.Since
	}
	c, err := w.stream.CreateConsumer(ctx, cfg)
	if errors.Is(err, jetstream.ErrConsumerExists) { // another process was faster
		c, err = w.stream.Consumer(ctx, name)
	}
	if err != nil {
		return nil, unavailable("subscribe to events", err)
	}
	return c, nil
}

// afterKey is where a consumer keeps the place in the log behind which it begins. The
// stream is behind the log: events up to there may be published later than the
// consumer is made.
const afterKey = "autocrud.after"

func afterOf(c jetstream.ConsumerConfig) uint64 {
	n, err := strconv.ParseUint(c.Metadata[afterKey], 10, 64)
	if err != nil {
		return 0 // it begins with what is published from some time on
	}
	return n
}

func filtersOf(c jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

// behind is the place in the stream of the first event after one in the log.
func (w *Outward) behind(ctx context.Context, after uint64) (uint64, error) {
	info, err := w.stream.Info(ctx)
	if err != nil {
		return 0, unavailable("state of the events", err)
	}
	low, high := max(info.State.FirstSeq, 1), info.State.LastSeq+1
	for low < high {
		mid := low + (high-low)/2
		m, err := w.stream.GetMsg(ctx, mid, jetstream.WithGetMsgSubject(w.prefix+">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			high = mid
			continue
		}
		if err != nil {
			return 0, unavailable("find an event", err)
		}
		if at, err := strconv.ParseUint(m.Header.Get(ceSequence), 10, 64); err == nil && at <= after {
			low = m.Sequence + 1
		} else {
			high = mid
		}
	}
	return low, nil
}

// Unsubscribe implements storage.Subscriptions.
func (w *Outward) Unsubscribe(ctx context.Context, name string) error {
	err := w.stream.DeleteConsumer(ctx, w.seal(name))
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return unavailable("unsubscribe", err)
	}
	return nil
}

// Subscribed implements storage.Subscriptions.
func (w *Outward) Subscribed(ctx context.Context, prefix string) (names []string, err error) {
	list := w.stream.ConsumerNames(ctx)
	for sealed := range list.Name() {
		if name, own := w.unseal(sealed); own && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	if list.Err() != nil {
		return nil, unavailable("list subscriptions", list.Err())
	}
	return names, nil
}

type subscription struct {
	consumer jetstream.Consumer
	prefix   string
	after    uint64        // events up to here are passed over
	wanted   chan struct{} // one token: a caller waits in Next
	messages chan jetstream.Msg
	stop     chan struct{}
	err      error // why messages was closed
}

// asking is how long the server is asked for the next event at a time.
const asking = 2 * time.Second

// read asks for one event when one is wanted: what is asked for and not taken
// would be missing until its silence ends. After a stop it takes back what still
// comes.
func (s *subscription) read() {
	defer close(s.messages)
	for {
		select {
		case <-s.wanted:
		case <-s.stop:
			s.err = unavailable("read events", context.Canceled)
			return
		}
		m, err := s.ask()
		if err != nil {
			s.err = unavailable("read events", err)
			return
		}
		select {
		case s.messages <- m:
		case <-s.stop:
			_ = m.Nak() // or it comes again by itself
			s.err = unavailable("read events", context.Canceled)
			return
		}
	}
}

func (s *subscription) ask() (jetstream.Msg, error) {
	for {
		m, err := s.consumer.Next(jetstream.FetchMaxWait(asking))
		if !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrNoMessages) {
			return m, err
		}
		select {
		case <-s.stop:
			return nil, context.Canceled
		default:
		}
	}
}

// Next implements storage.Subscription.
func (s *subscription) Next(ctx context.Context) (storage.Message, storage.Receipt, error) {
	for {
		select {
		case s.wanted <- struct{}{}:
		default: // it is being asked for
		}
		select {
		case m, ok := <-s.messages:
			if !ok {
				return storage.Message{}, nil, s.err
			}
			t, err := s.told(m)
			if err != nil {
				_ = m.TermWithReason("not an event")
				continue
			}
			if t.Seq <= s.after {
				_ = m.Ack() // or it comes again, and is passed over again
				continue
			}
			return t, receipt{m}, nil
		case <-ctx.Done():
			return storage.Message{}, nil, ctx.Err()
		}
	}
}

// Close implements storage.Subscription.
func (s *subscription) Close() {
	close(s.stop)
}

func (s *subscription) told(m jetstream.Msg) (t storage.Message, err error) {
	parts := strings.Split(strings.TrimPrefix(m.Subject(), s.prefix), ".")
	if len(parts) != 3 {
		return t, fmt.Errorf("subject %s: %w", m.Subject(), storage.ErrCorrupt)
	}
	md, err := m.Metadata()
	if err != nil {
		return t, err
	}
	h := m.Headers()
	t = storage.Message{ID: h.Get(ceID), Type: parts[0], Action: storage.Action(parts[1]), Resource: parts[2],
		Principal: decoded(h.Get(cePrincipal)), DataRef: decoded(h.Get(ceDataRef)), Trace: h.Get(ceTraceparent), Body: m.Data(), Attempt: int(md.NumDelivered)}
	if t.Seq, err = strconv.ParseUint(h.Get(ceSequence), 10, 64); err != nil {
		return t, err
	}
	t.At, err = time.Parse(time.RFC3339Nano, h.Get(ceTime))
	return t, err
}

func decoded(s string) string {
	if t, err := url.PathUnescape(s); err == nil {
		return t
	}
	return s
}

type receipt struct{ m jetstream.Msg }

// Done implements storage.Receipt.
func (r receipt) Done() error { return r.m.Ack() }

// Retry implements storage.Receipt.
func (r receipt) Retry(after time.Duration) error { return r.m.NakWithDelay(after) }

// Working implements storage.Receipt.
func (r receipt) Working() error { return r.m.InProgress() }
