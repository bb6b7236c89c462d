// Package storage is the ten contracts that everything stands on, and what they
// carry. Three of them hold the data:
//
//   - Log: the truth about order and about what happened. A write is committed
//     when its event is durably in the log, not before.
//   - Blobs: the truth about content. A revision is an immutable object,
//     written before its event.
//   - Index: a disposable projection of the log. Dropping it loses nothing. Its
//     roles are IndexReader, IndexWriter and IndexRebuilder.
//
// Seven stand beside them:
//
//   - Archive: a second copy of the log as objects, from which it is made again.
//   - Outward: the stream of events for programs outside, published in order.
//   - Subscriptions: the events of that stream, handed out to one worker each.
//   - Deliveries: what webhooks were told, and what they answered.
//   - Audit: refusals and audited reads, which the log does not hold.
//   - JobLogs: the lines that job handlers write.
//   - Bus: messages between processes, which may be lost.
//
// Each contract has one conformance suite in storagetest, and adapters in folders
// of their own. This package knows no NATS, SQL or S3.
package storage

import "errors"

// The errors of the contracts. Adapters wrap them; callers use errors.Is.
var (
	// ErrConflict: another write came first; it is in the log, for ever.
	ErrConflict = errors.New("conflict: another write came first")
	// ErrUnknown: the write may or may not be in the log. Asking again with
	// the same event id finds out.
	ErrUnknown = errors.New("outcome unknown")
	// ErrUnavailable: the store did not answer; nothing was written.
	ErrUnavailable = errors.New("storage unavailable")
	// ErrFull: the store refuses to grow; nothing was written.
	ErrFull = errors.New("storage full")
	// ErrTooLarge: the record is over the store's limit; nothing was written.
	ErrTooLarge = errors.New("record too large")
	// ErrNotFound: there is no such thing.
	ErrNotFound = errors.New("not found")
	// ErrCorrupt: the bytes read are not the bytes written.
	ErrCorrupt = errors.New("stored bytes are damaged")
	// ErrGone: the asked position is before the first one kept.
	ErrGone = errors.New("position no longer kept")
	// ErrNotReady: the index does not hold the asked type or field yet.
	ErrNotReady = errors.New("index not ready")
	// ErrDrift: a setting that must hold does not; the service must not run.
	ErrDrift = errors.New("settings drifted")
)
