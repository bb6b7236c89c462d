package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health serves how a process without an API is: whether it lives, whether it
// does its work, and its metrics.
func Health(o Options) http.Handler {
	a := &API{o: o, metrics: &metrics{page: metricsPage(o.Registry)}}
	r := chi.NewRouter()
	a.serve(r, healthOperations)
	return r
}

func tellAlive(_ *API, c call) error {
	plain(c.w, http.StatusOK, "ok\n")
	return nil
}

func tellReady(a *API, c call) error {
	if a.o.Ready != nil {
		if err := a.o.Ready(c.r.Context()); err != nil {
			c.w.Header().Set("Retry-After", "1")
			writeProblem(c.w, asProblem(err)) // asked for every second: not worth a line of the log
			return nil
		}
	}
	plain(c.w, http.StatusOK, "ready\n")
	return nil
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// metrics of the requests: rate, errors, duration.
type metrics struct {
	duration *prometheus.HistogramVec
	page     http.Handler // shows them
}

func newMetrics(r *prometheus.Registry) *metrics {
	m := &metrics{page: metricsPage(r), duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
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

func metricsPage(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// gauges of what is under way, and of the most that may be.
func (m *metrics) gauges(r *prometheus.Registry, watches, requests func() int) {
	for _, g := range []struct {
		name, help string
		value      func() int
	}{
		{"autocrud_watches", "Watches that are open.", watches},
		{"autocrud_http_requests_in_flight", "Requests that are being answered, those that go on left out.", requests},
		{"autocrud_http_requests_limit", "Requests beyond which further ones are refused.", func() int { return maxConcurrent }},
	} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, func() float64 { return float64(g.value()) }))
	}
}
