package natslog

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// feedBuffer is how many entries a feed reads ahead.
const feedBuffer = 1024

// Follow implements storage.Log. What this process appended a moment before is read from
// memory; else the server is asked.
func (l *Log) Follow(ctx context.Context, seq uint64, subjects ...string) (storage.Feed, error) {
	if seq <= 1 {
		seq = l.origin
	}
	if seq < l.origin {
		return nil, fmt.Errorf("follow from %d, the log begins at %d: %w", seq, l.origin, storage.ErrGone)
	}
	f := &feed{l: l, want: seq}
	if len(subjects) == 0 {
		f.echo = l.echo
	}
	for _, s := range subjects {
		f.filters = append(f.filters, l.prefix+s)
	}
	if f.echo.holds(seq) {
		return f, nil
	}
	var err error
	if f.asked, err = f.ask(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

type feed struct {
	l       *Log
	echo    *echo // nil: the server is asked for everything
	filters []string
	asked   *consuming // nil: the echo is read
	want    uint64
	held    *storage.Entry // read, but not durable yet
}

// consuming reads from the server, with an ordered consumer, which makes itself anew from
// the last entry when a heartbeat or a message is missing.
type consuming struct {
	l        *Log
	consumer jetstream.Consumer
	iter     jetstream.MessagesContext
	entries  chan storage.Entry
	stop     chan struct{}
	err      error // why entries was closed
}

func (f *feed) ask(ctx context.Context) (*consuming, error) {
	ctx, cancel := context.WithTimeout(ctx, creating)
	defer cancel()
	c, err := f.l.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    f.want,
		FilterSubjects: f.filters,
	})
	if err != nil {
		return nil, unavailable("follow", err)
	}
	iter, err := c.Messages(jetstream.PullMaxMessages(feedBuffer))
	if err != nil {
		return nil, unavailable("follow", err)
	}
	a := &consuming{l: f.l, consumer: c, iter: iter, entries: make(chan storage.Entry, feedBuffer), stop: make(chan struct{})}
	go a.read()
	return a, nil
}

// read moves entries from the consumer to the channel until it ends.
func (a *consuming) read() {
	defer close(a.entries)
	for {
		m, err := a.iter.Next()
		if err != nil {
			a.err = unavailable("follow", err)
			return
		}
		md, err := m.Metadata()
		if err != nil {
			a.err = unavailable("follow", err)
			return
		}
		e := storage.Entry{Seq: md.Sequence.Stream, Subject: m.Subject(), ID: m.Headers().Get(nats.MsgIdHdr), Data: m.Data(), More: unfinished(m.Headers())}
		select {
		case a.entries <- a.l.local(e):
		case <-a.stop:
			a.err = unavailable("follow", context.Canceled)
			return
		}
	}
}

// Next implements storage.Feed.
func (f *feed) Next(ctx context.Context) (storage.Entry, error) {
	for f.held == nil {
		if err := f.take(ctx); err != nil {
			return storage.Entry{}, err
		}
	}
	if err := f.l.awaitDurable(ctx, f.held.Seq); err != nil {
		return storage.Entry{}, err
	}
	return f.release()
}

// unheard is how long a reader waits for the echo before it looks whether the log went on
// without it.
const unheard = time.Second

// take waits for an entry to hold. It may return without one, when there is another way
// to read.
func (f *feed) take(ctx context.Context) error {
	if f.asked != nil {
		return f.takeAsked(ctx)
	}
	e, ok, more := f.echo.at(f.want)
	switch {
	case ok:
		f.hear(e)
		return nil
	case more == nil:
		var err error
		f.asked, err = f.ask(ctx)
		return err
	}
	t := time.NewTimer(unheard)
	defer t.Stop()
	select {
	case <-more:
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		if state, err := f.l.State(ctx); err == nil {
			f.echo.hears(state.Last)
			return nil
		}
		var err error
		f.asked, err = f.ask(ctx) // which waits for a server that is busy, or tells that there is none
		return err
	}
	return nil
}

// hear holds an entry of the echo, which has the names of the server.
func (f *feed) hear(e storage.Entry) {
	e = f.l.local(e)
	f.held = &e
}

// takeAsked takes what the server sent. When that is all for now, and the echo goes on
// from there, the echo is read.
func (f *feed) takeAsked(ctx context.Context) error {
	select {
	case e, ok := <-f.asked.entries:
		return f.hold(e, ok)
	default:
	}
	if f.echo.holds(f.want) {
		f.asked.close()
		f.asked = nil
		return nil
	}
	select {
	case e, ok := <-f.asked.entries:
		return f.hold(e, ok)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *feed) hold(e storage.Entry, ok bool) error {
	if !ok {
		return f.asked.err
	}
	f.held = &e
	return nil
}

// Ready implements storage.Feed.
func (f *feed) Ready() (storage.Entry, bool) {
	if f.held == nil && !f.ready() {
		return storage.Entry{}, false
	}
	if f.held.Seq > f.l.Durable() {
		return storage.Entry{}, false
	}
	e, err := f.release()
	return e, err == nil
}

// ready holds an entry if there is one at hand.
func (f *feed) ready() bool {
	if f.asked == nil {
		e, ok, _ := f.echo.at(f.want)
		if ok {
			f.hear(e)
		}
		return ok
	}
	select {
	case e, ok := <-f.asked.entries:
		if ok {
			f.held = &e
		}
		return ok
	default:
		return false
	}
}

func (f *feed) release() (storage.Entry, error) {
	e := *f.held
	if e.Seq < f.want {
		return storage.Entry{}, fmt.Errorf("log delivered %d after %d: %w", e.Seq, f.want-1, storage.ErrCorrupt)
	}
	f.want, f.held = e.Seq+1, nil
	return e, nil
}

// Close implements storage.Feed.
func (f *feed) Close() {
	if f.asked != nil {
		f.asked.close()
	}
}

func (a *consuming) close() {
	close(a.stop)
	a.iter.Stop()
	go a.forget()
}

// forgetting is how long a server may take to drop a consumer.
const forgetting = 5 * time.Second

// forget drops the consumer, which the server would keep for minutes and of which it has
// only so many. Where it fails the server drops it then.
func (a *consuming) forget() {
	info := a.consumer.CachedInfo()
	if info == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetting)
	defer cancel()
	_ = a.l.stream.DeleteConsumer(ctx, info.Name) // it goes by itself otherwise
}
