package tests_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// documented is a row of the table of metrics in docs/observability.md.
type documented struct {
	kind, of string
	labels   []string
}

var metricRow = regexp.MustCompile("(?m)^\\| `(autocrud_[a-z_]+)` \\| (gauge|counter|histogram)(?:: ([^|]*))? \\| ([a-z, ]+) \\| ")

func documentedMetrics(t *testing.T) map[string]documented {
	t.Helper()
	text, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]documented{}
	for _, m := range metricRow.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for _, l := range strings.Split(m[3], ",") {
			if l = strings.Trim(l, " `"); l != "" {
				labels = append(labels, l)
			}
		}
		out[m[1]] = documented{kind: m[2], labels: labels, of: m[4]}
	}
	if len(out) < 30 {
		t.Fatalf("the table has %d rows", len(out))
	}
	return out
}

// scrape returns the kinds of our metrics by name, and the whole text.
func scrape(t *testing.T, url string) (kinds map[string]string, text string) {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s/metrics: %d, %v", url, resp.StatusCode, err)
	}
	kinds = map[string]string{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "# TYPE autocrud_") {
			kinds[f[2]] = f[3]
		}
	}
	return kinds, string(b)
}

var sampleLabels = regexp.MustCompile(`([a-z_]+)="`)

// hasLabels compares the labels of every sample of a metric.
func hasLabels(t *testing.T, text, name string, want []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			rest = strings.TrimPrefix(rest, suffix)
		}
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		var got []string
		for _, m := range sampleLabels.FindAllStringSubmatch(rest, -1) {
			if m[1] != "le" {
				got = append(got, m[1])
			}
		}
		for _, l := range want {
			if !slices.Contains(got, l) {
				t.Errorf("%s has the labels %q, the documentation says %q", name, got, want)
				return
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s has the labels %q, the documentation says %q", name, got, want)
			return
		}
	}
}

// exercise makes something of everything happen: writes, refusals, a job.
func exercise(t *testing.T, c *apitest.Client) {
	t.Helper()
	c.Post(t, "/v1/movies", `{"title":"Heat","year":1995}`).Want(t, 201)
	c.Post(t, "/v1/movies", `{"title":"Heat","year":1}`).Want(t, 422)
	c.Post(t, "/v1/shouts?id=a", `{"to":"ann"}`).Want(t, 201)
	ended(t, c, "/v1/shouts/a").Equal(t, "/meta/job/state", `"succeeded"`)
}

func TestServicesTellTheMetricsThatAreDocumented(t *testing.T) {
	t.Parallel()
	if !slices.ContainsFunc(allRows, func(s apitest.Storage) bool { return s.Split }) {
		t.Log("the split services are not among AUTOCRUD_TEST_STORAGES")
		return
	}
	s := apitest.Services(t)
	s.Models = apitest.WriteModels(t, with(jobModel("shouts", `{exec: [tr, a-z, A-Z]}`)))
	urls := apitest.StartServices(t, nil, s)
	exercise(t, apitest.NewClient(t, urls["api"][0]))
	docs := documentedMetrics(t)
	seen := map[string][]string{} // services by metric
	leaders := map[string]int{}   // processes by metric that the leader alone tells
	defer func() {
		for name := range docs {
			if seen[name] == nil {
				t.Errorf("%s is documented, and no service tells it", name)
			}
		}
	}()
	apitest.Eventually(t, 20*time.Second, "the metrics of an attempt, and of a leader, are there", func() bool {
		clear(seen)
		clear(leaders)
		for service, all := range urls {
			for _, url := range all {
				kinds, _ := scrape(t, url)
				for name := range kinds {
					if !slices.Contains(seen[name], service) {
						seen[name] = append(seen[name], service)
					}
					leaders[name]++
				}
			}
		}
		return len(seen) == len(docs) && leaders["autocrud_jobs"] == 1
	})
	for service, all := range urls {
		for _, url := range all {
			checkScrape(t, docs, service, url)
		}
	}
	for name, d := range docs {
		if d.of == "leader" && leaders[name] != 1 {
			t.Errorf("%s is told by %d processes, not by the leader alone", name, leaders[name])
		}
		if d.of == "all" && len(d.labels) == 0 && len(seen[name]) != 3 {
			t.Errorf("%s is told by %q, not by all", name, seen[name])
		}
	}
}

// checkScrape compares what one process tells with the documentation.
func checkScrape(t *testing.T, docs map[string]documented, service, url string) {
	t.Helper()
	kinds, text := scrape(t, url)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s: %s", service, p.Metric, p.Text)
	}
	for name, kind := range kinds {
		d, ok := docs[name]
		if !ok {
			t.Errorf("%s tells %s, which docs/observability.md does not have", service, name)
			continue
		}
		where := strings.Split(strings.ReplaceAll(d.of, "leader", "indexer"), ", ")
		if d.kind != kind || d.of != "all" && !slices.Contains(where, service) {
			t.Errorf("%s: %s is a %s of %s; documented as a %s of %s", name, service, kind, service, d.kind, d.of)
		}
		hasLabels(t, text, name, d.labels)
	}
}

// One process tells what only leaders know.
func TestOneProcessTellsItsQueues(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, jobModel("later", `{exec: [cat]}`))
	c.Post(t, "/v1/later?id=a&run_at=2999-01-01T00:00:00Z", `{"to":"ann"}`).Want(t, 201)
	c.Post(t, "/v1/movies", `{"title":"Heat","year":1}`).Want(t, 422)
	c.Get(t, "/v1/movies?consistency=strong").Want(t, 200)
	_, text := scrape(t, c.URL)
	for _, want := range []string{
		`autocrud_jobs{queue="default",state="waiting",type="later"} 1`, `autocrud_jobs{queue="default",state="ready",type="mails"} 0`,
		`autocrud_writes_refused_total{code="validation_failed",type="movies"} 1`,
		"autocrud_index_lag_events 0", "autocrud_index_lag_seconds 0", "autocrud_worker_slots 16", `autocrud_leading{role="indexer"} 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
}
