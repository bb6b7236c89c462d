package storage

import (
	"strconv"
	"time"
)

// Scheduled is what is to be done with a resource at a time. It is a part of its state,
// so that the newest event tells it.
type Scheduled struct {
	Action   ScheduledAction   `json:"action"`
	At       time.Time         `json:"at"` // microseconds, UTC
	By       string            `json:"by"` // the principal as which it is done
	Revision ScheduledRevision `json:"revision"`
	// Release names those that are done together, all or none.
	Release string `json:"release,omitempty"`
}

// ScheduledAction is what a schedule does.
type ScheduledAction string

// A schedule publishes a revision, or takes back what is published then.
const (
	ToPublish   ScheduledAction = "publish"
	ToUnpublish ScheduledAction = "unpublish"
)

// ScheduledRevision is the number of the revision that a schedule publishes; 0 for what
// is HEAD when the time comes.
type ScheduledRevision int

// MarshalJSON writes null for 0.
func (r ScheduledRevision) MarshalJSON() ([]byte, error) { return r.appendJSON(nil), nil }

func (r ScheduledRevision) appendJSON(b []byte) []byte {
	if r == 0 {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, int64(r), 10)
}

// Keeps reports whether a schedule publishes the revision with this number, which so
// must stay as it is.
func (s *Scheduled) Keeps(number int) bool {
	return s != nil && s.Action == ToPublish && int(s.Revision) == number && number != 0
}

// Equal reports whether two schedules say the same.
func (s *Scheduled) Equal(o *Scheduled) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Action == o.Action && s.At.Equal(o.At) && s.By == o.By && s.Revision == o.Revision && s.Release == o.Release
}

func (s *Scheduled) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"action":`...), string(s.Action))
	b = appendTime(append(b, `,"at":`...), s.At)
	b = appendText(append(b, `,"by":`...), s.By)
	b = s.Revision.appendJSON(append(b, `,"revision":`...))
	if s.Release != "" {
		b = appendText(append(b, `,"release":`...), s.Release)
	}
	return append(b, '}')
}

// Due is a resource of which something is scheduled.
type Due struct {
	Type, ID string
	Seq      uint64 // of its last event
	Scheduled
}

// The fields of schedules that a filter or an order may name. They are null where
// nothing is scheduled.
const (
	ScheduledAtField     = "meta.scheduled.at"
	ScheduledActionField = "meta.scheduled.action"
	ScheduledByField     = "meta.scheduled.by"
)

// value is that of a field; nil where nothing is scheduled.
func (s *Scheduled) value(name string) any {
	if s == nil {
		return nil
	}
	switch name {
	case ScheduledAtField:
		return s.At
	case ScheduledActionField:
		return string(s.Action)
	case ScheduledByField:
		return s.By
	}
	return nil
}
