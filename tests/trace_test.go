package tests_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	v1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// collected are the spans that were sent by OTLP, by trace.
type collected struct {
	mu    sync.Mutex
	spans map[string][]span
}

// span is one that a service sent.
type span struct {
	service, name, id, parent string
	links                     int
}

// collect receives spans at a URL.
func collect(t *testing.T) (*collected, string) {
	t.Helper()
	c := &collected{spans: map[string][]span{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		b, err := io.ReadAll(body)
		if r.URL.Path == "/v1/metrics" {
			return
		}
		var req v1.TracesData
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(b, &req) != nil {
			t.Errorf("%s %s: %d bytes that are no spans, %v", r.Method, r.URL, len(b), err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, of := range req.ResourceSpans {
			service := ""
			for _, a := range of.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, scope := range of.ScopeSpans {
				for _, s := range scope.Spans {
					c.add(service, s)
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	return c, s.URL
}

func (c *collected) add(service string, s *v1.Span) {
	id := hex.EncodeToString(s.TraceId)
	c.spans[id] = append(c.spans[id], span{service, s.Name, hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId), len(s.Links)})
}

// has returns the spans of a trace, and whether one of each service and name,
// "service name", is among them.
func (c *collected) has(trace string, want ...string) ([]span, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.spans[trace])
	for _, w := range want {
		if !slices.ContainsFunc(all, func(s span) bool { return s.service+" "+s.name == w }) {
			return all, false
		}
	}
	return all, true
}

const (
	clientTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan   = "00f067aa0ba902b7"
	clientParent = "00-" + clientTrace + "-" + clientSpan + "-01"
)

// One trace leads from the client over the API, the log, the index and the
// worker to the handler, through every process.
func TestOneTraceLeadsThroughAllServices(t *testing.T) {
	spans, url := collect(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	called := make(chan string, 1)
	handler := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { called <- r.Header.Get("traceparent") }))
	t.Cleanup(handler.Close)
	s := apitest.Services(t)
	s.Models = apitest.WriteModels(t, jobModel("calls", "{http: "+handler.URL+"}"))
	c := apitest.NewClient(t, apitest.StartServices(t, nil, s)["api"][0])
	c.Do(t, "POST", "/v1/calls?id=a", `{"to":"ann"}`, apitest.Header("traceparent", clientParent)).Want(t, 201)
	ended(t, c, "/v1/calls/a").Equal(t, "/meta/job/state", `"succeeded"`)
	var all []span
	apitest.Eventually(t, 20*time.Second, "the spans are there", func() (ok bool) {
		all, ok = spans.has(clientTrace, "autocrud-api POST /{type}", "autocrud-api commit", "autocrud-api blob put", "autocrud-indexer index",
			"autocrud-indexer publish", "autocrud-worker job calls", "autocrud-worker commit", "autocrud-worker POST handler")
		return ok
	})
	byID := map[string]span{}
	for _, s := range all {
		byID[s.id] = s
	}
	for _, s := range all {
		if s.parent == clientSpan && s.name == "POST /{type}" {
			continue
		}
		parent, ok := byID[s.parent]
		if !ok {
			t.Errorf("%+v has no parent in the trace", s)
		}
		if want := map[string]string{"index": "commit", "publish": "commit", "job calls": "commit", "blob put": "commit", "POST handler": "job calls"}[s.name]; want != "" && parent.name != want {
			t.Errorf("%+v is below %q, not %q", s, parent.name, want)
		}
		if (s.name == "index" || s.name == "publish") && s.links != 1 {
			t.Errorf("%+v is not linked to its batch", s)
		}
	}
	sent := <-called
	if f := strings.Split(sent, "-"); len(f) != 4 || f[1] != clientTrace || byID[f[2]].name != "POST handler" {
		t.Errorf("the handler was called with the traceparent %q", sent)
	}
}

// Metrics go to the collector too: all that /metrics shows.
func TestMetricsAreSentToTheCollector(t *testing.T) {
	got := make(chan *metrics.MetricsData, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		m := &metrics.MetricsData{}
		if r.URL.Path == "/v1/metrics" && (err != nil || proto.Unmarshal(b, m) != nil) {
			t.Errorf("%d bytes that are no metrics, %v", len(b), err)
		}
		if r.URL.Path == "/v1/metrics" {
			got <- m
		}
	}))
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, constrained)
	c.Get(t, "/v1/books").Want(t, 200)
	shown := bytes.Count(c.Get(t, "/metrics").Want(t, 200).Body, []byte("# TYPE "))
	for range 100 {
		of := (<-got).ResourceMetrics[0]
		names := []string{}
		for _, m := range of.ScopeMetrics[0].Metrics {
			names = append(names, m.Name)
		}
		if slices.Contains(names, "http.server.request.duration") && len(names) >= shown {
			return
		}
	}
	t.Error("the requests are not among the metrics")
}

// Without a collector of spans, the trace of a client is carried on all the
// same, and what is wrong about it is not believed.
func TestATraceIsCarriedOnWithoutSpans(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, jobModel("tells", `{exec: [sh, -c, "cat >/dev/null; printf '\"%s\"' \"$TRACEPARENT\""]}`))
	for name, want := range map[string]string{clientParent: `"` + clientParent + `"`, "": `""`, "00-" + strings.Repeat("0", 32) + "-" + clientSpan + "-01": `""`,
		"00-" + clientTrace + "-" + clientSpan: `""`, "ff" + clientParent[2:]: `""`, strings.ToUpper(clientParent): `""`, clientParent + "; rm": `""`} {
		r := c.Do(t, "POST", "/v1/tells", `{"to":"ann"}`, apitest.Header("traceparent", name)).Want(t, 201)
		ended(t, c, r.Header.Get("Location")).Equal(t, "/meta/job/result", want)
	}
}
