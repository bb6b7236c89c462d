package tests_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// backend is an API process, and whether it says that it is ready.
type backend struct {
	url   *url.URL
	ready atomic.Bool
}

// balancer sends requests to those that are ready, in turn, and none twice. While
// none is, requests wait for a moment.
type balancer struct {
	backends []*backend
	proxies  []http.Handler
	next     atomic.Uint64
}

// watch asks a backend as a load balancer does.
func (b *backend) watch(ctx context.Context) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		resp, err := client.Get(b.url.String() + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		b.ready.Store(err == nil && resp.StatusCode == http.StatusOK)
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (l *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for began := time.Now(); time.Since(began) < 2*time.Second; time.Sleep(10 * time.Millisecond) {
		for range l.backends {
			if i := l.next.Add(1) % uint64(len(l.backends)); l.backends[i].ready.Load() {
				l.proxies[i].ServeHTTP(w, r)
				return
			}
		}
	}
	http.Error(w, "none is ready", http.StatusBadGateway)
}

// TestARollingRestartLosesNoRequest restarts each of two API processes in turn
// under load, behind a balancer that never repeats a request.
func TestARollingRestartLosesNoRequest(t *testing.T) {
	s := startWithoutAPI(t, nil)
	env := apitest.Environment(apitest.As(s, "api"))
	launch := func(addr string) *apitest.Process {
		return apitest.LaunchWith(t, env, "api", "--addr", addr, "--drain-delay", "500ms")
	}
	ctx, stop := context.WithCancel(t.Context())
	var watching, clients sync.WaitGroup
	l := &balancer{}
	processes := []*apitest.Process{launch("127.0.0.1:0"), launch("127.0.0.1:0")}
	for _, p := range processes {
		at, err := url.Parse(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		b := &backend{url: at}
		l.backends = append(l.backends, b)
		watching.Go(func() { b.watch(ctx) })
	}
	for _, b := range l.backends {
		proxy := httputil.NewSingleHostReverseProxy(b.url)
		proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 32}
		l.proxies = append(l.proxies, proxy)
		await(t, "it is ready", b.ready.Load)
	}
	front := httptest.NewServer(l)
	var done, failed atomic.Int64
	var acknowledged sync.Map
	for client := range 8 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("c%d-%d", client, n)
				resp, err := http.Post(front.URL+"/v1/studios?id="+id, "application/json", strings.NewReader(`{"name":"x"}`))
				if err == nil {
					var body []byte
					if body, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode != http.StatusCreated {
						err = fmt.Errorf("%d: %s", resp.StatusCode, body)
					}
					resp.Body.Close()
				}
				done.Add(1)
				if err != nil {
					failed.Add(1)
					t.Errorf("%s: %v", id, err)
					return
				}
				acknowledged.Store(id, true)
			}
		})
	}
	for i, b := range l.backends {
		before := done.Load()
		await(t, "requests go on", func() bool { return done.Load() > before+50 })
		if code, took := processes[i].Terminate(t, 10*time.Second); code != 0 {
			t.Errorf("exit %d after %s", code, took)
		}
		await(t, "it is noticed", func() bool { return !b.ready.Load() })
		before = done.Load()
		await(t, "requests go on", func() bool { return done.Load() > before+50 })
		processes[i] = launch(b.url.Host)
		await(t, "it is ready again", b.ready.Load)
	}
	before := done.Load()
	await(t, "requests go on", func() bool { return done.Load() > before+50 })
	stop()
	clients.Wait()
	watching.Wait()
	front.Close()
	c := apitest.NewClient(t, processes[0].URL)
	n := 0
	acknowledged.Range(func(id, _ any) bool {
		if n++; n%25 == 0 {
			c.Get(t, "/v1/studios/"+id.(string)).Want(t, http.StatusOK)
		}
		return true
	})
	t.Logf("%d requests, %d failed", done.Load(), failed.Load())
}

// startWithoutAPI starts all but the API, for settings whose API processes the
// caller starts.
func startWithoutAPI(t *testing.T, more map[string]string) autocrud.Settings {
	t.Helper()
	s := apitest.Services(t)
	s.Models = apitest.WriteModels(t, with(more))
	app := autocrud.New()
	if err := app.Provision(t.Context(), apitest.As(s, "provision")); err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"indexer", "worker"} {
		in := apitest.As(s, service)
		in.Addr, in.LogLevel = "127.0.0.1:0", "error"
		r, err := app.Start(context.WithoutCancel(t.Context()), in)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	return s
}

// await polls for what must become true.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}
