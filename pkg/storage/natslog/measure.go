package natslog

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Exists reports whether there is a log of a namespace.
func Exists(ctx context.Context, js jetstream.JetStream, namespace string) (bool, error) {
	_, err := js.Stream(ctx, StreamName(namespace))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, unavailable("find", err)
	}
	return true, nil
}

// StateOf is when a stream was made and its last sequence; zero when there is none.
func StateOf(ctx context.Context, js jetstream.JetStream, name string) (created time.Time, last uint64, err error) {
	s, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return created, 0, nil
	}
	if err != nil {
		return created, 0, unavailable("find "+name, err)
	}
	info := s.CachedInfo()
	return info.Created.UTC(), info.State.LastSeq, nil
}

// Missing counts the entries up to the last that the log does not hold any more.
func (l *Log) Missing(ctx context.Context) (uint64, error) {
	info, err := l.stream.Info(ctx)
	if err != nil {
		return 0, unavailable("state", err)
	}
	if info.State.LastSeq < l.origin {
		return 0, nil
	}
	return info.State.LastSeq - l.origin + 1 - info.State.Msgs, nil
}

// Size is how large the log is.
type Size struct {
	Bytes, MaxBytes uint64 // a log of MaxBytes refuses writes
	Messages        uint64
	Last            uint64 // sequence, durable or about to be
}

// Size asks the server.
func (l *Log) Size(ctx context.Context) (Size, error) {
	info, err := l.stream.Info(ctx)
	if err != nil {
		return Size{}, unavailable("size", err)
	}
	return Size{Bytes: info.State.Bytes, MaxBytes: uint64(max(info.Config.MaxBytes, 0)), Messages: info.State.Msgs, Last: info.State.LastSeq}, nil
}

// Waiting counts the appends that no flight has taken yet.
func (l *Log) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}
