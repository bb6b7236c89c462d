package wiring

import (
	"context"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// measuredBlobs tells how long a store takes.
type measuredBlobs struct {
	storage.Blobs
	took   *prometheus.HistogramVec
	tracer trace.Tracer // nil: no spans are made
}

func measureBlobs(b storage.Blobs, r *prometheus.Registry, tracer trace.Tracer) storage.Blobs {
	m := &measuredBlobs{b, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "autocrud_blob_duration_seconds",
		Help:    "Time of operations on revision objects and binaries.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}}, []string{"operation", "outcome"}), tracer}
	r.MustRegister(m.took)
	return m
}

func (m *measuredBlobs) measure(ctx context.Context, operation string, begun time.Time, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	if m.tracer != nil && trace.SpanContextFromContext(ctx).IsSampled() { // a part of something
		_, span := m.tracer.Start(ctx, "blob "+operation, trace.WithTimestamp(begun), trace.WithSpanKind(trace.SpanKindClient))
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
	m.took.WithLabelValues(operation, outcome).Observe(time.Since(begun).Seconds())
}

// Put implements storage.Blobs.
func (m *measuredBlobs) Put(ctx context.Context, key string, data []byte) (string, error) {
	begun := time.Now()
	ref, err := m.Blobs.Put(ctx, key, data)
	m.measure(ctx, "put", begun, err)
	return ref, err
}

// Get implements storage.Blobs.
func (m *measuredBlobs) Get(ctx context.Context, ref string) ([]byte, error) {
	begun := time.Now()
	b, err := m.Blobs.Get(ctx, ref)
	m.measure(ctx, "get", begun, err)
	return b, err
}

// PutBinary implements storage.Blobs.
func (m *measuredBlobs) PutBinary(ctx context.Context, r io.Reader, limit int64) (storage.Binary, error) {
	begun := time.Now()
	b, err := m.Blobs.PutBinary(ctx, r, limit)
	m.measure(ctx, "put_binary", begun, err)
	return b, err
}
