package jobs

import (
	"context"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// LogItem is one line of a job's log and its place in it.
type LogItem struct {
	storage.LogLine
	Place uint64 `json:"-"`
}

// LogList is a page of a job's log, oldest line first.
type LogList struct {
	Items         []LogItem
	NextPageToken string
	EventID       string
}

// A place is the sequence of a piece and how many of its lines are read.
const placeBits = 16

// MaxLogLines is the most lines of one piece of a log.
const MaxLogLines = 1 << (placeBits - 1)

// Logs reads a page of what a job's handler wrote.
func (jb *Jobs) Logs(ctx context.Context, typ, id string, o states.PageOptions) (*LogList, error) {
	s, err := jb.jobWithLog(ctx, typ, id)
	if err != nil {
		return nil, err
	}
	binding := "logs/" + typ + "/" + id
	after, err := jb.Reads.PageAfter(o.Token, binding)
	if err != nil {
		return nil, err
	}
	out := &LogList{EventID: s.Event.ID}
	if out.Items, err = jb.LogAfter(ctx, typ, id, after, o.Limit()+1); err != nil {
		return nil, err
	}
	if len(out.Items) > o.Limit() {
		out.Items = out.Items[:o.Limit()]
		out.NextPageToken = jb.Reads.PageToken(out.Items[o.Limit()-1].Place, binding)
	} else if n := len(out.Items); n > 0 { // many bytes end a page too
		last := out.Items[n-1].Place
		more, err := jb.LogAfter(ctx, typ, id, last, 1)
		if err != nil {
			return nil, err
		}
		if len(more) > 0 {
			out.NextPageToken = jb.Reads.PageToken(last, binding)
		}
	}
	return out, nil
}

// jobWithLog checks that there is such a job.
func (jb *Jobs) jobWithLog(ctx context.Context, typ, id string) (states.State, error) {
	t, err := jb.findJob(typ, id)
	if err != nil {
		return states.State{}, err
	}
	s, err := jb.States.Head(ctx, states.Key{Type: typ, ID: id}, false)
	if err == nil {
		err = jb.Guard.Visible(ctx, t, id, s)
	}
	if err == nil {
		err = states.RequireLive(t, id, s)
	}
	return s, err
}

// LogAfter reads at most limit lines after a place; 0 is the beginning.
func (jb *Jobs) LogAfter(ctx context.Context, typ, id string, place uint64, limit int) ([]LogItem, error) {
	out := []LogItem{}
	if jb.o.JobLogs == nil {
		return out, nil
	}
	seq, skip := place>>placeBits, int(place&(1<<placeBits-1))
	if seq > 0 {
		seq-- // its piece again: not all of it is read
	}
	pieces, err := jb.o.JobLogs.Read(ctx, typ, id, seq, limit+skip)
	if err != nil {
		return nil, states.StoreError(err)
	}
	for _, p := range pieces {
		for i, line := range p.Lines {
			at := p.Seq<<placeBits | uint64(i+1)
			if at <= place {
				continue
			}
			if len(out) == limit {
				return out, nil
			}
			out = append(out, LogItem{line, at})
		}
	}
	return out, nil
}

// JobEnded reports whether a job is finished, so that its log grows no more.
func (jb *Jobs) JobEnded(ctx context.Context, typ, id string) (bool, error) {
	s, err := jb.jobWithLog(ctx, typ, id)
	switch fault.CodeOf(err) {
	case fault.Deleted:
		return true, nil
	case fault.NotFound: // it is gone, or may not be read any more, its log neither
		return true, err
	}
	if err != nil {
		return false, err
	}
	return s.Event.Meta.Job == nil || s.Event.Meta.Job.State.Final(), nil
}

// WriteLog adds lines to the log of a claimed job.
func (jb *Jobs) WriteLog(ctx context.Context, c *Claim, lines []storage.LogLine) error {
	if jb.o.JobLogs == nil || len(lines) == 0 {
		return nil
	}
	for i := range lines {
		lines[i].Attempt = c.Attempt
		lines[i].Text = strings.ToValidUTF8(strings.ReplaceAll(lines[i].Text, "\x00", ""), "?")
	}
	return states.StoreError(jb.o.JobLogs.Append(ctx, c.Type, c.ID, lines))
}
