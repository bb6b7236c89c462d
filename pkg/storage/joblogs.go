package storage

import (
	"context"
	"time"
)

// LogLine is one line of a job's log.
type LogLine struct {
	At      time.Time `json:"at"`
	Attempt int       `json:"attempt"`
	Text    string    `json:"text"`
}

// LogPiece is some lines of a job's log that were written together.
type LogPiece struct {
	Seq   uint64 // grows with each piece
	Lines []LogLine
}

// JobLogs keeps what handlers write while they run. It is not the truth about
// anything: the oldest lines may be dropped.
type JobLogs interface {
	Append(ctx context.Context, typ, id string, lines []LogLine) error
	// Read returns the pieces after a sequence, oldest first, until they hold
	// at least limit lines, or many bytes (8 MiB).
	Read(ctx context.Context, typ, id string, after uint64, limit int) ([]LogPiece, error)
	// Erase destroys a job's log: its bytes are in no file afterwards.
	Erase(ctx context.Context, typ, id string) error
}
