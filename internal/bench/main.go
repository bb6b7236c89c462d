// Command bench measures creates, gets and lists per second of the program over
// HTTP, at 1, 16 and 64 connections, for both ways of syncing, beside the floors
// measured in the same run: an HTTP answer that does nothing, the log alone, one
// file and one fdatasync.
//
// Figures are for ratios within one run; they do not carry from machine to
// machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const model = `
name: articles
schema:
  type: object
  required: [title]
  properties:
    title: {type: string, maxLength: 200}
    body: {type: string, maxLength: 100000}
    status: {enum: [draft, published, archived]}
    views: {type: integer}
    tags: {type: array, items: {type: string, maxLength: 40}, maxItems: 50}
index: [status, views]
`

func main() {
	seconds := flag.Float64("seconds", 3, "measured time of each cell")
	connections := flag.String("connections", "1,16,64", "numbers of connections")
	flag.Parse()
	if err := run(*seconds, *connections); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(seconds float64, connections string) error {
	dir, err := os.MkdirTemp("", "autocrud-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "autocrud")
	build := exec.Command("go", "build", "-o", bin, "./cmd/autocrud")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	models := filepath.Join(dir, "models")
	if err := os.Mkdir(models, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(models, "articles.yaml"), []byte(model), 0o600); err != nil {
		return err
	}
	var counts []int
	for _, s := range strings.Split(connections, ",") {
		var n int
		if _, err := fmt.Sscan(s, &n); err != nil || n < 1 || n > 512 {
			return fmt.Errorf("connections %q", s)
		}
		counts = append(counts, n)
	}
	t := &table{counts: counts, seconds: time.Duration(seconds * float64(time.Second))}
	if err := floors(t, dir); err != nil {
		return err
	}
	for _, sync := range []string{"always", "100ms"} {
		if err := measure(t, bin, models, filepath.Join(dir, sync), sync); err != nil {
			return err
		}
	}
	t.print()
	return nil
}

// measure runs the program as a process of its own and loads it.
func measure(t *table, bin, models, data, sync string) error {
	const addr = "127.0.0.1:18099"
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "up", "--models", models, "--data-dir", data, "--addr", addr, "--sync", sync)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	if err := waitReady(addr, 10*time.Second); err != nil {
		return err
	}
	ids := &idList{}
	for _, c := range t.counts {
		if err := t.cell("create, sync "+sync, c, load(addr, c, t.seconds, func(n int) string {
			return post("/v1/articles?returns=meta", article(n))
		}, ids.keep)); err != nil {
			return err
		}
	}
	for _, c := range t.counts {
		if err := t.cell("get by id, sync "+sync, c, load(addr, c, t.seconds, func(n int) string { return get("/v1/articles/" + ids.at(n)) }, nil)); err != nil {
			return err
		}
	}
	for _, c := range t.counts {
		if err := t.cell("list 20 by filter and order, sync "+sync, c, load(addr, c, t.seconds, func(int) string {
			return get("/v1/articles?filter=status%3D%22published%22&order_by=views%20desc&page_size=20")
		}, nil)); err != nil {
			return err
		}
	}
	return nil
}
