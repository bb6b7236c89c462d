//go:build unix

// Composetest asks a deployment that runs in containers what its pages promise, and kills
// its containers meanwhile. scripts/compose-test.sh starts the deployment.
//
//	composetest -api http://127.0.0.1:8080 -nats 127.0.0.1:4222 tour|kill|whole|leader
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// deployment is where it is reached.
type deployment struct {
	api, nats string
	compose   []string // the command and the files of compose
	written   string   // a file with the ids of all acknowledged writes
}

func main() {
	var d deployment
	files := flag.String("files", "docker-compose.yml", "the files of compose, by commas")
	flag.StringVar(&d.api, "api", "http://127.0.0.1:8080", "the API")
	flag.StringVar(&d.nats, "nats", "127.0.0.1:4222", "NATS")
	flag.StringVar(&d.written, "written", "written", "file with the ids of all acknowledged writes")
	flag.Parse()
	d.compose = []string{"docker", "compose"}
	for f := range strings.SplitSeq(*files, ",") {
		d.compose = append(d.compose, "-f", f)
	}
	do, ok := map[string]func(context.Context) error{"tour": d.tour, "kill": d.killEach, "whole": d.whole, "leader": d.killLeader}[flag.Arg(0)]
	if !ok {
		fmt.Fprintln(os.Stderr, "composetest: tour, kill, whole or leader?")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	if err := do(ctx); err != nil {
		cancel()
		fmt.Fprintf(os.Stderr, "composetest: %s: %v\n", flag.Arg(0), err)
		os.Exit(1) //nolint:gocritic // cancelled above
	}
}

// docker runs compose, and gives what it printed.
func (d *deployment) docker(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	args = append(d.compose[1:len(d.compose):len(d.compose)], args...)
	cmd := exec.CommandContext(ctx, d.compose[0], args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s%s", strings.Join(args, " "), err, out.String(), said.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// ask sends a request and decodes the answer; its status has to be want.
func (d *deployment) ask(ctx context.Context, method, path, body string, want int) (map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.api+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: %d, not %d: %s", method, path, resp.StatusCode, want, b)
	}
	out := map[string]any{}
	if len(b) > 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}

// eventually asks until it gets no error.
func eventually(ctx context.Context, limit time.Duration, ask func() error) error {
	for end := time.Now().Add(limit); ; {
		err := ask()
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// tour does what the pages show: requests, an import, a job, a watch, a subscriber.
func (d *deployment) tour(ctx context.Context) error {
	watch, err := d.watch(ctx)
	if err != nil {
		return err
	}
	defer watch.Close()
	events, stop, err := d.subscribe(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if _, err = d.ask(ctx, http.MethodPost, "/v1/planets?id=ceres", `{"name":"Ceres","kind":"planet","radius_km":469.7}`, 201); err != nil {
		return err
	}
	if _, err = d.ask(ctx, http.MethodPatch, "/v1/planets/ceres", `{"kind":"dwarf planet"}`, 200); err != nil {
		return err
	}
	if err = watch.sees("ceres"); err != nil {
		return err
	}
	m, err := events.Next(jetstream.NextContext(ctx))
	if err != nil || !strings.Contains(m.Subject(), "planets") {
		return fmt.Errorf("the subscriber: %v, %w", m, err)
	}
	for _, s := range [][2]string{{"planets", "name"}, {"moons", "name"}, {"elements", "symbol"}} {
		f, err := os.Open("examples/quickstart/seed/" + s[0] + ".ndjson")
		if err != nil {
			return err
		}
		said, err := d.docker(ctx, f, "exec", "-T", "api", "/autocrud", "import", s[0], "-", "--id-field", s[1])
		f.Close()
		if err != nil {
			return err
		}
		fmt.Printf("import of %s: %s\n", s[0], said)
	}
	if out, err := d.ask(ctx, http.MethodGet, "/v1/moons:count", "", 200); err != nil || out["count"] == 0 {
		return fmt.Errorf("%v, %w", out, err)
	}
	if err := d.job(ctx, "iron"); err != nil {
		return err
	}
	fmt.Println("requests, watch, subscriber, import, job: ok")
	return nil
}

// job creates one and waits for its success.
func (d *deployment) job(ctx context.Context, id string) error {
	if _, err := d.ask(ctx, http.MethodPost, "/v1/conversions?id="+id, `{"celsius":1538}`, 201); err != nil {
		return err
	}
	return eventually(ctx, time.Minute, func() error { return d.succeeded(ctx, id) })
}

func (d *deployment) succeeded(ctx context.Context, id string) error {
	out, err := d.ask(ctx, http.MethodGet, "/v1/conversions/"+id+"?returns=meta", "", 200)
	if err != nil {
		return err
	}
	meta, _ := out["meta"].(map[string]any)
	job, _ := meta["job"].(map[string]any)
	if job["state"] != "succeeded" {
		return fmt.Errorf("the job %s: %v", id, job)
	}
	return nil
}

// watching is an open watch.
type watching struct {
	io.Closer
	lines *bufio.Scanner
}

func (d *deployment) watch(ctx context.Context) (*watching, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.api+"/v1/planets:watch", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("watch: %s", resp.Status)
	}
	return &watching{resp.Body, bufio.NewScanner(resp.Body)}, nil
}

func (w *watching) sees(id string) error {
	for w.lines.Scan() {
		if strings.Contains(w.lines.Text(), id) {
			return nil
		}
	}
	return errors.Join(errors.New("the watch ended"), w.lines.Err())
}

// subscribe reads events as the user hook.
func (d *deployment) subscribe(ctx context.Context) (jetstream.MessagesContext, func(), error) {
	password, err := setting("NATS_HOOK_PASSWORD")
	if err != nil {
		return nil, nil, err
	}
	nc, err := nats.Connect(d.nats, nats.UserInfo("hook", password), nats.CustomInboxPrefix("_INBOX"))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, nil, err
	}
	c, err := js.OrderedConsumer(ctx, "AC_MAIN_EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, nil, err
	}
	messages, err := c.Messages()
	if err != nil {
		return nil, nil, err
	}
	return messages, func() { messages.Stop(); nc.Close() }, nil
}

// setting reads .env.
func setting(name string) (string, error) {
	b, err := os.ReadFile(".env")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("%s is not in .env", name)
}

// killEach kills the main process of each container under load.
func (d *deployment) killEach(ctx context.Context) error {
	return d.underLoad(ctx, func() error {
		for _, service := range []string{"api", "indexer", "worker", "nats", "postgres", "s3"} {
			if err := d.kill(ctx, service); err != nil {
				return err
			}
		}
		return nil
	})
}

// kill kills the main process of a container and waits until it is healthy again.
func (d *deployment) kill(ctx context.Context, service string) error {
	id, err := d.docker(ctx, nil, "ps", "--quiet", service)
	if err != nil {
		return err
	}
	pid, err := inspect(ctx, id, "{{.State.Pid}}")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(pid)
	if err != nil || n < 2 {
		return fmt.Errorf("the process of %s: %q, %w", service, pid, err)
	}
	begun := time.Now()
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		return err
	}
	err = eventually(ctx, 2*time.Minute, func() error {
		now, err := inspect(ctx, id, "{{.State.Pid}} {{.State.Health.Status}}")
		if err != nil {
			return err
		}
		if !strings.HasSuffix(now, " healthy") || strings.HasPrefix(now, pid+" ") {
			return fmt.Errorf("%s: %s", service, now)
		}
		return nil
	})
	fmt.Printf("%s killed, healthy again after %.0f s\n", service, time.Since(begun).Seconds())
	return err
}

func inspect(ctx context.Context, id, format string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", "inspect", "--format", format, id).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// underLoad writes planets and jobs while do runs, and then looks that all that was
// acknowledged is there.
func (d *deployment) underLoad(ctx context.Context, do func() error) error {
	f, err := os.OpenFile(d.written, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	loading, stop := context.WithCancel(ctx)
	defer stop()
	ids, ended := make(chan string, 100), make(chan struct{})
	for i := range 4 {
		go func() {
			d.write(loading, fmt.Sprintf("w%d-%d", time.Now().UnixNano(), i), ids)
			ended <- struct{}{}
		}()
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	var failed error
	acknowledged := 0
	for running := 4; running > 0; {
		select {
		case id := <-ids:
			acknowledged++
			if _, err := fmt.Fprintln(f, id); err != nil {
				return err
			}
		case failed = <-done:
			stop()
		case <-ended:
			running--
		}
	}
	if failed != nil {
		return failed
	}
	fmt.Printf("%d writes acknowledged meanwhile\n", acknowledged)
	return d.whole(ctx)
}

// write writes until ctx ends; each twentieth is a job.
func (d *deployment) write(ctx context.Context, prefix string, ids chan<- string) {
	client := http.Client{Timeout: 20 * time.Second}
	for n := 0; ctx.Err() == nil; n++ {
		id, path, body := fmt.Sprintf("%s-%d", prefix, n), "/v1/planets", `{"name":"N","kind":"planet","radius_km":1}`
		if n%20 == 19 {
			path, body = "/v1/conversions", `{"celsius":20}`
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.api+path+"?id="+id, strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			time.Sleep(50 * time.Millisecond) // the process is away
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body) // only the status is of interest
		resp.Body.Close()
		if resp.StatusCode == http.StatusCreated {
			ids <- strings.TrimPrefix(path, "/v1/") + "/" + id
		} else {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// whole looks that every acknowledged write is there, every job succeeded, and log,
// content and index agree.
func (d *deployment) whole(ctx context.Context) error {
	if err := eventually(ctx, 2*time.Minute, func() error {
		_, err := d.ask(ctx, http.MethodGet, "/readyz", "", 200)
		return err
	}); err != nil {
		return err
	}
	b, err := os.ReadFile(d.written)
	if err != nil {
		return err
	}
	writes, jobs := 0, 0
	for path := range strings.FieldsSeq(string(b)) {
		writes++
		if id, job := strings.CutPrefix(path, "conversions/"); job {
			jobs++
			err = eventually(ctx, 2*time.Minute, func() error { return d.succeeded(ctx, id) })
		} else {
			_, err = d.ask(ctx, http.MethodGet, "/v1/"+path, "", 200)
		}
		if err != nil {
			return err
		}
	}
	said, err := d.docker(ctx, nil, "exec", "-T", "api", "/autocrud", "verify")
	if err != nil {
		return err
	}
	fmt.Printf("%d of %d acknowledged writes are there, %d of them jobs that succeeded; verify: %s\n", writes, writes, jobs, said)
	return nil
}

// killLeader kills the server of a cluster that leads the log.
func (d *deployment) killLeader(ctx context.Context) error {
	return d.underLoad(ctx, func() error {
		leader, err := d.leader(ctx)
		if err != nil {
			return err
		}
		service := map[string]string{"nats-1": "nats"}[leader]
		if service == "" {
			service = leader
		}
		fmt.Printf("%s leads the log\n", leader)
		if err := d.kill(ctx, service); err != nil {
			return err
		}
		return eventually(ctx, time.Minute, func() error { _, err := d.leader(ctx); return err })
	})
}

// leader is the name of the server that leads the log, as it tells provision.
func (d *deployment) leader(ctx context.Context) (string, error) {
	password, err := setting("NATS_PROVISION_PASSWORD")
	if err != nil {
		return "", err
	}
	nc, err := nats.Connect(d.nats, nats.UserInfo("provision", password), nats.CustomInboxPrefix("_INBOX_PROVISION"))
	if err != nil {
		return "", err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // a server that has just begun may answer nothing
	defer cancel()
	s, err := js.Stream(ctx, "AC_MAIN_LOG")
	if err != nil {
		return "", err
	}
	if c := s.CachedInfo().Cluster; c != nil && c.Leader != "" {
		return c.Leader, nil
	}
	return "", errors.New("the log has no leader")
}
