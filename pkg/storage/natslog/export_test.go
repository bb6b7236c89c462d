package natslog

// SetEcho changes how many entries are held for readers of this process.
func (l *Log) SetEcho(n int) { l.echo.most = n }

// Asks reports whether a feed reads from the server, not from memory.
func Asks(f any) bool { return f.(*feed).asked != nil }
