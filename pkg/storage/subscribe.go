package storage

import (
	"context"
	"encoding/json"
	"time"
)

// Message is an event of the outward stream as a subscriber gets it.
type Message struct {
	ID        string // of the event
	Type      string
	Resource  string // id
	Action    Action
	Seq       uint64 // in the log
	At        time.Time
	Principal string
	DataRef   string // where the data is when Body leaves it out
	Trace     string // traceparent of the span in which it was written, or ""
	Body      []byte // the envelope
	Attempt   int    // how often it was handed out, this time included
}

// SubscribeOptions of a new subscription; one that is there already keeps where
// it is, and takes over the rest.
type SubscribeOptions struct {
	Types []string // empty: all
	// After begins behind a place in the log, Since with what was published from
	// then on; without both it begins now.
	After *uint64
	Since time.Time
	// Open is how many events may be handed out and not done, those that wait to
	// be handed out again included. Default 1: strictly in order.
	Open int
	// Silence is how long one may be silent about an event before another gets
	// it. Default 30 s.
	Silence time.Duration
}

// Subscriptions hand out the events of an Outward at least once, by name: each
// process that asks under a name gets another event, and the position of the name
// is kept.
type Subscriptions interface {
	Subscribe(ctx context.Context, name string, o SubscribeOptions) (Subscription, error)
	// Unsubscribe forgets a name; one that is not there is no error.
	Unsubscribe(ctx context.Context, name string) error
	// Subscribed lists the names that begin with a prefix.
	Subscribed(ctx context.Context, prefix string) ([]string, error)
}

// Subscription is used by one goroutine; its receipts by any.
type Subscription interface {
	// Next waits for the next event; none is taken before it is asked for. An
	// error other than that ctx ended ends the subscription; subscribe again.
	Next(ctx context.Context) (Message, Receipt, error)
	Close()
}

// Receipt reports the outcome of an event that was handed out.
type Receipt interface {
	Done() error
	// Retry hands it out again after a while.
	Retry(after time.Duration) error
	// Working breaks the silence.
	Working() error
}

// Delivery is one attempt to tell a webhook of an event.
type Delivery struct {
	Webhook    string          `json:"webhook"`
	EventID    string          `json:"event_id"`
	Type       string          `json:"type"`
	Resource   string          `json:"resource"`
	Action     Action          `json:"action"`
	Seq        uint64          `json:"seq"`
	Attempt    int             `json:"attempt"`
	At         time.Time       `json:"at"`
	DurationMS float64         `json:"duration_ms"`
	Outcome    string          `json:"outcome"` // delivered, retrying or failed
	Status     int             `json:"status"`  // of the answer, 0 for none
	Error      string          `json:"error"`
	Request    DeliveryRequest `json:"request"`
	Response   string          `json:"response"` // the beginning of its body
}

// DeliveryRequest is the request of a delivery.
type DeliveryRequest struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"` // null when it is too large to be kept
}

// Deliveries keeps what was tried, for some days.
type Deliveries interface {
	Record(ctx context.Context, d Delivery) error
	// List gives a page of a webhook's deliveries, newest first, before a place
	// in the list, 0 for its beginning; next is 0 on the last page. A page that
	// brings many bytes (8 MiB) ends early.
	List(ctx context.Context, webhook string, before uint64, limit int) (page []Delivery, next uint64, err error)
	// Erase destroys the deliveries about a resource.
	Erase(ctx context.Context, typ, id string) (n int, err error)
}
