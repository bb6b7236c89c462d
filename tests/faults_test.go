package tests_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// s3Fault stands before an S3 server and does what it is told to requests.
type s3Fault struct {
	mode atomic.Value // "", "slow", "broken", "short"
	url  *url.URL
}

func (f *s3Fault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(f.url); p.Out.Host = p.In.Host }}
	switch f.mode.Load() {
	case "slow":
		select {
		case <-time.After(3 * time.Second):
		case <-r.Context().Done():
			return
		}
	case "broken":
		w.WriteHeader(http.StatusInternalServerError)
		return
	case "short":
		proxy.ModifyResponse = func(resp *http.Response) error {
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.LimitReader(resp.Body, resp.ContentLength/2), resp.Body}
			return nil
		}
	}
	proxy.ErrorLog = nil
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	proxy.ServeHTTP(w, r)
}

// patience is the longest that a request may take, whatever is broken.
const patience = 20 * time.Second

// ledger is what one writer knows: the last content of each of its resources
// that was acknowledged, and those of later writes whose outcome it was not told.
type ledger struct {
	acked map[string]string
	maybe map[string][]string
}

// busy writes, one request after the other, until stop, and returns what it
// knows. An answer is a success or a 503 that says when to come back.
func busy(t *testing.T, c *apitest.Client, writer int, stop <-chan struct{}) *ledger {
	l := &ledger{acked: map[string]string{}, maybe: map[string][]string{}}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return l
		default:
		}
		id := fmt.Sprintf("w%d-%d", writer, i/3)
		text := fmt.Sprintf("%s/%d", id, i)
		method, path := "PUT", "/v1/notes/"+id
		_, known := l.acked[id]
		if !known && len(l.maybe[id]) == 0 {
			method, path = "POST", "/v1/notes?id="+id
		}
		begun := time.Now()
		r, err := c.Try(t, method, path, map[string]any{"text": text})
		if took := time.Since(begun); took > patience {
			t.Errorf("%s %s took %s", method, path, took)
		}
		switch {
		case err != nil:
			t.Errorf("%s %s: %v", method, path, err)
		case r.Status == 200 || r.Status == 201:
			l.acked[id], l.maybe[id] = text, nil
		case r.Status == 404 && !known: // the write before was not stored
			l.maybe[id] = nil
		case r.Status == 503 && r.Header.Get("Retry-After") != "":
			l.maybe[id] = append(l.maybe[id], text)
			time.Sleep(20 * time.Millisecond) // as a client would, or nothing but refusals is written
		default:
			t.Errorf("%s %s: %d %s", method, path, r.Status, r.Body)
		}
	}
}

// settled checks what writers know against the stored state.
func settled(t *testing.T, c *apitest.Client, l *ledger) (acked int) {
	for id, text := range l.acked {
		acked++
		r := c.Get(t, "/v1/notes/"+id+"?consistency=strong")
		got := r.Text("/data/text")
		ok := got == text
		for _, m := range l.maybe[id] {
			ok = ok || got == m
		}
		if r.Status != 200 || !ok {
			t.Errorf("%s is %q (%d), acknowledged was %q", id, got, r.Status, text)
		}
		seen := map[string]bool{}
		for _, x := range c.Get(t, "/v1/notes/"+id+"/revisions?page_size=100&returns=data,revision").Items() {
			rev := fmt.Sprint(x.(map[string]any)["revision"].(map[string]any)["hash"])
			if seen[rev] {
				t.Errorf("%s has a revision twice", id)
			}
			seen[rev] = true
		}
	}
	return acked
}

