package wiring

import (
	"context"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// measuredBlobs tells how long a store takes.
type measuredBlobs struct {
	storage.Blobs
	took *prometheus.HistogramVec
}

func measureBlobs(b storage.Blobs, r *prometheus.Registry) storage.Blobs {
	m := &measuredBlobs{b, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "autocrud_blob_duration_seconds",
		Help:    "Time of operations on revision objects and binaries.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}}, []string{"operation", "outcome"})}
	r.MustRegister(m.took)
	return m
}

func (m *measuredBlobs) measure(operation string, begun time.Time, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.took.WithLabelValues(operation, outcome).Observe(time.Since(begun).Seconds())
}

// Put implements storage.Blobs.
func (m *measuredBlobs) Put(ctx context.Context, key string, data []byte) (string, error) {
	begun := time.Now()
	ref, err := m.Blobs.Put(ctx, key, data)
	m.measure("put", begun, err)
	return ref, err
}

// Get implements storage.Blobs.
func (m *measuredBlobs) Get(ctx context.Context, ref string) ([]byte, error) {
	begun := time.Now()
	b, err := m.Blobs.Get(ctx, ref)
	m.measure("get", begun, err)
	return b, err
}

// PutBinary implements storage.Blobs.
func (m *measuredBlobs) PutBinary(ctx context.Context, r io.Reader, limit int64) (storage.Binary, error) {
	begun := time.Now()
	b, err := m.Blobs.PutBinary(ctx, r, limit)
	m.measure("put_binary", begun, err)
	return b, err
}
