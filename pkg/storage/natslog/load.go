package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A group of a Load is published at once and awaited.
const (
	loadRecords = 512
	loadBytes   = 4 << 20
)

// Load implements storage.Log.
func (l *Log) Load(ctx context.Context, next func() (storage.Record, bool, error)) (uint64, error) {
	if l.tail != nil {
		defer l.tail.others()()
		l.echo.lose()
	}
	state, err := l.State(ctx)
	if err != nil {
		return 0, err
	}
	js, err := jetstream.New(l.nc, jetstream.WithPublishAsyncMaxPending(loadRecords+1))
	if err != nil {
		return 0, fmt.Errorf("load: %w", err)
	}
	last := state.Last
	if last == 0 {
		last = l.origin - 1
	}
	for more := true; more; {
		if last, more, err = l.loadGroup(ctx, js, last, next); err != nil {
			return last, err
		}
	}
	return last, l.awaitDurable(ctx, last)
}

func (l *Log) loadGroup(ctx context.Context, js jetstream.JetStream, last uint64, next func() (storage.Record, bool, error)) (uint64, bool, error) {
	var acks []jetstream.PubAckFuture
	size, more := 0, true
	for len(acks) < loadRecords && size < loadBytes {
		r, ok, err := next()
		if err != nil {
			return last, false, err
		}
		if !ok {
			more = false
			break
		}
		size += len(r.Data)
		ack, err := js.PublishMsgAsync(&nats.Msg{Subject: l.prefix + r.Subject, Header: nats.Header{nats.MsgIdHdr: {r.ID}}, Data: r.Data})
		if err != nil {
			return last, false, unavailable("load", err)
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks {
		select {
		case a := <-ack.Ok():
			if a.Duplicate || a.Sequence != last+1 {
				return last, false, fmt.Errorf("load: entry %d was stored as %d: %w", last+1, a.Sequence, storage.ErrConflict)
			}
			last = a.Sequence
		case err := <-ack.Err():
			var api *jetstream.APIError
			if errors.As(err, &api) && api.ErrorCode == codeStoreFailed {
				return last, false, fmt.Errorf("load: %w: %w", storage.ErrFull, err)
			}
			return last, false, unavailable("load", err)
		case <-ctx.Done():
			return last, false, ctx.Err()
		}
	}
	return last, more, nil
}

// Delete removes the stream of a namespace with all that is in it, for a log
// that is to be filled anew. There being none is no error.
func Delete(ctx context.Context, js jetstream.JetStream, namespace string) error {
	err := js.DeleteStream(ctx, StreamName(Options{Namespace: namespace}.withDefaults().Namespace))
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return unavailable("delete", err)
	}
	return nil
}
