package storage

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Published is the number of the revision that the published view shows of a
// resource; Unpublished when it shows none. Zero: an event of before does not tell.
type Published int

// Unpublished tells that the published view shows nothing of a resource.
const Unpublished Published = -1

// MarshalJSON writes null for Unpublished.
func (p Published) MarshalJSON() ([]byte, error) { return p.appendJSON(nil), nil }

func (p Published) appendJSON(b []byte) []byte {
	if p == Unpublished {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, int64(p), 10)
}

// UnmarshalJSON reads null as Unpublished.
func (p *Published) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		*p = Unpublished
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return fmt.Errorf("a published revision: %w", err)
	}
	*p = Published(n)
	return nil
}

// Shown is the state of a resource that the published view shows while HEAD is
// another: that of the event by which it was published.
type Shown struct {
	ID        string   `json:"id"` // of that event
	Meta      Meta     `json:"meta"`
	Revision  Revision `json:"revision"`
	Ref       string   `json:"ref"`
	Binaries  []string `json:"binaries,omitempty"`
	Concealed []string `json:"concealed,omitempty"`
}

// Settled is the number of the revision that the published view shows after the
// event, also of an event of before where HEAD tells it; 0 when it has to be looked
// for among the parents of HEAD.
func (e *Event) Settled() Published {
	switch {
	case e.Action == Purged || e.Meta.Deleted:
		return Unpublished
	case e.Meta.Published != 0:
		return e.Meta.Published
	case e.Revision.Status == Stable:
		return Published(e.Revision.Number)
	case e.Revision.Parent == nil:
		return Unpublished
	}
	return 0
}

// ShowsItself reports whether the published view shows the very state that the
// event left.
func (e *Event) ShowsItself() bool { return e.Settled() > 0 && e.Shown == nil }

// Publishes reports whether the event made what the published view shows after it.
func (e *Event) Publishes() bool {
	return e.ShowsItself() || e.Settled() > 0 && e.Shown.ID == e.apartID()
}

// apartID is that of the state which an event publishes beside the one that it leaves.
func (e *Event) apartID() string { return e.ID + apart }

const apart = "-published"

// ShowApart has the event publish its own state but for its schedule, which the
// published view does not tell, or in its place that of a revision that HEAD is not.
func (e *Event) ShowApart(s Shown) {
	s.ID = e.apartID()
	s.Meta.Seq, s.Meta.Scheduled, s.Meta.Published = 0, nil, Published(s.Revision.Number)
	e.Meta.Published, e.Shown = s.Meta.Published, &s
}

// Changed is the number of the revision that the event created, changed in place or
// made stable, which may be one that HEAD is not; 0 for none.
func (e *Event) Changed() int {
	if e.Wrote == 0 && e.Action == MadePublic && e.Shown != nil && e.Publishes() {
		return e.Shown.Revision.Number
	}
	return e.Wrote
}

// PublishedMeta is the meta of an event as envelopes have it.
func (e *Event) PublishedMeta() Meta {
	m := e.Meta
	m.Seq, m.Published = e.Seq, e.Settled()
	return m
}

// Snapshot is the state that the event left, for later events of the resource to
// show while their HEAD is not what is published.
func (e *Event) Snapshot() *Shown {
	return &Shown{ID: e.ID, Meta: e.PublishedMeta(), Revision: e.Revision, Ref: e.Ref, Binaries: e.Binaries, Concealed: e.Concealed}
}

// PublishedState is the event as the published view shows it: itself, or the state
// that it shows in its place; nil when there is none, or when it has to be looked for.
func (e *Event) PublishedState() *Event {
	switch {
	case e.Settled() <= 0:
		return nil
	case e.Shown == nil:
		return e
	}
	s := e.Shown
	out := &Event{ID: s.ID, Action: e.Action, At: s.Meta.UpdatedAt, Principal: s.Meta.UpdatedBy, Meta: s.Meta, Revision: s.Revision, Ref: s.Ref,
		Binaries: s.Binaries, Concealed: s.Concealed, Seq: s.Meta.Seq}
	if out.Seq == 0 { // the event published it, and did not know its place when it was written
		out.Seq, out.Meta.Seq = e.Seq, e.Seq
	}
	return out
}

// Event is the id of the event by which the state was published.
func (s *Shown) Event() string { return strings.TrimSuffix(s.ID, apart) }

// ShownBy is the change of what a change of the batch shows in its place: a change of
// the same batch, or what it makes by itself; nil for none.
func (b *Batch) ShownBy(ctx context.Context, c *IndexChange) (*IndexChange, error) {
	for i := range b.Changes {
		if o := &b.Changes[i]; o.Event.ID == c.Event.Shown.ID {
			return o, nil
		}
	}
	if c.Shown == nil {
		return nil, nil
	}
	return c.Shown(ctx)
}
