package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics of the requests: rate, errors, duration.
type metrics struct {
	duration *prometheus.HistogramVec
}

func newMetrics(r *prometheus.Registry) *metrics {
	m := &metrics{duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "autocrud_http_request_duration_seconds",
		Help:    "Time to answer a request, by operation and status.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"operation", "status"})}
	r.MustRegister(m.duration)
	return m
}

func (m *metrics) observe(operation string, status int, took time.Duration) {
	m.duration.WithLabelValues(operation, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) serve(r *prometheus.Registry) http.HandlerFunc {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP
}

func (m *metrics) watches(r *prometheus.Registry, n func() int) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "autocrud_watches", Help: "Watches that are open."},
		func() float64 { return float64(n()) }))
}
