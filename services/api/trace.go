package api

import (
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traced puts a request into the trace that its sender names (W3C Trace
// Context), with a span of its own where spans are kept.
func (a *API) traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez", "/readyz", "/metrics": // asked for all the time
			next.ServeHTTP(w, r)
			return
		}
		begun := time.Now()
		r, span := a.span(r)
		if span == nil {
			next.ServeHTTP(w, r)
			return
		}
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer a.record(rec, r, span, begun)
		next.ServeHTTP(rec, r)
	})
}

// span begins one below that of the sender; nil when spans are not kept.
func (a *API) span(r *http.Request) (*http.Request, trace.Span) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := a.o.Tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
	if span.SpanContext().IsValid() {
		r = r.WithContext(ctx)
	}
	if !span.IsRecording() && !a.logger.Enabled(ctx, slog.LevelDebug) {
		return r, nil
	}
	return r, span
}

// record says in the span and in the log what came of a request.
func (a *API) record(rec *recorder, r *http.Request, span trace.Span, begun time.Time) {
	route := chi.RouteContext(r.Context()).RoutePattern()
	id := rec.Header().Get("X-Request-Id")
	if a.logger.Enabled(r.Context(), slog.LevelDebug) {
		a.logger.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", rec.status), slog.Duration("took", time.Since(begun)), slog.String("request_id", id))
	}
	span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", route),
		attribute.String("url.path", r.URL.Path), attribute.String("url.scheme", a.scheme()), attribute.String("server.address", hostOf(r.Host)),
		attribute.Int("http.response.status_code", rec.status), attribute.String("autocrud.request_id", id))
	if !rec.named {
		span.SetName(r.Method + " " + route)
	}
	if rec.status >= http.StatusInternalServerError {
		span.SetAttributes(attribute.String("error.type", strconv.Itoa(rec.status)))
		span.SetStatus(codes.Error, http.StatusText(rec.status))
	}
	span.End()
}

// scheme is how requests come.
func (a *API) scheme() string {
	if a.o.TLS {
		return "https"
	}
	return "http"
}

// hostOf is a host without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// nameSpan gives the span of a request the name of its operation.
func nameSpan(w http.ResponseWriter, r *http.Request, name string) {
	trace.SpanFromContext(r.Context()).SetName(name)
	for {
		switch x := w.(type) {
		case *recorder:
			x.named = true
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = x.Unwrap()
		default:
			return
		}
	}
}
