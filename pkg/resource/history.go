package resource

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// PageOptions of a list that is not a search.
type PageOptions struct {
	Size  int // 1 to 1000; default 20
	Token string
}

// The sizes of a page.
const (
	DefaultPageSize = 20
	MaxPageSize     = 1000
	// MaxPageBytes is how many bytes of resources a page brings; it ends early
	// where one more would be over that, after its first item.
	MaxPageBytes = 8 << 20
)

func (o PageOptions) size() int {
	if o.Size <= 0 {
		return DefaultPageSize
	}
	return min(o.Size, MaxPageSize)
}

// after decodes a token that holds one number.
func (rd *Reads) after(token, binding string) (uint64, error) {
	if token == "" {
		return 0, nil
	}
	c, err := rd.cursors.Decode(token, binding, nil)
	if err != nil {
		return 0, fault.Errorf(fault.InvalidPageToken, "%v", err)
	}
	n, err := strconv.ParseUint(c.ID, 10, 64)
	if err != nil {
		return 0, fault.Errorf(fault.InvalidPageToken, "the page token is not one of this list")
	}
	return n, nil
}

func (rd *Reads) nextToken(n uint64, binding string) string {
	return rd.cursors.Encode(query.Cursor{ID: strconv.FormatUint(n, 10)}, binding)
}

// PageToken makes the token of a list that the Manager does not keep itself, for
// the page at a place in it.
func (m *Manager) PageToken(place uint64, list string) string {
	return m.parts.Reads.nextToken(place, list)
}

// PageAfter reads what PageToken made; 0 for the first page.
func (m *Manager) PageAfter(token, list string) (uint64, error) {
	return m.parts.Reads.after(token, list)
}

// Limit is how many items the page has at most.
func (o PageOptions) Limit() int { return o.size() }

// RevisionList is a page of revisions, newest first.
type RevisionList struct {
	Items         []storage.Revision
	NextPageToken string
	EventID       string // of the resource's last event
}

// Revisions lists a resource's revisions, newest first; with chain only those
// from HEAD along the parents. It answers for deleted resources too.
func (m *Manager) Revisions(ctx context.Context, typ, id string, chain bool, o PageOptions) (*RevisionList, error) {
	t, err := m.parts.States.find(typ, id)
	if err != nil {
		return nil, err
	}
	k := key{typ, id}
	s, err := m.parts.States.head(ctx, k, false)
	if err != nil {
		return nil, err
	}
	if err := m.parts.Guard.visible(ctx, t, id, s); err != nil {
		return nil, err
	}
	if !s.exists() {
		return nil, live(t, id, s)
	}
	binding := "revisions/" + typ + "/" + id + "/" + strconv.FormatBool(chain)
	before, err := m.parts.Reads.after(o.Token, binding)
	if err != nil {
		return nil, err
	}
	from := s.event.Meta.RevisionCount
	if chain {
		from = s.event.Revision.Number
	}
	if before > 0 {
		from = int(min(before, uint64(s.event.Meta.RevisionCount)))
	}
	out := &RevisionList{EventID: s.event.ID, Items: []storage.Revision{}}
	for n, looked := from, 0; n > 0; looked++ {
		if len(out.Items) == o.size() || looked == maxLooked {
			out.NextPageToken = m.parts.Reads.nextToken(uint64(n), binding)
			break
		}
		e, err := m.parts.States.wrote(ctx, k, n)
		if err != nil {
			return nil, err
		}
		shown, ok, err := m.parts.Guard.shownRevision(ctx, t, s, e)
		if err != nil {
			return nil, err
		}
		if ok {
			out.Items = append(out.Items, shown)
		}
		if n--; chain {
			if n, err = parentNumber(&e.Revision); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// HistoryItem tells who did what, when, from where.
type HistoryItem struct {
	Seq       uint64         `json:"seq"`
	Action    storage.Action `json:"action"`
	At        time.Time      `json:"at"`
	Principal string         `json:"principal"`
	RequestID string         `json:"request_id"`
	Revision  string         `json:"revision"` // HEAD after it
	Address   string         `json:"address"`
	Cause     string         `json:"cause,omitempty"`
}

// HistoryList is a page of history, oldest first.
type HistoryList struct {
	Items         []HistoryItem
	NextPageToken string
	EventID       string
}

// History lists every event of a resource, oldest first. It answers for deleted
// resources too.
func (m *Manager) History(ctx context.Context, typ, id string, o PageOptions) (*HistoryList, error) {
	t, err := m.parts.States.find(typ, id)
	if err != nil {
		return nil, err
	}
	s, err := m.parts.States.head(ctx, key{typ, id}, false)
	if err != nil {
		return nil, err
	}
	if err := m.parts.Guard.visible(ctx, t, id, s); err != nil {
		return nil, err
	}
	if !s.exists() {
		return nil, live(t, id, s)
	}
	binding := "history/" + typ + "/" + id
	after, err := m.parts.Reads.after(o.Token, binding)
	if err != nil {
		return nil, err
	}
	if err := m.parts.States.freshen(ctx, Default, s.event.Seq); err != nil {
		return nil, err
	}
	events, more, err := m.parts.Reads.eventsAfter(ctx, t, id, after, o.size())
	if err != nil {
		return nil, err
	}
	out := &HistoryList{EventID: s.event.ID, Items: []HistoryItem{}}
	if more > 0 {
		out.NextPageToken = m.parts.Reads.nextToken(more, binding)
	}
	for _, p := range events {
		e := p.Event
		out.Items = append(out.Items, HistoryItem{Seq: p.Seq, Action: e.Action, At: e.At, Principal: e.Principal,
			RequestID: e.RequestID, Revision: e.Revision.ID, Address: e.Address, Cause: e.Cause})
	}
	return out, nil
}

// eventsAfter lists the events of a resource that the actor may read; more is
// where the next page begins, 0 when there is none.
func (rd *Reads) eventsAfter(ctx context.Context, t *model.Type, id string, after uint64, limit int) (out []storage.Past, more uint64, err error) {
	if x := rd.Guard.accessTo(ctx, t); x != nil {
		out, more, err = rd.Guard.readableEvents(ctx, x, id, after, limit+1)
		if len(out) <= limit {
			return out, more, err
		}
	} else if out, err = rd.index.Events(ctx, storage.EventQuery{Type: t.Name, ID: id, After: after, Limit: limit + 1}); err != nil || len(out) <= limit {
		return out, 0, stored(err)
	}
	return out[:limit], out[limit-1].Seq, nil
}

// DecodeData reads the data of a resource into v.
func (r *Resource) DecodeData(v any) error { return json.Unmarshal(r.Data, v) }
