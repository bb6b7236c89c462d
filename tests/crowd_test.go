package tests_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// from is a client whose connections come from an address of this machine, each
// request on a connection of its own.
func from(t testing.TB, address string) *http.Client {
	t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			return d.DialContext(ctx, network, to)
		}}}
}

// hold opens connections from an address that send what they are told and then
// neither send nor read.
func hold(t testing.TB, n int, address, url, request string) {
	t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	var wg sync.WaitGroup
	for range min(n, 16) {
		wg.Go(func() {
			for range n / min(n, 16) {
				conn, err := d.Dial("tcp", strings.TrimPrefix(url, "http://"))
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { conn.Close() })
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.SetReadBuffer(4096) // it takes little of an answer
				}
				_, _ = io.WriteString(conn, request) // it may be closed by now
			}
		})
	}
	wg.Wait()
}

// status asks and tells also how long that took.
func status(t *testing.T, c *http.Client, url string) (int, time.Duration) {
	t.Helper()
	begun := time.Now()
	resp, err := c.Get(url)
	if err != nil {
		return 0, time.Since(begun)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // the status tells
	return resp.StatusCode, time.Since(begun)
}

const halfSent = "POST /v1/movies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n{\"title\": "

// However many requests one address sends by half, or answers it leaves unread,
// others are answered as ever and the process tells how it is.
func TestOneAddressTakesNobodysPlace(t *testing.T) {
	oneAfterTheOther() // the race detector takes memory of its own
	for name, x := range map[string]struct {
		request string
		n       int
		edit    func(*autocrud.Settings)
	}{
		"half-sent requests":       {request: halfSent, n: 2048},
		"half-sent uploads":        {request: strings.NewReplacer("/v1/movies", "/v1/blobs").Replace(halfSent), n: 608},
		"half-sent heads":          {request: "GET /v1/movies HTTP/1.1\r\nHost: localhost\r\nX-A: ", n: 608},
		"unread pipelined answers": {request: strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", 300), n: 96},
		"watches that are unread":  {request: "GET /v1/movies:watch HTTP/1.1\r\nHost: localhost\r\n\r\n", n: 96},
		"few places for an address": {request: halfSent, n: 64, edit: func(s *autocrud.Settings) {
			s.MaxRequestsPerAddress, s.MaxConnectionsPerAddress = 16, 32
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := autocrud.Settings{Storage: "memory"}
			s.StallTimeout, s.HeaderTimeout = time.Minute, time.Minute // what is held stays held
			if x.edit != nil {
				x.edit(&s)
			}
			c := start(t, nil, s, nil)
			c.Post(t, "/v1/movies?id=a", heat).Want(t, 201)
			before := resident(t, os.Getpid())
			hold(t, x.n, "127.0.0.2", c.URL, x.request)
			for _, address := range []string{"127.0.0.2", "127.0.0.3"} {
				for _, path := range []string{"/livez", "/readyz"} {
					fastest := time.Hour
					for range 5 { // other tests run meanwhile
						code, took := status(t, from(t, address), c.URL+path)
						if code != 200 {
							t.Fatalf("%s from %s: %d", path, address, code)
						}
						fastest = min(fastest, took)
					}
					if fastest > time.Second {
						t.Errorf("%s from %s took %s", path, address, fastest)
					}
				}
			}
			if code, took := status(t, from(t, "127.0.0.3"), c.URL+"/v1/movies/a"); code != 200 || took > 5*time.Second {
				t.Errorf("another address: %d after %s", code, took)
			}
			if grown := resident(t, os.Getpid()) - before; grown > 400<<10 {
				t.Errorf("it takes %d MiB more", grown>>10)
			}
		})
	}
}

// gauge is the value of a metric, -1 when it is not there.
func gauge(t testing.TB, c *apitest.Client, name string) int {
	t.Helper()
	for line := range strings.Lines(string(c.Get(t, "/metrics").Body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				return n
			}
		}
	}
	return -1
}

// What is held is given back when the client stalls.
func TestAStalledRequestGivesItsPlaceBack(t *testing.T) {
	for name, request := range map[string]string{
		"a body that stops":      halfSent,
		"an upload that stops":   strings.NewReplacer("/v1/movies", "/v1/blobs").Replace(halfSent),
		"a chunked body":         "POST /v1/movies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"tit",
		"a patch that stops":     "PATCH /v1/movies/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/merge-patch+json\r\nContent-Length: 99\r\n\r\n{",
		"a restore that stops":   "POST /v1:restore HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: 99\r\n\r\n{",
		"answers nobody takes":   strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
		"a large list not taken": strings.Repeat("GET /v1/movies?page_size=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n", 20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := autocrud.Settings{Storage: "memory"}
			s.StallTimeout = 500 * time.Millisecond
			c := start(t, nil, s, nil)
			c.Post(t, "/v1/movies?id=a", strings.Replace(heat, `"title":"Heat"`, `"title":"`+strings.Repeat("x", 400)+`"`, 1)).Want(t, 201)
			for i := range 5 {
				c.Post(t, "/v1/movies", fmt.Sprintf(`{"title":"%d","year":1999}`, i)).Want(t, 201)
			}
			hold(t, 16, "127.0.0.2", c.URL, request)
			apitest.Eventually(t, 20*time.Second, "their places are free again", func() bool { return gauge(t, c, "autocrud_http_requests_in_flight") == 1 })
		})
	}
}

