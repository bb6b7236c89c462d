package wiring

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/autocrud-go/autocrud/internal/otlp"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// flushTime is how long the last spans and metrics may take to leave.
const flushTime = time.Second

// resourceOf is what spans and metrics say of the process that sends them.
func resourceOf(ctx context.Context, set *Settings, version string) (*otelresource.Resource, error) {
	name := "autocrud"
	if s := set.service(); s != "up" {
		name += "-" + s
	}
	about, err := otelresource.New(ctx, otelresource.WithTelemetrySDK(), otelresource.WithAttributes(attribute.String("service.name", name),
		attribute.String("service.namespace", set.Namespace), attribute.String("service.version", version),
		attribute.String("service.instance.id", uuid.NewString())), otelresource.WithFromEnv())
	if err != nil {
		return nil, wrong("OTEL_RESOURCE_ATTRIBUTES: %v", err)
	}
	return about, nil
}

// telemetry sends spans and metrics by OTLP, where the standard variables of
// OpenTelemetry ask for it; the tracer is nil when no spans are made.
func telemetry(ctx context.Context, set *Settings, version string, registry prometheus.Gatherer, logger *slog.Logger) (_ trace.Tracer, stop func(), err error) {
	spans, err := otlp.Traces.Wanted()
	if err != nil {
		return nil, nil, wrong("%v", err)
	}
	metrics, err := otlp.Metrics.Wanted()
	if err != nil {
		return nil, nil, wrong("%v", err)
	}
	if !spans && !metrics {
		return nil, func() {}, nil
	}
	about, err := resourceOf(ctx, set, version)
	if err != nil {
		return nil, nil, err
	}
	var tracer trace.Tracer
	stopSpans, stopMetrics := func() {}, func() {}
	if spans {
		if tracer, stopSpans, err = sendSpans(ctx, about, logger); err != nil {
			return nil, nil, err
		}
	}
	if metrics {
		scheme := "http"
		if set.TLSCert != "" {
			scheme = "https"
		}
		if stopMetrics, err = sendMetrics(otlp.Options{Registry: registry, Resource: about, Scheme: scheme}, logger); err != nil {
			stopSpans()
			return nil, nil, err
		}
	}
	return tracer, func() { stopMetrics(); stopSpans() }, nil
}

func sendSpans(ctx context.Context, about *otelresource.Resource, logger *slog.Logger) (trace.Tracer, func(), error) {
	exporter, err := otlp.NewSpans(ctx)
	if err != nil {
		return nil, nil, wrong("%v", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("spans are lost", "error", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return provider.Tracer("github.com/autocrud-go/autocrud"), func() {
		ctx, cancel := context.WithTimeout(context.Background(), flushTime)
		defer cancel()
		_ = provider.Shutdown(ctx) // what could not be sent is lost
	}, nil
}

func sendMetrics(o otlp.Options, logger *slog.Logger) (stop func(), err error) {
	exporter, err := otlp.NewExporter(o)
	if err != nil {
		return nil, wrong("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		exporter.Run(ctx, func(err error) { logger.Warn("metrics are lost", "error", err) })
	}()
	return func() {
		cancel()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), flushTime)
		defer cancel()
		_ = exporter.Flush(ctx) // what could not be sent is lost
		exporter.Close()
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
