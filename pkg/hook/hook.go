// Package hook subscribes to what happens to resources, from any program that
// can reach the NATS server: durably, in order, with typed data.
//
//	err := hook.Subscribe(ctx, nc, hook.Options{Name: "mailer", Type: "movies"},
//		func(ctx context.Context, e hook.Event[Movie]) error {
//			return mail(e.Action, e.Data.Title)
//		})
//
// An event comes at least once: a handler that ended without being heard runs
// again, so it should be repeatable, or compare Seq with what it did before. It
// needs no rights but to create and read consumers on the stream of events.
package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Meta is the state of a resource after an event.
type Meta = storage.Meta

// Revision is the one that is current after an event.
type Revision = storage.Revision

// Event is one change of one resource whose data is a T.
type Event[T any] struct {
	ID        string // unique for ever
	Type      string
	Action    string // "created", "updated", ...
	Resource  string // its id
	Seq       uint64 // place in the log; grows
	At        time.Time
	Principal string // who did it
	Cause     string // id of the event that made this one happen
	// Data after the event. A purge leaves none; of what is too large for a
	// message DataRef says where it is.
	Data     *T
	DataRef  string
	Meta     Meta
	Revision *Revision
	Attempt  int // from 1
}

// Failed is an event that the handler could not do anything with.
type Failed struct {
	Subject  string
	Header   nats.Header
	Body     []byte
	Attempts int
	Err      error // of the last attempt
}

// Options of a subscription. The zero value hears every event from now on, as
// long as the process lives.
type Options struct {
	Namespace string // default "main"
	// Name makes the subscription durable: under the same name it goes on where
	// it was. Letters, digits, '-' and '_'.
	Name    string
	Type    string   // only this type
	Actions []string // only these
	ID      string   // only this resource; needs Type
	// Begin is where a new subscription begins: Now, Start, or a time.
	Begin Begin
	// Concurrency is how many events are handled at once. Default 1: strictly in
	// order. With more, the order of a resource can break when a process dies.
	Concurrency int
	// Attempts before an event goes to DeadLetter. Default 10.
	Attempts int
	// Backoff before the next attempt. Default: a tenth of a second, doubling up
	// to a minute.
	Backoff func(attempt int) time.Duration
	// DeadLetter keeps what failed for good; its error makes it come again. The
	// default logs it.
	DeadLetter func(ctx context.Context, f Failed) error
	Logger     *slog.Logger // default slog.Default
}

// Begin is a point in the stream of events.
type Begin struct {
	start bool
	at    time.Time
}

// Where a subscription can begin.
var (
	Now   = Begin{}
	Start = Begin{start: true}
)

// Since begins with the first event published at or after a time.
func Since(at time.Time) Begin { return Begin{at: at} }

// errFatal marks what another attempt cannot change.
type errFatal struct{ error }

func (e errFatal) Unwrap() error { return e.error }

// Fatal marks an error that goes to the dead letters at once.
func Fatal(err error) error { return errFatal{err} }

// ackWait is how long an event may be silent before another process gets it.
const ackWait = 10 * time.Second

// heartbeat is how often the server says that it is there; without two of them
// reading begins again.
const heartbeat = 4 * time.Second

