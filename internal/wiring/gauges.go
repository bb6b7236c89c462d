package wiring

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/services/worker"
)

// scrapeTime is how long a scrape waits for the log.
const scrapeTime = 2 * time.Second

// gauges are the state at the time of a scrape. What cannot be found out in
// time is left out. What only the leading process knows, only that one tells.
type gauges struct{ *program }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("autocrud_"+name, help, labels, nil)
}

var (
	logBytes      = describe("log_bytes", "Size of the log.")
	logLimit      = describe("log_limit_bytes", "Size at which the log refuses writes.")
	logSequence   = describe("log_sequence", "Last sequence of the log.")
	indexSequence = describe("index_applied_sequence", "Last sequence of the log that the index holds, as far as this process knows.")
	indexLag      = describe("index_lag_events", "Entries of the log that the index does not hold yet.")
	indexAge      = describe("index_lag_seconds", "Age of the first event that the index does not hold yet; 0: it holds all.")
	outwardLag    = describe("events_lag_events", "Entries of the log that the index holds and subscribers outside were not told of.")
	outwardAt     = describe("events_published_sequence", "Last sequence of the log that subscribers outside were told of.")
	archiveLag    = describe("archive_lag_events", "Entries of the log that its archive does not hold yet.")
	unfitRows     = describe("unfit_resources", "Live resources that do not fit their model, of types that have had some since their model changed.", "type")
	poolConns     = describe("postgres_connections", "Connections to Postgres.", "state")
	poolLimit     = describe("postgres_connections_limit", "Connections to Postgres that there may be.")
)

// Describe implements prometheus.Collector. Which there are changes, so it
// tells none.
func (g gauges) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	tell := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	applied := g.progress.Applied()
	tell(indexSequence, float64(applied))
	if size, err := g.st.log.Size(ctx); err == nil {
		tell(logBytes, float64(size.Bytes))
		tell(logLimit, float64(size.MaxBytes))
		tell(logSequence, float64(size.Last))
		tell(indexLag, float64(size.Last-min(applied, size.Last)))
		if g.archiver != nil && g.leads() {
			tell(archiveLag, float64(size.Last-min(g.archiver.Archived(), size.Last)))
		}
		if age, err := g.behind(ctx, applied, size.Last); err == nil {
			tell(indexAge, age.Seconds())
		}
	}
	if g.leads() {
		for _, t := range g.manager.Core.Types.All() {
			if !model.Marks(t) {
				continue
			}
			if page, err := g.manager.Admin.Unfit(ctx, t); err == nil {
				tell(unfitRows, float64(page.Total), t.Name)
			}
		}
		done := g.indexing.indexer.Published()
		tell(outwardAt, float64(done))
		tell(outwardLag, float64(applied-min(done, applied)))
	}
	if g.st.shared != nil {
		used, idle, most := g.st.shared.Connections()
		tell(poolConns, float64(used), "used")
		tell(poolConns, float64(idle), "idle")
		tell(poolLimit, float64(most))
	}
}

// leads reports whether this process writes the index, and what goes beside it.
func (g gauges) leads() bool {
	return g.indexing.indexer != nil && (g.st.shared == nil || g.indexing.leading.Load())
}

// behind is the age of the first event after a sequence.
func (g gauges) behind(ctx context.Context, applied, last uint64) (time.Duration, error) {
	if applied >= last {
		return 0, nil
	}
	entry, err := g.st.log.Next(ctx, "rev.>", applied+1)
	if errors.Is(err, storage.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return 0, err
	}
	return max(time.Since(e.At), 0), nil
}

// measure registers what every process tells of itself.
func (p *program) measure() {
	value := func(name, help string, v func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "autocrud_" + name, Help: help}, v)
	}
	count := func(name, help string, v func(natslog.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "autocrud_log_" + name, Help: help}, func() float64 { return float64(v(p.st.log.Stats())) })
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "autocrud_build_info", Help: "1, with the version and the service.",
		ConstLabels: prometheus.Labels{"version": p.app.Version, "service": p.set.service()}})
	build.Set(1)
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), gauges{p}, build,
		count("flights_total", "Groups of appends that were made durable together.", func(s natslog.Stats) uint64 { return s.Flights }),
		count("appends_total", "Appends to the log.", func(s natslog.Stats) uint64 { return s.Units }),
		count("conflicts_total", "Appends that lost.", func(s natslog.Stats) uint64 { return s.Conflicts }),
		count("unknown_total", "Appends whose outcome could not be found out.", func(s natslog.Stats) uint64 { return s.Unknown }),
		count("decided_total", "Appends whose outcome the log had to tell.", func(s natslog.Stats) uint64 { return s.Decided }),
		count("foreign_total", "Groups of appends beside which another program wrote, though this process is the only writer.", func(s natslog.Stats) uint64 { return s.Foreign }),
		value("log_appends_waiting", "Appends that wait for the group before them.", func() float64 { return float64(p.st.log.Waiting()) }),
		value("nats_connected", "1 while NATS is reached.", func() float64 {
			if p.st.nc.IsConnected() {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "autocrud_nats_reconnects_total", Help: "Times that NATS was reached again."},
			func() float64 { return float64(p.st.nc.Stats().Reconnects) }))
	walks, heads := p.manager.Core.Walks, p.manager.Core.Heads
	p.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "autocrud_lists_unindexed_total", Help: "Lists that took long and that an index over several fields would answer at once."},
			func() float64 { return float64(walks.Lists()) }),
		value("heads_bytes", "Bytes of what was read and written last that are kept in memory.", func() float64 { return float64(heads.Bytes()) }))
	if ix := p.indexing.indexer; ix != nil {
		p.registry.MustRegister(p.observer.delay, p.observer.batches,
			value("index_damaged_events", "Events that could not be projected as they are.", func() float64 { return float64(ix.Damaged()) }))
	}
}

// measureWorker registers what a worker tells of its slots.
func (p *program) measureWorker(w *worker.Worker) {
	value := func(name, help string, v func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "autocrud_worker_" + name, Help: help}, v)
	}
	p.registry.MustRegister(
		value("attempts_running", "Attempts under way in this process.", func() float64 { return float64(w.Running()) }),
		value("slots", "Attempts that may be under way at once in this process.", func() float64 { return float64(w.Slots()) }))
}
