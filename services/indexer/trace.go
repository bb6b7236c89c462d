package indexer

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// maxLinks is what a span keeps by default.
const maxLinks = 128

// together records what was done with several events at once: a span of the
// whole, linked to what wrote the events, and one in the trace of each event,
// linked to the whole.
func together(ctx context.Context, tracer trace.Tracer, name string, events []*storage.Event, begun time.Time) {
	if tracer == nil {
		return
	}
	var of []trace.SpanContext
	var links []trace.Link
	for _, e := range events {
		if sc := states.TraceOf(e); sc.IsSampled() {
			of = append(of, sc)
			if len(links) < maxLinks {
				links = append(links, trace.Link{SpanContext: sc})
			}
		}
	}
	if len(of) == 0 {
		return
	}
	_, whole := tracer.Start(ctx, name+" batch", trace.WithNewRoot(), trace.WithTimestamp(begun), trace.WithLinks(links...),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attribute.String("messaging.system", "nats"),
			attribute.String("messaging.operation.name", name), attribute.Int("messaging.batch.message_count", len(events)), attribute.Int64("autocrud.seq", int64(events[len(events)-1].Seq))))
	whole.End()
	link := trace.WithLinks(trace.Link{SpanContext: whole.SpanContext()})
	for _, sc := range of {
		_, span := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, sc), name, link, trace.WithTimestamp(begun), trace.WithSpanKind(trace.SpanKindConsumer))
		span.End()
	}
}