// Subscribe handles events until ctx ends; it returns nil then. Errors of the
// server are tried again with pauses.
func Subscribe[T any](ctx context.Context, nc *nats.Conn, o Options, fn func(ctx context.Context, e Event[T]) error) error {
	o = o.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	cfg, err := o.consumer()
	if err != nil {
		return err
	}
	c, err := o.open(ctx, js, cfg)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", o.stream(), err)
	}
	s := &subscriber[T]{o: o, fn: fn, slots: make(chan struct{}, o.Concurrency), at: c.CachedInfo().Delivered.Stream}
	for ctx.Err() == nil {
		if err := s.read(ctx, c); err != nil && ctx.Err() == nil {
			o.Logger.WarnContext(ctx, "reading events begins again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			if o.Name == "" { // the server forgets one that was away for a while; here it goes on
				cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, s.at+1, nil
			}
			if again, err := o.open(ctx, js, cfg); err == nil {
				c = again
			}
		}
	}
	for range o.Concurrency { // until what is under way has ended
		s.slots <- struct{}{}
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Namespace == "" {
		o.Namespace = "main"
	}
	o.Concurrency = max(o.Concurrency, 1)
	if o.Attempts == 0 {
		o.Attempts = 10
	}
	if o.Backoff == nil {
		o.Backoff = func(n int) time.Duration {
			d := min(100*time.Millisecond<<min(n-1, 20), time.Minute)
			return d - d/10 + rand.N(d/5+1)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.DeadLetter == nil {
		o.DeadLetter = func(ctx context.Context, f Failed) error {
			o.Logger.ErrorContext(ctx, "an event is given up", "subject", f.Subject, "seq", f.Header.Get("ce-sequence"), "attempts", f.Attempts, "error", f.Err)
			return nil
		}
	}
	return o
}

func (o Options) stream() string {
	return storage.StreamName(o.Namespace, storage.OutwardStream)
}

func (o Options) consumer() (jetstream.ConsumerConfig, error) {
	c := jetstream.ConsumerConfig{Durable: o.Name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxAckPending: o.Concurrency, MaxDeliver: -1, DeliverPolicy: jetstream.DeliverNewPolicy}
	if o.Name == "" {
		c.InactiveThreshold = time.Minute
	}
	switch {
	case o.Begin.start:
		c.DeliverPolicy = jetstream.DeliverAllPolicy
	case !o.Begin.at.IsZero():
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &o.Begin.at
	}
	or := func(s string) string {
		if s == "" {
			return "*"
		}
		return s
	}
	if o.ID != "" && o.Type == "" {
		return c, errors.New("an ID needs its Type")
	}
	actions := o.Actions
	if len(actions) == 0 {
		actions = []string{"*"}
	}
	for _, a := range actions {
		c.FilterSubjects = append(c.FilterSubjects, "ac."+o.Namespace+".event."+or(o.Type)+"."+a+"."+or(o.ID))
	}
	return c, nil
}

// open makes the consumer, or sets what it hears. One that is there goes on where
// it was, wherever a new one would begin.
func (o Options) open(ctx context.Context, js jetstream.JetStream, c jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if o.Name != "" {
		there, err := js.Consumer(ctx, o.stream(), o.Name)
		switch {
		case err == nil:
			old := there.CachedInfo().Config
			c.DeliverPolicy, c.OptStartSeq, c.OptStartTime = old.DeliverPolicy, old.OptStartSeq, old.OptStartTime
		case !errors.Is(err, jetstream.ErrConsumerNotFound):
			return nil, err
		}
	}
	return js.CreateOrUpdateConsumer(ctx, o.stream(), c)
}

type subscriber[T any] struct {
	o     Options
	fn    func(context.Context, Event[T]) error
	slots chan struct{}
	at    uint64 // place in the stream of the last event that was taken
}

// read hands messages to handlers until the consumer fails.
func (s *subscriber[T]) read(ctx context.Context, c jetstream.Consumer) error {
	iter, err := c.Messages(jetstream.PullMaxMessages(s.o.Concurrency), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return err
	}
	defer iter.Stop()
	defer context.AfterFunc(ctx, iter.Stop)()
	for {
		m, err := iter.Next()
		if err != nil {
			return err
		}
		s.slots <- struct{}{}
		if ctx.Err() != nil { // it comes again
			<-s.slots
			return ctx.Err()
		}
		if md, err := m.Metadata(); err == nil {
			s.at = max(s.at, md.Sequence.Stream)
		}
		go func() {
			defer func() { <-s.slots }()
			s.handle(ctx, m)
		}()
	}
}

// handle tries an event until it is done or given up. While it does, the server
// learns that a subscriber works on it.
func (s *subscriber[T]) handle(ctx context.Context, m jetstream.Msg) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		t := time.NewTicker(ackWait / 3)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				_ = m.InProgress() // the next one follows
			case <-working.Done():
				return
			}
		}
	}()
	e, err := decode[T](m)
	for attempt := 1; ; attempt++ {
		if err == nil {
			e.Attempt = attempt
			if err = s.call(ctx, e); err == nil {
				_ = m.Ack() // or it comes again
				return
			}
		}
		if ctx.Err() != nil {
			return // it comes again
		}
		var fatal errFatal
		if errors.As(err, &fatal) || attempt >= s.o.Attempts {
			s.giveUp(ctx, m, attempt, err)
			return
		}
		s.o.Logger.WarnContext(ctx, "an event is tried again", "subject", m.Subject(), "attempt", attempt, "error", err)
		select {
		case <-time.After(s.o.Backoff(attempt)):
			err = nil
		case <-ctx.Done():
			return
		}
	}
}

func (s *subscriber[T]) call(ctx context.Context, e Event[T]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the handler panicked: %v", v)
		}
	}()
	return s.fn(ctx, e)
}

func (s *subscriber[T]) giveUp(ctx context.Context, m jetstream.Msg, attempts int, err error) {
	f := Failed{Subject: m.Subject(), Header: m.Headers(), Body: m.Data(), Attempts: attempts, Err: err}
	if err := s.o.DeadLetter(ctx, f); err != nil {
		s.o.Logger.ErrorContext(ctx, "a dead letter is not kept", "subject", m.Subject(), "error", err)
		_ = m.NakWithDelay(s.o.Backoff(attempts)) // or it comes again by itself
		return
	}
	_ = m.TermWithReason(truncate(err.Error(), 200)) // or it comes again
}

func truncate(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// decode reads a message; its error is fatal.
func decode[T any](m jetstream.Msg) (e Event[T], err error) {
	h := m.Headers()
	parts := strings.Split(m.Subject(), ".") // ac.<ns>.event.<type>.<action>.<id>
	if len(parts) != 6 {
		return e, Fatal(fmt.Errorf("subject %s is not that of an event", m.Subject()))
	}
	e = Event[T]{ID: h.Get("ce-id"), Type: parts[3], Action: parts[4], Resource: parts[5], Principal: text(h.Get("ce-principal")),
		Cause: text(h.Get("ce-cause")), DataRef: text(h.Get("ce-dataref"))}
	if e.Seq, err = strconv.ParseUint(h.Get("ce-sequence"), 10, 64); err != nil {
		return e, Fatal(err)
	}
	if e.At, err = time.Parse(time.RFC3339Nano, h.Get("ce-time")); err != nil {
		return e, Fatal(err)
	}
	body := struct {
		Data     *T        `json:"data"`
		Meta     *Meta     `json:"meta"`
		Revision *Revision `json:"revision"`
	}{Meta: &e.Meta}
	if err := json.Unmarshal(m.Data(), &body); err != nil {
		return e, Fatal(fmt.Errorf("the data does not fit: %w", err))
	}
	e.Data, e.Revision = body.Data, body.Revision
	return e, nil
}

// text undoes the encoding of CloudEvents headers.
func text(s string) string {
	if t, err := url.PathUnescape(s); err == nil {
		return t
	}
	return s
}
