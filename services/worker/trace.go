package worker

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// begin starts the span of an attempt, in the trace of the job's newest event.
func (w *Worker) begin(ctx context.Context, head *storage.Event) (context.Context, trace.Span) {
	ctx, span := w.o.Tracer.Start(states.Continue(ctx, head), "job "+head.Meta.Type, trace.WithSpanKind(trace.SpanKindConsumer))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("autocrud.type", head.Meta.Type), attribute.String("autocrud.id", head.Meta.ID), attribute.String("autocrud.worker", w.name))
	}
	return ctx, span
}

// tell says what became of an attempt.
func tell(span trace.Span, attempt int, outcome string) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.Int("autocrud.job.attempt", attempt), attribute.String("autocrud.job.outcome", outcome))
	if outcome == "failed" || outcome == "retried" {
		span.SetStatus(codes.Error, outcome)
	}
}

// send sends a request in the trace of its context, which goes on where it
// arrives.
func send(client *http.Client, r *http.Request) (*http.Response, error) {
	ctx, span := trace.SpanFromContext(r.Context()).TracerProvider().Tracer("autocrud").Start(r.Context(), r.Method+" handler", trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	resp, err := client.Do(r)
	switch {
	case err != nil:
		span.SetStatus(codes.Error, err.Error())
	case resp.StatusCode >= http.StatusBadRequest:
		span.SetStatus(codes.Error, resp.Status)
	}
	return resp, err
}

// traceEnv names the trace to a command, as a variable of its environment.
func traceEnv(ctx context.Context) []string {
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, c)
	if c["traceparent"] == "" {
		return nil
	}
	return []string{"TRACEPARENT=" + c["traceparent"]}
}
