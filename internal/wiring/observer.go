package wiring

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/services/indexer"
)

// observer turns what the Manager tells into metrics.
type observer struct {
	commits *prometheus.HistogramVec
	refused *prometheus.CounterVec
}

func newObserver(r *prometheus.Registry, log *natslog.Log, ix *indexer.Indexer, p *resource.Progress) *observer {
	o := &observer{
		commits: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "autocrud_commit_duration_seconds",
			Help:    "Time from the begin of a write to its durable commit.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 10}}, []string{"type", "action"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "autocrud_writes_refused_total",
			Help: "Writes that were refused, by code."}, []string{"type", "code"}),
	}
	number := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	count := func(name, help string, value func(natslog.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value(log.Stats())) })
	}
	r.MustRegister(o.commits, o.refused, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		number("autocrud_index_applied_sequence", "Last sequence of the log that the index holds.", func() float64 { return float64(p.Applied()) }),
		count("autocrud_log_flights_total", "Groups of appends that were made durable together.", func(s natslog.Stats) uint64 { return s.Flights }),
		count("autocrud_log_appends_total", "Appends to the log.", func(s natslog.Stats) uint64 { return s.Units }),
		count("autocrud_log_conflicts_total", "Appends that lost.", func(s natslog.Stats) uint64 { return s.Conflicts }),
		count("autocrud_log_unknown_total", "Appends whose outcome could not be found out.", func(s natslog.Stats) uint64 { return s.Unknown }),
		count("autocrud_log_decided_total", "Appends whose outcome the log had to tell.", func(s natslog.Stats) uint64 { return s.Decided }))
	if ix != nil {
		r.MustRegister(number("autocrud_index_lag_seconds", "Age of the newest event when it was applied.", func() float64 { return ix.Lag().Seconds() }),
			number("autocrud_index_damaged_events", "Events that could not be projected as they are.", func() float64 { return float64(ix.Damaged()) }),
			number("autocrud_events_published_sequence", "Last sequence of the log that subscribers outside were told of.", func() float64 { return float64(ix.Published()) }))
	}
	return o
}

// Committed implements resource.Observer.
func (o *observer) Committed(typ string, action storage.Action, took time.Duration) {
	o.commits.WithLabelValues(typ, string(action)).Observe(took.Seconds())
}

// Refused implements resource.Observer.
func (o *observer) Refused(typ string, code resource.Code) {
	o.refused.WithLabelValues(typ, string(code)).Inc()
}
