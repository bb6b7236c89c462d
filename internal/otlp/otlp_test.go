package otlp_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	otelresource "go.opentelemetry.io/otel/sdk/resource"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/autocrud-go/autocrud/internal/otlp"
)

// collector takes metrics, after it refused some requests.
type collector struct {
	refusals []int
	header   http.Header
	path     string
	got      *metricspb.MetricsData
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(c.refusals) > 0 {
		w.WriteHeader(c.refusals[0])
		c.refusals = c.refusals[1:]
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	b, _ := io.ReadAll(body)
	c.header, c.path, c.got = r.Header, r.URL.Path, &metricspb.MetricsData{}
	if proto.Unmarshal(b, c.got) != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (c *collector) metric(name string) *metricspb.Metric {
	for _, m := range c.got.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		if m.Name == name {
			return m
		}
	}
	return &metricspb.Metric{}
}

// text says attributes as name=value, sorted.
func text(attributes []*commonpb.KeyValue) string {
	var out []string
	for _, a := range attributes {
		out = append(out, a.Key+"="+strings.Trim(strings.SplitN(a.Value.String(), ":", 2)[1], `"`))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func flush(t *testing.T, c *collector, fill func(*prometheus.Registry)) error {
	t.Helper()
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL+"/below")
	registry := prometheus.NewRegistry()
	fill(registry)
	e, err := otlp.NewExporter(otlp.Options{Registry: registry, Resource: otelresource.NewSchemaless(attribute.String("service.name", "x")), Scheme: "https"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e.Flush(t.Context())
}

func TestMetricsHaveTheNamesOfTheConventions(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,x=y")
	c := &collector{refusals: []int{503, 429}}
	err := flush(t, c, func(r *prometheus.Registry) {
		requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "autocrud_http_request_duration_seconds", Buckets: []float64{1, 2}}, []string{"operation", "status"})
		requests.WithLabelValues("GET /{type}/{id}", "503").Observe(0.5)
		requests.WithLabelValues("GET /{type}/{id}", "503").Observe(1.5)
		requests.WithLabelValues("GET /{type}/{id}", "503").Observe(9)
		connections := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "autocrud_postgres_connections"}, []string{"state"})
		connections.WithLabelValues("idle").Set(3)
		appends := prometheus.NewCounter(prometheus.CounterOpts{Name: "autocrud_log_appends_total"})
		appends.Add(7)
		size := prometheus.NewGauge(prometheus.GaugeOpts{Name: "autocrud_log_bytes"})
		r.MustRegister(requests, connections, appends, size)
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.path != "/below/v1/metrics" || c.header.Get("Api-Key") != "a b" || c.header.Get("X") != "y" || c.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%s %v", c.path, c.header)
	}
	if got := text(c.got.ResourceMetrics[0].Resource.Attributes); got != "service.name=x" {
		t.Error(got)
	}
	h := c.metric("http.server.request.duration")
	p := h.GetHistogram().GetDataPoints()
	if h.Unit != "s" || len(p) != 1 || !slices.Equal(p[0].BucketCounts, []uint64{1, 1, 1}) || !slices.Equal(p[0].ExplicitBounds, []float64{1, 2}) || p[0].Count != 3 || p[0].GetSum() != 11 {
		t.Fatalf("%v", h)
	}
	if got := text(p[0].Attributes); got != "error.type=503 http.request.method=GET http.response.status_code=503 http.route=/{type}/{id} url.scheme=https" {
		t.Error(got)
	}
	n := c.metric("db.client.connection.count").GetSum()
	if n.GetIsMonotonic() || len(n.GetDataPoints()) != 1 || text(n.DataPoints[0].Attributes) != "db.client.connection.pool.name=index db.client.connection.state=idle db.system.name=postgresql" {
		t.Errorf("%v", n)
	}
	if a := c.metric("autocrud.log_appends").GetSum(); !a.GetIsMonotonic() || a.DataPoints[0].GetAsDouble() != 7 {
		t.Errorf("%v", a)
	}
	if b := c.metric("autocrud.log"); b.Unit != "By" || len(b.GetGauge().GetDataPoints()) != 1 {
		t.Errorf("%v", b)
	}
}

func TestACollectorThatRefusesIsTold(t *testing.T) {
	c := &collector{refusals: []int{400}}
	if err := flush(t, c, func(*prometheus.Registry) {}); err == nil || !strings.Contains(err.Error(), "400") || c.got != nil {
		t.Error(err)
	}
}

func TestSettingsThatAreWrongAreNamed(t *testing.T) {
	for name, value := range map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "1s", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd",
		"OTEL_EXPORTER_OTLP_HEADERS": "nothing", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "x"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
			t.Setenv(name, value)
			if _, err := otlp.NewSender(otlp.Metrics); err == nil || !strings.Contains(err.Error(), name) {
				t.Error(err)
			}
		})
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if _, err := otlp.Traces.Wanted(); err == nil || !strings.Contains(err.Error(), "http/protobuf only") {
		t.Error(err)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	if on, err := otlp.Traces.Wanted(); on || err != nil {
		t.Error(on, err)
	}
}
