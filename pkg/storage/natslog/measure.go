package natslog

import "context"

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
