package states

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Traceparent names the span of the context (W3C Trace Context section 3.2);
// empty when there is none.
func Traceparent(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return ""
	}
	id, span := sc.TraceID(), sc.SpanID()
	b := append(make([]byte, 0, 55), "00-"...)
	b = append(hex.AppendEncode(b, id[:]), '-')
	b = append(hex.AppendEncode(b, span[:]), '-')
	return string(hex.AppendEncode(b, []byte{byte(sc.TraceFlags() & trace.FlagsSampled)}))
}

// TraceOf is the span in which an event was written; not valid when there is
// none, or it cannot be read.
func TraceOf(e *storage.Event) trace.SpanContext {
	s := e.Trace
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return trace.SpanContext{}
	}
	id, err1 := trace.TraceIDFromHex(s[3:35])
	span, err2 := trace.SpanIDFromHex(s[36:52])
	flags, err3 := hex.DecodeString(s[53:])
	if err1 != nil || err2 != nil || err3 != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags[0]) & trace.FlagsSampled, Remote: true})
}

// Continue returns a context in which spans, and events, belong to the trace of
// an event.
func Continue(ctx context.Context, e *storage.Event) context.Context {
	if sc := TraceOf(e); sc.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, sc)
	}
	return ctx
}

// DescribeSpan tells a span what it commits.
func DescribeSpan(span trace.Span, e *storage.Event) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String("autocrud.type", e.Meta.Type), attribute.String("autocrud.id", e.Meta.ID),
			attribute.String("autocrud.action", string(e.Action)))
	}
}

// EndSpan ends the span of a commit.
func EndSpan(span trace.Span, e *storage.Event, err error) {
	switch {
	case !span.IsRecording():
	case err != nil:
		span.SetStatus(codes.Error, err.Error())
	case e != nil:
		span.SetAttributes(attribute.Int64("autocrud.seq", int64(e.Seq)))
	}
	span.End()
}
