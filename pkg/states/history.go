package states

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

// Limit is how many items the page has at most.
func (o PageOptions) Limit() int {
	if o.Size <= 0 {
		return DefaultPageSize
	}
	return min(o.Size, MaxPageSize)
}

// PageAfter reads what PageToken made; 0 for the first page.
func (rd *Reads) PageAfter(token, list string) (uint64, error) {
	if token == "" {
		return 0, nil
	}
	c, err := rd.cursors.Decode(token, list, nil)
	if err != nil {
		return 0, fault.Errorf(fault.InvalidPageToken, "%v", err)
	}
	n, err := strconv.ParseUint(c.ID, 10, 64)
	if err != nil {
		return 0, fault.Errorf(fault.InvalidPageToken, "the page token is not one of this list")
	}
	return n, nil
}

// PageToken makes the token of a list that the Manager does not keep itself, for
// the page at a place in it.
func (rd *Reads) PageToken(place uint64, list string) string {
	return rd.cursors.Encode(query.Cursor{ID: strconv.FormatUint(place, 10)}, list)
}

// RevisionList is a page of revisions, newest first.
type RevisionList struct {
	Items         []storage.Revision
	NextPageToken string
	EventID       string // of the resource's last event
}

// Revisions lists a resource's revisions, newest first; with chain only those
// from HEAD along the parents. It answers for deleted resources too.
func (rd *Reads) Revisions(ctx context.Context, typ, id string, chain bool, o PageOptions) (*RevisionList, error) {
	t, err := rd.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	k := Key{typ, id}
	s, err := rd.States.Head(ctx, k, false)
	if err != nil {
		return nil, err
	}
	if err := rd.Guard.Visible(ctx, t, id, s); err != nil {
		return nil, err
	}
	if !s.Exists() {
		return nil, RequireLive(t, id, s)
	}
	binding := "revisions/" + typ + "/" + id + "/" + strconv.FormatBool(chain)
	before, err := rd.PageAfter(o.Token, binding)
	if err != nil {
		return nil, err
	}
	from := s.Event.Meta.RevisionCount
	if chain {
		from = s.Event.Revision.Number
	}
	if before > 0 {
		from = int(min(before, uint64(s.Event.Meta.RevisionCount)))
	}
	gone, err := rd.States.prunedOf(ctx, k)
	if err != nil {
		return nil, err
	}
	out := &RevisionList{EventID: s.Event.ID, Items: []storage.Revision{}}
	for n, looked := from, 0; n > 0; looked++ {
		if len(out.Items) == o.Limit() || looked == maxLooked {
			out.NextPageToken = rd.PageToken(uint64(n), binding)
			break
		}
		pruned := gone != nil && gone.Numbers(n)
		if pruned && !chain {
			n--
			continue
		}
		e, err := rd.States.wroteOnce(ctx, k, n)
		if err != nil {
			return nil, err
		}
		var shown storage.Revision
		ok := false
		if !pruned {
			if shown, ok, err = rd.Guard.shownRevision(ctx, t, s, e); err != nil {
				return nil, err
			}
		}
		if ok {
			out.Items = append(out.Items, shown)
		}
		if n--; chain {
			if n, err = ParentNumber(&e.Revision); err != nil {
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
func (rd *Reads) History(ctx context.Context, typ, id string, o PageOptions) (*HistoryList, error) {
	t, err := rd.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	s, err := rd.States.Head(ctx, Key{typ, id}, false)
	if err != nil {
		return nil, err
	}
	if err := rd.Guard.Visible(ctx, t, id, s); err != nil {
		return nil, err
	}
	if !s.Exists() {
		return nil, RequireLive(t, id, s)
	}
	binding := "history/" + typ + "/" + id
	after, err := rd.PageAfter(o.Token, binding)
	if err != nil {
		return nil, err
	}
	if err := rd.States.Freshen(ctx, Default, s.Event.Seq); err != nil {
		return nil, err
	}
	events, more, err := rd.eventsAfter(ctx, t, id, after, o.Limit())
	if err != nil {
		return nil, err
	}
	out := &HistoryList{EventID: s.Event.ID, Items: []HistoryItem{}}
	if more > 0 {
		out.NextPageToken = rd.PageToken(more, binding)
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
	if x := rd.Guard.AccessTo(ctx, t); x != nil {
		out, more, err = rd.Guard.readableEvents(ctx, x, id, after, limit+1)
		if len(out) <= limit {
			return out, more, err
		}
	} else if out, err = rd.index.Events(ctx, storage.EventQuery{Type: t.Name, ID: id, After: after, Limit: limit + 1}); err != nil || len(out) <= limit {
		return out, 0, StoreError(err)
	}
	return out[:limit], out[limit-1].Seq, nil
}

// DecodeData reads the data of a resource into v.
func (r *Resource) DecodeData(v any) error { return json.Unmarshal(r.Data, v) }
