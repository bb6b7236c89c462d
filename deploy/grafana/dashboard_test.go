// Package grafana has the dashboard, and the test that each of its queries returns data.
package grafana

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

const root = "../.."

// queries are those of the dashboard, by the title of their panel.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("autocrud.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			out[p.Title] = append(out[p.Title], q.Expr)
		}
	}
	return out
}

// running is the program with the quickstart's models.
func running(t *testing.T) (url string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "autocrud")
	build := exec.Command("go", "build", "-o", program, "./cmd/autocrud")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(program, "up", "--addr", "127.0.0.1:0", "--models", root+"/examples/quickstart/models", "--data-dir", filepath.Join(dir, "data"), "--log-level", "error")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // gone already, if the test failed
		_ = cmd.Wait()
	})
	line := make([]byte, 4096)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`http://[0-9.:]+`).FindString(string(line[:n]))
}

// use asks for a bit of everything.
func use(t *testing.T, url, id string) {
	t.Helper()
	for _, r := range [][4]string{{"POST", "/v1/planets?id=" + id, `{"name":"N","kind":"planet","radius_km":1}`, "201"}, {"POST", "/v1/planets?id=" + id, `{"name":"N","kind":"planet","radius_km":1}`, "409"},
		{"GET", "/v1/planets", "", "200"}, {"POST", "/v1/conversions?id=" + id, `{"celsius":1}`, "201"}} {
		req, err := http.NewRequestWithContext(t.Context(), r[0], url+r[1], strings.NewReader(r[2]))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if fmt.Sprint(resp.StatusCode) != r[3] {
			t.Fatalf("%s %s: %d %s", r[0], r[1], resp.StatusCode, b)
		}
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) { // the job is over
		resp, err := http.Get(url + "/v1/conversions/" + id + "?returns=meta")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if bytes.Contains(b, []byte(`"succeeded"`)) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s", b)
		}
	}
}

// series is a series with its samples; scraped collects them as Prometheus does.
type series struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// sample is a number, and no histogram.
type sample struct {
	chunks.Sample
	at int64
	v  float64
}

// T, F and Type implement chunks.Sample.
func (s sample) T() int64               { return s.at }
func (s sample) F() float64             { return s.v }
func (sample) Type() chunkenc.ValueType { return chunkenc.ValFloat }
func (sample) ST() int64                { return 0 }

type scraped map[string]*series

func (s scraped) add(name string, m []*dto.LabelPair, at time.Time, v float64, more ...string) {
	b := labels.NewBuilder(labels.FromStrings("__name__", name, "instance", "one", "job", "autocrud"))
	for _, l := range m {
		b.Set(l.GetName(), l.GetValue())
	}
	for i := 0; i+1 < len(more); i += 2 {
		b.Set(more[i], more[i+1])
	}
	key := b.Labels().String()
	if s[key] == nil {
		s[key] = &series{labels: b.Labels()}
	}
	s[key].samples = append(s[key].samples, sample{at: at.UnixMilli(), v: v})
}

// scrape takes what /metrics shows for what it showed at a time.
func (s scraped) scrape(t *testing.T, url string, at time.Time) {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			h := m.GetHistogram()
			if h == nil {
				s.add(name, m.GetLabel(), at, m.GetCounter().GetValue()+m.GetGauge().GetValue()+m.GetUntyped().GetValue())
				continue
			}
			for _, b := range h.GetBucket() {
				s.add(name+"_bucket", m.GetLabel(), at, float64(b.GetCumulativeCount()), "le", fmt.Sprint(b.GetUpperBound()))
			}
			s.add(name+"_count", m.GetLabel(), at, float64(h.GetSampleCount()))
			s.add(name+"_sum", m.GetLabel(), at, h.GetSampleSum())
		}
	}
}

// Querier implements storage.Queryable.
func (s scraped) Querier(_, _ int64) (storage.Querier, error) {
	return querier{storage.NoopQuerier(), s}, nil
}

type querier struct {
	storage.Querier
	all scraped
}

// Select implements storage.Querier.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
	for _, s := range q.all {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
			found = append(found, storage.NewListSeries(s.labels, s.samples))
		}
	}
	slices.SortFunc(found, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &set{found, -1}
}

type set struct {
	series []storage.Series
	at     int
}

func (s *set) Next() bool                      { s.at++; return s.at < len(s.series) }
func (s *set) At() storage.Series              { return s.series[s.at] }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

func TestEveryQueryReturnsData(t *testing.T) {
	url := running(t)
	now, data := time.Now(), scraped{}
	use(t, url, "a")
	data.scrape(t, url, now.Add(-30*time.Second))
	use(t, url, "b")
	data.scrape(t, url, now)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})
	t.Cleanup(func() { _ = engine.Close() })
	n := 0
	for title, all := range queries(t) {
		for _, expr := range all {
			n++
			q, err := engine.NewInstantQuery(t.Context(), data, nil, strings.ReplaceAll(expr, "$__rate_interval", "1m"), now)
			if err != nil {
				t.Errorf("%s: %s: %v", title, expr, err)
				continue
			}
			result := q.Exec(t.Context())
			if v, ok := result.Value.(promql.Vector); result.Err != nil || !ok || len(v) == 0 {
				t.Errorf("%s: %s returns %v, %v", title, expr, result.Value, result.Err)
			}
			q.Close()
		}
	}
	if n < 30 {
		t.Errorf("%d queries", n)
	}
}