// A client that is slow and does not stall is answered.
func TestASlowBodyThatKeepsComingIsTaken(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{Storage: "memory"}
	s.StallTimeout = 2 * time.Second
	c := start(t, nil, s, nil)
	body, pipe := io.Pipe()
	go func() {
		for _, part := range []string{`{"title":"` + strings.Repeat("slow ", 80), strings.Repeat("slow ", 10), `","year":1999}`} {
			_, _ = io.WriteString(pipe, part) // an error shows in the answer
			time.Sleep(300 * time.Millisecond)
		}
		pipe.Close()
	}()
	resp, err := http.Post(c.URL+"/v1/movies", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 201 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// Who may do nothing is refused before its body is waited for.
func TestRightsAreAskedBeforeTheBody(t *testing.T) {
	t.Parallel()
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, guardedPolicy, map[string]string{
		"films": "name: films\nschema: {type: object, properties: {title: {type: string}, genre: {type: string}, slug: {type: string}, budget: {type: integer}, credits: {type: object, properties: {fee: {type: integer}}}, secret_poster: {x-binary: {}}}}\nindex: [genre]\n"})
	none := admin.Post(t, "/v1/api-keys", `{"name":"stranger"}`).Want(t, 201).Text("/secret")
	for _, line := range []string{"POST /v1/films", "PUT /v1/films/x", "PATCH /v1/films/x", "POST /v1/films:search", "POST /v1/films:bulk", "POST /v1/films/x:switch", "POST /v1:batch", "POST /v1/blobs", "POST /v1:restore", "POST /v1:gc"} {
		for credential, want := range map[string]string{"": "401", none: "403"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(admin.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			_ = conn.SetDeadline(begun.Add(5 * time.Second))
			auth, kind := "", "json"
			switch {
			case strings.HasPrefix(line, "PATCH"):
				kind = "merge-patch+json"
			case strings.HasSuffix(line, ":restore"):
				kind = "octet-stream"
			}
			if credential != "" {
				auth = "Authorization: Bearer " + credential + "\r\n"
			}
			_, _ = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\n%sContent-Type: application/%s\r\nConnection: close\r\nContent-Length: 999999\r\n\r\n{", line, auth, kind)
			b := make([]byte, 12)
			_, err = io.ReadFull(conn, b)
			conn.Close()
			if err != nil || string(b) != "HTTP/1.1 "+want {
				t.Errorf("%s: %q, %v, want %s", line, b, err, want)
			}
		}
	}
}

// BenchmarkCreatesBesideUnreadWatches is what a create takes, one after the other,
// while another address has watches that it does not read.
func BenchmarkCreatesBesideUnreadWatches(b *testing.B) {
	for _, n := range []int{0, 100, 1000, 5000} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			c := start(b, nil, autocrud.Settings{Storage: "memory"}, nil)
			c.Post(b, "/v1/movies?id=a", heat).Want(b, 201)
			if n > 0 {
				hold(b, n, "127.0.0.2", c.URL, "GET /v1/movies:watch HTTP/1.1\r\nHost: localhost\r\n\r\n")
				apitest.Eventually(b, 20*time.Second, "all of them watch", func() bool { return gauge(b, c, "autocrud_watches") >= n-n%16 })
			}
			var all []time.Duration
			for b.Loop() {
				begun := time.Now()
				c.Post(b, "/v1/movies", heat).Want(b, 201)
				all = append(all, time.Since(begun))
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs/median")
			b.ReportMetric(float64(all[len(all)*9/10].Microseconds()), "µs/p90")
		})
	}
}
