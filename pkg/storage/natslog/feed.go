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

// Follow implements storage.Log with an ordered consumer, which makes itself
// anew from the last entry when a heartbeat or a message is missing.
func (l *Log) Follow(ctx context.Context, seq uint64, subjects ...string) (storage.Feed, error) {
	if seq <= 1 {
		seq = l.origin
	}
	if seq < l.origin {
		return nil, fmt.Errorf("follow from %d, the log begins at %d: %w", seq, l.origin, storage.ErrGone)
	}
	filters := make([]string, len(subjects))
	for i, s := range subjects {
		filters[i] = l.prefix + s
	}
	c, err := l.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    seq,
		FilterSubjects: filters,
	})
	if err != nil {
		return nil, unavailable("follow", err)
	}
	iter, err := c.Messages(jetstream.PullMaxMessages(feedBuffer))
	if err != nil {
		return nil, unavailable("follow", err)
	}
	f := &feed{l: l, consumer: c, iter: iter, entries: make(chan storage.Entry, feedBuffer), stop: make(chan struct{}), want: seq}
	go f.read()
	return f, nil
}

type feed struct {
	l        *Log
	consumer jetstream.Consumer
	iter     jetstream.MessagesContext
	entries  chan storage.Entry
	stop     chan struct{}
	err      error // why entries was closed
	want     uint64
	held     *storage.Entry // read, but not durable yet
}

// read moves entries from the consumer to the channel until it ends.
func (f *feed) read() {
	defer close(f.entries)
	for {
		m, err := f.iter.Next()
		if err != nil {
			f.err = unavailable("follow", err)
			return
		}
		md, err := m.Metadata()
		if err != nil {
			f.err = unavailable("follow", err)
			return
		}
		e := storage.Entry{Seq: md.Sequence.Stream, Subject: m.Subject(), ID: m.Headers().Get(nats.MsgIdHdr), Data: m.Data(), More: unfinished(m.Headers())}
		select {
		case f.entries <- f.l.local(e):
		case <-f.stop:
			f.err = unavailable("follow", context.Canceled)
			return
		}
	}
}

// Next implements storage.Feed.
func (f *feed) Next(ctx context.Context) (storage.Entry, error) {
	if f.held == nil {
		select {
		case e, ok := <-f.entries:
			if !ok {
				return storage.Entry{}, f.err
			}
			f.held = &e
		case <-ctx.Done():
			return storage.Entry{}, ctx.Err()
		}
	}
	if err := f.l.awaitDurable(ctx, f.held.Seq); err != nil {
		return storage.Entry{}, err
	}
	return f.release()
}

// Ready implements storage.Feed.
func (f *feed) Ready() (storage.Entry, bool) {
	if f.held == nil {
		select {
		case e, ok := <-f.entries:
			if !ok {
				return storage.Entry{}, false
			}
			f.held = &e
		default:
			return storage.Entry{}, false
		}
	}
	if f.held.Seq > f.l.Durable() {
		return storage.Entry{}, false
	}
	e, err := f.release()
	return e, err == nil
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
	close(f.stop)
	f.iter.Stop()
	go f.forget()
}

// forgetting is how long a server may take to drop a consumer.
const forgetting = 5 * time.Second

// forget drops the consumer, which the server would keep for minutes and of which it has
// only so many. Where it fails the server drops it then.
func (f *feed) forget() {
	info := f.consumer.CachedInfo()
	if info == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetting)
	defer cancel()
	_ = f.l.stream.DeleteConsumer(ctx, info.Name) // it goes by itself otherwise
}
