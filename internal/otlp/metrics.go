package otlp

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	otelresource "go.opentelemetry.io/otel/sdk/resource"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// Exporter sends what a registry of Prometheus holds, at an interval.
type Exporter struct {
	sender   *Sender
	registry prometheus.Gatherer
	about    *resourcepb.Resource
	scheme   string
	begun    time.Time
	every    time.Duration
}

// Options of an Exporter.
type Options struct {
	Registry prometheus.Gatherer
	Resource *otelresource.Resource
	Scheme   string // http or https: how requests come
}

// NewExporter reads the variables of the standard.
func NewExporter(o Options) (*Exporter, error) {
	s, err := NewSender(Metrics)
	if err != nil {
		return nil, err
	}
	e := &Exporter{sender: s, registry: o.Registry, about: &resourcepb.Resource{}, scheme: o.Scheme, begun: time.Now(), every: time.Minute}
	for _, a := range o.Resource.Attributes() {
		e.about.Attributes = append(e.about.Attributes, keyValue(string(a.Key), a.Value))
	}
	if text := os.Getenv("OTEL_METRIC_EXPORT_INTERVAL"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("OTEL_METRIC_EXPORT_INTERVAL is %q, not a number of milliseconds", text)
		}
		e.every = time.Duration(ms) * time.Millisecond
	}
	return e, nil
}

// Run sends at the interval until ctx ends; lost is told of what could not be sent.
func (e *Exporter) Run(ctx context.Context, lost func(error)) {
	t := time.NewTicker(e.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := e.Flush(ctx); err != nil && ctx.Err() == nil {
			lost(err)
		}
	}
}

// Flush sends what there is now.
func (e *Exporter) Flush(ctx context.Context) error {
	families, err := e.registry.Gather()
	if err != nil && len(families) == 0 {
		return err
	}
	scope := &metricspb.ScopeMetrics{Scope: &commonpb.InstrumentationScope{Name: "github.com/autocrud-go/autocrud"}}
	for _, f := range families {
		scope.Metrics = append(scope.Metrics, e.metric(f))
	}
	return e.sender.Send(ctx, &metricspb.MetricsData{ResourceMetrics: []*metricspb.ResourceMetrics{{Resource: e.about, ScopeMetrics: []*metricspb.ScopeMetrics{scope}}}})
}

// Close ends idle connections.
func (e *Exporter) Close() { e.sender.Close() }

// convention is what a metric is called by the semantic conventions.
type convention struct {
	name, unit string
	labels     map[string]string // by the name that they have here
	more       []*commonpb.KeyValue
	sum        bool // of parts, which may be added, rather than a level
}

var conventions = map[string]convention{
	"autocrud_http_request_duration_seconds": {name: "http.server.request.duration", unit: "s"},
	"autocrud_postgres_connections":          {name: "db.client.connection.count", unit: "{connection}", labels: map[string]string{"state": "db.client.connection.state"}, more: pool, sum: true},
	"autocrud_postgres_connections_limit":    {name: "db.client.connection.max", unit: "{connection}", more: pool, sum: true},
	"go_goroutines":                          {name: "go.goroutine.count", unit: "{goroutine}", sum: true},
	"process_cpu_seconds_total":              {name: "process.cpu.time", unit: "s"},
	"process_resident_memory_bytes":          {name: "process.memory.usage", unit: "By", sum: true},
	"process_virtual_memory_bytes":           {name: "process.memory.virtual", unit: "By", sum: true},
	"process_open_fds":                       {name: "process.unix.file_descriptor.count", unit: "{file_descriptor}", sum: true},
}

var pool = []*commonpb.KeyValue{keyValue("db.client.connection.pool.name", attribute.StringValue("index")), keyValue("db.system.name", attribute.StringValue("postgresql"))}

// called is what a metric is called: by the conventions, else its own name with the unit
// beside it, so that who reads it by the rules of Prometheus finds the name again.
func called(name string) convention {
	if c, ok := conventions[name]; ok {
		return c
	}
	name = strings.TrimSuffix(name, "_total")
	c := convention{name: name, unit: "1"}
	for suffix, unit := range map[string]string{"_seconds": "s", "_bytes": "By"} {
		if rest, ok := strings.CutSuffix(name, suffix); ok {
			c.name, c.unit = rest, unit
		}
	}
	if rest, ok := strings.CutPrefix(c.name, "autocrud_"); ok {
		c.name = "autocrud." + rest
	}
	return c
}

