package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// result of one cell.
type result struct {
	rate     float64
	p50, p99 time.Duration
	err      error
}

// load keeps c connections busy for d, after a warm-up, and calls seen with
// each answer's body. The client is as lean as can be: it shares the machine
// with what it measures.
func load(addr string, c int, d time.Duration, request func(n int) string, seen func([]byte)) result {
	var n, counted atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now().Add(d / 4)
	end := begin.Add(d)
	errs := make(chan error, c)
	times := make([][]time.Duration, c)
	for i := range c {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				errs <- err
				return
			}
			defer conn.Close()
			r := bufio.NewReaderSize(conn, 64<<10)
			for {
				t0 := time.Now()
				if t0.After(end) {
					return
				}
				if _, err := io.WriteString(conn, request(int(n.Add(1)))); err != nil {
					errs <- err
					return
				}
				body, err := readAnswer(r)
				if err != nil {
					errs <- err
					return
				}
				if seen != nil {
					seen(body)
				}
				if t0.After(begin) {
					counted.Add(1)
					times[i] = append(times[i], time.Since(t0))
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return result{err: err}
	}
	var all []time.Duration
	for _, t := range times {
		all = append(all, t...)
	}
	if len(all) == 0 {
		return result{err: errors.New("nothing was answered in time")}
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return result{rate: float64(len(all)) / d.Seconds(), p50: all[len(all)/2], p99: all[len(all)*99/100]}
}

// readAnswer reads one HTTP/1.1 answer that has a Content-Length.
func readAnswer(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	status, length := line, -1
	for {
		if line, err = r.ReadString('\n'); err != nil {
			return nil, err
		}
		if line == "\r\n" {
			break
		}
		if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(v)); err != nil {
				return nil, err
			}
		}
	}
	if length < 0 {
		return nil, fmt.Errorf("no Content-Length after %s", status)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 2") {
		return nil, fmt.Errorf("%s: %s", strings.TrimSpace(status), body)
	}
	return body, nil
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }

func post(path, body string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

var filler = strings.Repeat("the quick brown fox jumps over the lazy dog ", 20)[:850]

// article is about 1 KB.
func article(n int) string {
	status := []string{"draft", "published", "archived"}[rand.IntN(3)]
	return fmt.Sprintf(`{"title":"article number %d of many, with a title","body":%q,"status":%q,"views":%d,"tags":["a%04x","b%04x","go"]}`,
		n, filler, status, rand.IntN(1_000_000), rand.IntN(1<<16), rand.IntN(1<<16))
}

// idList collects the ids of created resources.
type idList struct {
	mu  sync.Mutex
	ids []string
}

func (l *idList) keep(body []byte) {
	_, rest, ok := bytes.Cut(body, []byte(`"id":"`))
	if !ok {
		return
	}
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	l.mu.Lock()
	l.ids = append(l.ids, string(id))
	l.mu.Unlock()
}

func (l *idList) at(int) string { return l.ids[rand.IntN(len(l.ids))] }

// waitReady polls until the program takes requests.
func waitReady(addr string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		if r := load(addr, 1, time.Millisecond, func(int) string { return get("/readyz") }, nil); r.err == nil || !isRefused(r.err) && time.Now().After(deadline) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the program was not ready in time")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// table prints a row for each kind of request and a column for each number of
// connections.
type table struct {
	counts  []int
	seconds time.Duration
	rows    []string
	cells   map[string]map[int]result
}

func (t *table) cell(row string, c int, r result) error {
	if r.err != nil {
		return fmt.Errorf("%s at %d connections: %w", row, c, r.err)
	}
	if t.cells == nil {
		t.cells = map[string]map[int]result{}
	}
	if t.cells[row] == nil {
		t.cells[row] = map[int]result{}
		t.rows = append(t.rows, row)
	}
	t.cells[row][c] = r
	fmt.Printf("  %-46s %3d: %8.0f/s  p50 %6.2f ms  p99 %6.2f ms\n", row, c, r.rate, ms(r.p50), ms(r.p99))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (t *table) print() {
	fmt.Printf("\n%-46s", "per second, at connections")
	for _, c := range t.counts {
		fmt.Printf("%10d", c)
	}
	fmt.Println()
	for _, row := range t.rows {
		fmt.Printf("%-46s", row)
		for _, c := range t.counts {
			fmt.Printf("%10.0f", t.cells[row][c].rate)
		}
		fmt.Println()
	}
	for _, c := range t.counts {
		always, lazy := t.cells["create, sync always"][c], t.cells["create, sync 100ms"][c]
		if lazy.rate > 0 {
			fmt.Printf("create at %d connections: always is %.2f of 100ms\n", c, always.rate/lazy.rate)
		}
	}
}
