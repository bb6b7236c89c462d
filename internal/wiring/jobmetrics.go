package wiring

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// attempts turns what the worker tells into metrics.
type attempts struct{ took *prometheus.HistogramVec }

func newAttempts(r *prometheus.Registry) *attempts {
	a := &attempts{prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "autocrud_job_attempt_duration_seconds",
		Help:    "Time of attempts at jobs, from the claim to the recorded outcome, by what that was: succeeded, retried, failed, snoozed, refused.",
		Buckets: []float64{.001, .01, .1, 1, 10, 60, 600, 3600}}, []string{"type", "queue", "outcome"})}
	r.MustRegister(a.took)
	return a
}

// Attempted implements worker.Observer.
func (a *attempts) Attempted(typ, queue, outcome string, took time.Duration) {
	a.took.WithLabelValues(typ, queue, outcome).Observe(took.Seconds())
}

// queued collects what waits, where this process hands out jobs.
type queued struct{ jobs *jobParts }

var (
	jobsDesc = prometheus.NewDesc("autocrud_jobs", "Jobs that are not finished: ready to start, waiting for their time or for others, running.", []string{"queue", "type", "state"}, nil)
	nextDesc = prometheus.NewDesc("autocrud_jobs_next_due_seconds", "How long the job that is to start next has been due.", []string{"queue", "type"}, nil)
)

// Describe implements prometheus.Collector.
func (q queued) Describe(ch chan<- *prometheus.Desc) { ch <- jobsDesc; ch <- nextDesc }

// Collect implements prometheus.Collector.
func (q queued) Collect(ch chan<- prometheus.Metric) {
	d := q.jobs.dispatcher.Load()
	if d == nil {
		return
	}
	for _, w := range d.Waiting() {
		for state, n := range map[string]int{"ready": w.Ready, "waiting": w.Waiting, "running": w.Running} {
			ch <- prometheus.MustNewConstMetric(jobsDesc, prometheus.GaugeValue, float64(n), w.Queue, w.Type, state)
		}
		ch <- prometheus.MustNewConstMetric(nextDesc, prometheus.GaugeValue, w.Next.Seconds(), w.Queue, w.Type)
	}
}
