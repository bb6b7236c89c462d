package wiring

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// observer turns what the parts tell into metrics; docs/observability.md lists
// them.
type observer struct {
	commits *prometheus.HistogramVec
	refused *prometheus.CounterVec
	flights prometheus.Histogram
	flying  prometheus.Histogram
	delay   prometheus.Histogram
	batches prometheus.Histogram
	leading *prometheus.GaugeVec
}

var (
	quick = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 10}
	sizes = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
)

func newObserver(r *prometheus.Registry) *observer {
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	}
	o := &observer{
		commits: prometheus.NewHistogramVec(histogram("autocrud_commit_duration_seconds",
			"Time from the begin of a write to its durable commit.", quick), []string{"type", "action"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "autocrud_writes_refused_total",
			Help: "Writes that were refused, by code."}, []string{"type", "code"}),
		flights: prometheus.NewHistogram(histogram("autocrud_log_flight_appends",
			"Appends to the log that were made durable together.", sizes)),
		flying: prometheus.NewHistogram(histogram("autocrud_log_flight_duration_seconds",
			"Time to publish a group of appends and make it durable.", quick)),
		delay: prometheus.NewHistogram(histogram("autocrud_index_delay_seconds",
			"Age of the newest event of a batch when the index held it.", quick)),
		batches: prometheus.NewHistogram(histogram("autocrud_index_batch_events",
			"Events that the index took in one transaction.", sizes)),
		leading: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "autocrud_leading",
			Help: "1 while this process is the one that does what the role says."}, []string{"role"}),
	}
	r.MustRegister(o.commits, o.refused, o.flights, o.flying, o.leading)
	return o
}

// Committed implements resource.Observer.
func (o *observer) Committed(typ string, action storage.Action, took time.Duration) {
	o.commits.WithLabelValues(typ, string(action)).Observe(took.Seconds())
}

// Refused implements resource.Observer.
func (o *observer) Refused(typ string, code fault.Code) {
	o.refused.WithLabelValues(typ, string(code)).Inc()
}

// flight is told by the log.
func (o *observer) flight(appends int, took time.Duration) {
	o.flights.Observe(float64(appends))
	o.flying.Observe(took.Seconds())
}

// applied is told by the indexer.
func (o *observer) applied(b storage.Batch) {
	if n := len(b.Changes); n > 0 {
		o.batches.Observe(float64(n))
		o.delay.Observe(time.Since(b.Changes[n-1].Event.At).Seconds())
	}
}

// leads reports whether this process has a role now.
func (o *observer) leads(role string, does bool) {
	value := 0.
	if does {
		value = 1
	}
	o.leading.WithLabelValues(role).Set(value)
}
