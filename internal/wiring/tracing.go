package wiring

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/autocrud-go/autocrud/pkg/policy"
)

// traces tells, by the standard variables of OpenTelemetry, whether spans are
// sent anywhere.
func traces() (bool, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" ||
		os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return false, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(name); p != "" {
			if p != "http/protobuf" {
				return false, wrong("%s is %q; spans are sent as http/protobuf only", name, p)
			}
			break
		}
	}
	return true, nil
}

// flushTime is how long the last spans may take to leave.
const flushTime = time.Second

// openTracing makes the exporter of spans; nil when none is configured.
func openTracing(ctx context.Context, set *Settings, version string, logger *slog.Logger) (_ trace.Tracer, stop func(), err error) {
	if on, err := traces(); !on {
		return nil, func() {}, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, wrong("OTEL_EXPORTER_OTLP_ENDPOINT: %v", err)
	}
	name := "autocrud"
	if s := set.service(); s != "up" {
		name += "-" + s
	}
	about, err := otelresource.New(ctx, otelresource.WithTelemetrySDK(), otelresource.WithAttributes(attribute.String("service.name", name),
		attribute.String("service.namespace", set.Namespace), attribute.String("service.version", version),
		attribute.String("service.instance.id", uuid.NewString())), otelresource.WithFromEnv())
	if err != nil {
		return nil, nil, wrong("OTEL_RESOURCE_ATTRIBUTES: %v", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("spans are lost", "error", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return provider.Tracer("github.com/autocrud-go/autocrud"), func() {
		ctx, cancel := context.WithTimeout(context.Background(), flushTime)
		defer cancel()
		_ = provider.Shutdown(ctx) // what could not be sent is lost
	}, nil
}

// contextual adds to every line the request and its trace, as the context
// of the line knows.
type contextual struct{ slog.Handler }

// Handle implements slog.Handler.
func (h contextual) Handle(ctx context.Context, r slog.Record) error {
	if id := policy.ActorOf(ctx).RequestID; id != "" && !says(r, "request_id") {
		r.AddAttrs(slog.String("request_id", id))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// says reports whether a line has an attribute of its own by this name.
func says(r slog.Record, name string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == name
		return !found
	})
	return found
}

// WithAttrs implements slog.Handler.
func (h contextual) WithAttrs(a []slog.Attr) slog.Handler { return contextual{h.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (h contextual) WithGroup(name string) slog.Handler { return contextual{h.Handler.WithGroup(name)} }