// AUTOCRUD_TEST_FAULT_SECONDS=60 is the full size, with every fault.
func TestFaultsOfTheStoresAreClearAndPass(t *testing.T) {
	t.Parallel()
	length, full := 2*time.Second, false
	if n, err := strconv.Atoi(os.Getenv("AUTOCRUD_TEST_FAULT_SECONDS")); err == nil {
		length, full = time.Duration(n)*time.Second, true
	}
	s3, nats, postgres := testenv.StartS3(t), testenv.StartNATS(t, 1), testenv.StartPostgres(t)
	gate := &s3Fault{url: &url.URL{Scheme: "http", Host: s3.Endpoint}}
	gate.mode.Store("")
	front := httptest.NewServer(gate)
	defer front.Close()
	args := []string{"--storage", "postgres", "--nats-url", nats.URL(), "--postgres-url", postgres.URL(), "--s3-endpoint", strings.TrimPrefix(front.URL, "http://"),
		"--s3-bucket", "faults", "--s3-access-key", s3.AccessKey, "--s3-secret-key", s3.SecretKey, "--s3-use-tls=false", "--models", apitest.WriteModels(t, models), "--log-level", "error"}
	if got := apitest.Run(t, "", append([]string{"provision"}, args...)...); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	launch := func(service string) *apitest.Process {
		return apitest.LaunchService(t, append([]string{service, "--addr", "127.0.0.1:0"}, args...)...)
	}
	for range 2 {
		launch("indexer")
	}
	launch("worker")
	c := apitest.NewClient(t, launch("api").URL)
	type fault struct {
		name       string
		begin, end func()
	}
	faults := []fault{
		{"postgres stopped", func() { postgres.Stop(syscall.SIGINT) }, func() { postgres.Start(t) }},
		{"postgres killed", func() { postgres.Stop(syscall.SIGKILL) }, func() { postgres.Start(t) }},
		{"postgres frozen", func() { postgres.Freeze(t, true) }, func() { postgres.Freeze(t, false) }},
		{"s3 stopped", func() { s3.Kill() }, func() { s3.Start(t) }},
		{"s3 slow", func() { gate.mode.Store("slow") }, func() { gate.mode.Store("") }},
		{"s3 broken", func() { gate.mode.Store("broken") }, func() { gate.mode.Store("") }},
		{"s3 short", func() { gate.mode.Store("short") }, func() { gate.mode.Store("") }},
		{"nats stopped", func() { nats.StopOne(0) }, func() { nats.StartOne(t, 0) }},
	}
	if !full { // one of each kind
		faults = []fault{faults[1], faults[2], faults[5], faults[7]}
	}
	total := 0
	for i, f := range faults {
		t.Logf("%s", f.name)
		stop := make(chan struct{})
		ledgers := make([]*ledger, 4)
		var wg sync.WaitGroup
		for w := range ledgers {
			wg.Go(func() { ledgers[w] = busy(t, c, 100*i+w, stop) })
		}
		apitest.Eventually(t, patience, "there are writes", func() bool {
			r, err := c.Try(t, "GET", fmt.Sprintf("/v1/notes/w%d-0", 100*i), nil)
			return err == nil && r.Status == 200
		})
		f.begin()
		ended := time.Now().Add(length)
		for time.Now().Before(ended) { // searches are answered or told to come back
			begun := time.Now()
			r, err := c.Try(t, "GET", "/v1/notes?page_size=1", nil)
			if took := time.Since(begun); took > patience || err != nil || r.Status != 200 && (r.Status != 503 || r.Header.Get("Retry-After") == "") {
				t.Errorf("%s: a search took %s: %v %+v", f.name, took, err, r)
			}
		}
		if r, err := c.Try(t, "GET", "/readyz", nil); err != nil || r.Status != 200 {
			t.Errorf("%s: clients are kept away: %+v, %v", f.name, r, err)
		}
		f.end()
		begun := time.Now()
		apitest.Eventually(t, 15*time.Second, "it recovers from "+f.name, func() bool {
			id := fmt.Sprintf("after%d-%d", i, time.Since(begun).Milliseconds())
			w, err := c.Try(t, "POST", "/v1/notes?id="+id, map[string]any{"text": id})
			if err != nil || w.Status != 201 {
				return false
			}
			r, err := c.Try(t, "GET", "/v1/notes?filter="+query(`meta.id="`+id+`"`), nil)
			return err == nil && r.Status == 200 && len(r.Items()) == 1
		})
		t.Logf("%s: recovered after %s", f.name, time.Since(begun))
		close(stop)
		wg.Wait()
		for _, l := range ledgers {
			total += settled(t, c, l)
		}
	}
	t.Logf("%d resources with acknowledged writes", total)
	c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
}