func (e *Exporter) metric(f *dto.MetricFamily) *metricspb.Metric {
	c := called(f.GetName())
	out := &metricspb.Metric{Name: c.name, Description: f.GetHelp(), Unit: c.unit}
	begun, now := uint64(e.begun.UnixNano()), uint64(time.Now().UnixNano())
	var numbers []*metricspb.NumberDataPoint
	var histograms []*metricspb.HistogramDataPoint
	var summaries []*metricspb.SummaryDataPoint
	for _, m := range f.GetMetric() {
		labels := e.attributes(f.GetName(), c, m.GetLabel())
		switch f.GetType() {
		case dto.MetricType_HISTOGRAM:
			p := histogram(m.GetHistogram())
			p.Attributes, p.StartTimeUnixNano, p.TimeUnixNano = labels, begun, now
			histograms = append(histograms, p)
		case dto.MetricType_SUMMARY:
			p := &metricspb.SummaryDataPoint{Attributes: labels, StartTimeUnixNano: begun, TimeUnixNano: now, Count: m.GetSummary().GetSampleCount(), Sum: m.GetSummary().GetSampleSum()}
			for _, q := range m.GetSummary().GetQuantile() {
				p.QuantileValues = append(p.QuantileValues, &metricspb.SummaryDataPoint_ValueAtQuantile{Quantile: q.GetQuantile(), Value: q.GetValue()})
			}
			summaries = append(summaries, p)
		default:
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue() // it has one of them
			numbers = append(numbers, &metricspb.NumberDataPoint{Attributes: labels, StartTimeUnixNano: begun, TimeUnixNano: now, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: value}})
		}
	}
	const cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	switch {
	case histograms != nil:
		out.Data = &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{DataPoints: histograms, AggregationTemporality: cumulative}}
	case summaries != nil:
		out.Data = &metricspb.Metric_Summary{Summary: &metricspb.Summary{DataPoints: summaries}}
	case f.GetType() == dto.MetricType_COUNTER || c.sum:
		out.Data = &metricspb.Metric_Sum{Sum: &metricspb.Sum{DataPoints: numbers, AggregationTemporality: cumulative, IsMonotonic: f.GetType() == dto.MetricType_COUNTER}}
	default:
		out.Data = &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: numbers}}
	}
	return out
}

// histogram counts each bucket by itself, where Prometheus adds those below.
func histogram(h *dto.Histogram) *metricspb.HistogramDataPoint {
	sum := h.GetSampleSum()
	p := &metricspb.HistogramDataPoint{Count: h.GetSampleCount(), Sum: &sum}
	below := uint64(0)
	for _, b := range h.GetBucket() {
		p.ExplicitBounds = append(p.ExplicitBounds, b.GetUpperBound())
		p.BucketCounts = append(p.BucketCounts, b.GetCumulativeCount()-below)
		below = b.GetCumulativeCount()
	}
	p.BucketCounts = append(p.BucketCounts, h.GetSampleCount()-below)
	return p
}

// attributes are labels by the names of the conventions.
func (e *Exporter) attributes(name string, c convention, labels []*dto.LabelPair) []*commonpb.KeyValue {
	out := append([]*commonpb.KeyValue(nil), c.more...)
	if name == "autocrud_http_request_duration_seconds" {
		return append(out, e.request(labels)...)
	}
	for _, l := range labels {
		to := l.GetName()
		if conventional, ok := c.labels[to]; ok {
			to = conventional
		}
		out = append(out, keyValue(to, attribute.StringValue(l.GetValue())))
	}
	return out
}

// request takes an operation, "GET /{type}/{id}", and its status apart.
func (e *Exporter) request(labels []*dto.LabelPair) []*commonpb.KeyValue {
	method, route, status := "_OTHER", "", 0
	for _, l := range labels {
		switch l.GetName() {
		case "operation":
			if m, r, ok := strings.Cut(l.GetValue(), " "); ok {
				method, route = m, r
			}
		case "status":
			status, _ = strconv.Atoi(l.GetValue()) // it is one
		}
	}
	out := []*commonpb.KeyValue{keyValue("http.request.method", attribute.StringValue(method)), keyValue("url.scheme", attribute.StringValue(e.scheme)),
		keyValue("http.response.status_code", attribute.IntValue(status))}
	if route != "" {
		out = append(out, keyValue("http.route", attribute.StringValue(route)))
	}
	if status >= 500 {
		out = append(out, keyValue("error.type", attribute.StringValue(strconv.Itoa(status))))
	}
	return out
}

func keyValue(key string, v attribute.Value) *commonpb.KeyValue {
	if v.Type() == attribute.INT64 {
		return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v.AsInt64()}}}
	}
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v.String()}}}
}
