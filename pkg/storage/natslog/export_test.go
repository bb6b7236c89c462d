package natslog

import "context"

// DeleteOne removes an entry by a function.
func (l *Log) DeleteOne(ctx context.Context, seq uint64, remove func(context.Context, uint64) error) error {
	return l.deleteOne(ctx, seq, remove)
}

// SetEcho changes how many entries are held for readers of this process.
func (l *Log) SetEcho(n int) { l.echo.most = n }

// Asks reports whether a feed reads from the server, not from memory.
func Asks(f any) bool { return f.(*feed).asked != nil }
