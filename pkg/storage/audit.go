package storage

import (
	"context"
	"time"
)

// AuditEntry is something that left no event: it was refused, or it was a read of
// what is to be told.
type AuditEntry struct {
	At        time.Time `json:"at"`
	Outcome   string    `json:"outcome"` // "refused" or "ok"
	Action    string    `json:"action"`
	Type      string    `json:"type,omitempty"`
	ID        string    `json:"id,omitempty"`
	IDs       []string  `json:"ids,omitempty"` // of what a list showed
	Principal string    `json:"principal"`
	Code      string    `json:"code,omitempty"` // of a refusal
	Why       string    `json:"why,omitempty"`
	Method    string    `json:"method,omitempty"` // of the request
	Path      string    `json:"path,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Address   string    `json:"address,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
	// Suppressed is how many entries of the same kind before this one were
	// counted only, because there were too many.
	Suppressed int `json:"suppressed,omitempty"`
}

// AuditPiece holds the entries that were stored together, in their writer's form.
type AuditPiece struct {
	Seq  uint64
	Data []byte
}

// Audit keeps pieces in the order in which they came. The oldest may be dropped
// when it is full or they are too old.
type Audit interface {
	// Keep stores a piece under an id; once it returns the piece is stored. With
	// the same id within two minutes it is stored once.
	Keep(ctx context.Context, id string, data []byte) error
	// Bounds are the first and the last sequence; last is before first when
	// there is nothing.
	Bounds(ctx context.Context) (first, last uint64, err error)
	// Read returns the pieces from a sequence up to one before another, in
	// order. It may return fewer than there are; next is where to go on.
	Read(ctx context.Context, from, before uint64) (pieces []AuditPiece, next uint64, err error)
}
