package wiring

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

// beside are the streams besides the log, by kind, and what is lost with each. None
// is needed to answer what was acknowledged.
var beside = map[string]string{
	storage.OutwardStream: "events that subscribers and webhooks were not told yet, and where they stand",
	"AUDIT":               "refusals and audited reads",
	"DELIVERIES":          "the deliveries of webhooks",
	"JOBLOGS":             "the logs of jobs",
}

// stream is the recorded state of a stream.
type stream struct {
	Created time.Time `json:"created"`
	Last    uint64    `json:"last"`
}

// streams are those that are there.
func (s *stores) streams(ctx context.Context, namespace string) (map[string]stream, error) {
	out := map[string]stream{}
	for kind := range beside {
		nc := s.nc
		if kind == storage.OutwardStream {
			nc = s.events
		}
		js, err := jetstream.New(nc)
		if err != nil {
			return nil, err
		}
		created, last, err := natslog.StateOf(ctx, js, storage.StreamName(namespace, kind))
		if err != nil {
			return nil, err
		}
		out[kind] = stream{created, last}
	}
	return out, nil
}

// compareStreams tells of streams that were lost, cut or replaced. Events of another
// installation are not passed on.
func (s *stores) compareStreams(ctx context.Context, log string, now map[string]stream, logger *slog.Logger) error {
	if s.known == nil || s.known.Log != log {
		return nil // a log that was rebuilt has new ones
	}
	for kind, was := range s.known.Streams {
		is, what := now[kind], beside[kind]
		switch {
		case what == "" || is.Created.Equal(was.Created) && is.Last >= was.Last:
		case is.Created.Equal(was.Created):
			logger.WarnContext(ctx, "a stream beside the log lost its end", "stream", kind, "lost", what, "ends", is.Last, "went", was.Last)
		case is.Created.After(s.opened):
			logger.WarnContext(ctx, "a stream beside the log was lost and is made anew", "stream", kind, "lost", what)
		case kind == storage.OutwardStream && s.sole:
			return wrong("the stream of events beside the log is another one: it is from another installation. Put the right one back, or remove its folder below %s to have it made anew; nothing was changed", "nats/jetstream/EVENTS/streams")
		default:
			logger.WarnContext(ctx, "a stream beside the log is another one than before", "stream", kind, "lost", what)
		}
	}
	return nil
}
