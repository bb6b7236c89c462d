package tests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/hook"
)

// follower collects what one way of following was told, by resource.
type follower struct {
	name string
	mu   sync.Mutex
	seen map[uint64]bool
	all  map[string][]step
	last uint64
	dups int
}

// step is one event.
type step struct {
	Seq    uint64
	Action string
}

func newFollower(name string) *follower {
	return &follower{name: name, seen: map[uint64]bool{}, all: map[string][]step{}}
}

func (f *follower) told(id string, s step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen[s.Seq] {
		f.dups++
		return
	}
	f.seen[s.Seq] = true
	f.all[id] = append(f.all[id], s)
	f.last = max(f.last, s.Seq)
}

func (f *follower) high() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// compare holds what was told against a resource's history: the same events in
// the same order, from its last purge on. sorted is for who may be told out of
// order and puts it right by the sequence.
func (f *follower) compare(t *testing.T, id string, history []step, purged, sorted bool) {
	t.Helper()
	f.mu.Lock()
	got := slices.Clone(f.all[id])
	f.mu.Unlock()
	if sorted {
		slices.SortFunc(got, func(a, b step) int { return int(int64(a.Seq) - int64(b.Seq)) })
	}
	for i := len(got) - 1; i >= 0; i-- {
		if got[i].Action == "purged" {
			got = got[i:]
			break
		}
	}
	if purged {
		if len(got) != 1 {
			t.Errorf("%s: %s is purged and was told %v", f.name, id, got)
		}
		return
	}
	if !reflect.DeepEqual(got, history) {
		t.Errorf("%s: %s was told\n%v, its history is\n%v", f.name, id, got, history)
	}
}

var quiet = slog.New(slog.DiscardHandler)

// system is a running program that can be hurt.
type system struct {
	url    func() string // of an API that runs
	nats   string        // of the NATS servers with the events
	stream string
	hurt   func(rnd *rand.Rand) // kills something and brings it back
}

// TestEverySubscriberIsToldEverything writes at random while parts are killed in turn,
// and follows in three ways that fail at random too. Each ends with what the
// history says. AUTOCRUD_TEST_OPERATIONS is how many writes there are,
// AUTOCRUD_TEST_SYSTEM one of process and services.
func TestEverySubscriberIsToldEverything(t *testing.T) {
	for _, name := range []string{"process", "services"} {
		if only := envText("AUTOCRUD_TEST_SYSTEM"); only != "" && only != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operations := 600
			if n := envInt("AUTOCRUD_TEST_OPERATIONS"); n > 0 {
				operations = n
			} else if testing.Short() {
				operations = 300
			}
			if name == "process" {
				everybodyIsTold(t, oneProcess(t), operations)
			} else {
				everybodyIsTold(t, apart(t), operations)
			}
		})
	}
}

// oneProcess is everything in one, whose end ends NATS too.
func oneProcess(t *testing.T) *system {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	args := []string{"--models", apitest.WriteModels(t, models), "--data-dir", t.TempDir(), "--log-level", "error", "--allow-webhook-net", "127.0.0.0/8", "--nats-listen", listen}
	var p atomic.Pointer[apitest.Process]
	p.Store(apitest.Launch(t, args...))
	return &system{url: func() string { return p.Load().URL }, nats: "nats://" + listen, stream: "AC_MAIN_EVENTS",
		hurt: func(*rand.Rand) {
			p.Load().Kill()
			p.Store(apitest.Launch(t, args...))
		}}
}

// apart are processes over a cluster of NATS servers.
func apart(t *testing.T) *system {
	s := apitest.Services(t)
	cluster := testenv.StartNATS(t, 3)
	args := []string{"--models", apitest.WriteModels(t, models), "--log-level", "error", "--storage", "postgres", "--nats-url", cluster.URL(),
		"--postgres-url", s.PostgresURL, "--postgres-conns", "4", "--s3-endpoint", s.S3Endpoint, "--s3-bucket", s.S3Bucket, "--s3-access-key", s.S3AccessKey,
		"--s3-secret-key", s.S3SecretKey, "--s3-use-tls=false", "--namespace", "told"}
	if r := apitest.Run(t, "", append([]string{"provision"}, args...)...); r.Code != 0 {
		t.Fatalf("provision: %s", r.Stderr)
	}
	run := func(service string) *apitest.Process {
		more := []string{service, "--addr", "127.0.0.1:0", "--allow-webhook-net", "127.0.0.0/8"}
		return apitest.LaunchService(t, append(more, args...)...)
	}
	names := []string{"indexer", "api", "worker", "indexer", "api", "worker"}
	var mu sync.Mutex
	all := make([]*apitest.Process, len(names))
	for _, i := range []int{0, 2, 3, 5, 1, 4} { // an API begins when there is an index
		all[i] = run(names[i])
	}
	turn := 0
	return &system{nats: cluster.URL(), stream: "AC_TOLD_EVENTS",
		url: func() string {
			mu.Lock()
			defer mu.Unlock()
			return all[1+3*(turn%2)].URL
		},
		hurt: func(rnd *rand.Rand) {
			i := turn % (len(names) + 3)
			if i >= len(names) {
				cluster.Restart(t, i-len(names))
			} else {
				mu.Lock()
				old := all[i]
				mu.Unlock()
				old.Kill()
				next := run(names[i])
				mu.Lock()
				all[i] = next
				mu.Unlock()
			}
			mu.Lock()
			turn++
			mu.Unlock()
		}}
}

func everybodyIsTold(t *testing.T, sys *system, operations int) {
	ctx, stop := context.WithCancel(t.Context())
	hook := newReceiver(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	hook.answer = func(received) int {
		if rnd.IntN(10) == 0 {
			return 500
		}
		return 200
	}
	c := apitest.NewClient(t, sys.url())
	hookTo(t, c, hook, "")
	sse, subscriber := newFollower("SSE"), newFollower("NATS")
	var followers, writers sync.WaitGroup
	followers.Go(func() { followSSE(ctx, t, sys, sse) })
	followers.Go(func() { followNATS(ctx, t, sys, subscriber) })

	var done atomic.Int64
	ids := max(operations/12, 20)
	begun := time.Now()
	for w := range 8 {
		writers.Go(func() { writeAtRandom(t, c, sys, w, ids, operations, &done) })
	}
	hurting := make(chan int)
	go func() {
		n := 0
		defer func() { hurting <- n }()
		rnd := rand.New(rand.NewPCG(3, 4))
		for done.Load() < int64(operations) && t.Context().Err() == nil {
			before := done.Load()
			sys.hurt(rnd)
			n++
			for until := before + int64(max(operations/40, 100)); done.Load() < min(until, int64(operations)) && t.Context().Err() == nil; {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}()
	writers.Wait()
	kills := <-hurting
	took := time.Since(begun)

	c = c.At(sys.url())
	last := c.LogSeq(t, "movies")
	marker := c.Post(t, "/v1/movies?id=the-end", `{"title":"end","year":2000}`).Want(t, 201)
	end := uint64(marker.Int("/meta/seq"))
	if end <= last {
		t.Errorf("the end is at %d, the log was at %d", end, last)
	}
	for _, f := range []*follower{sse, subscriber} {
		apitest.Eventually(t, 60*time.Second, f.name+" is told to the end", func() bool { return f.high() >= end })
	}
	hooked := newFollower("webhook")
	histories, purged := readHistories(t, c, ids)
	want := map[uint64]bool{}
	for _, h := range histories {
		for _, s := range h {
			want[s.Seq] = true
		}
	}
	apitest.Eventually(t, 2*time.Minute+time.Duration(operations)*20*time.Millisecond, "the webhook is told everything that is not purged", func() bool {
		seen := map[uint64]bool{}
		for _, x := range hook.got() {
			seen[x.seq] = true
		}
		for seq := range want {
			if !seen[seq] {
				return false
			}
		}
		return true
	})
	stop()
	followers.Wait()
	for _, x := range hook.got() {
		var m struct {
			Type string
			Data struct{ Meta struct{ ID string } }
		}
		if err := json.Unmarshal(x.body, &m); err != nil {
			t.Fatal(err)
		}
		hooked.told(m.Data.Meta.ID, step{x.seq, m.Type[len("movies."):]})
	}
	for id, history := range histories {
		for _, f := range []*follower{sse, subscriber} {
			f.compare(t, id, history, purged[id], false)
		}
		hooked.compare(t, id, history, purged[id], true)
	}
	events := checkStream(t, sys, histories)
	t.Logf("%d operations in %s, %d kills: %d resources, %d events in the stream; repeats: SSE %d, NATS %d redelivered, webhook %d",
		operations, took.Round(time.Millisecond), kills, len(histories), events, sse.dups, subscriber.dups, hooked.dups)
	if kills < 2 {
		t.Errorf("only %d kills", kills)
	}
}

// writeAtRandom does operations until there were enough. What fails because
// a process was killed is passed over: what the log says is what counts.
func writeAtRandom(t *testing.T, c *apitest.Client, sys *system, w, ids, operations int, done *atomic.Int64) {
	rnd := rand.New(rand.NewPCG(5, uint64(w)))
	for done.Load() < int64(operations) {
		if now := sys.url(); now != c.URL {
			c = c.At(now)
		}
		id := "/v1/movies/x" + strconv.Itoa(rnd.IntN(ids))
		body := fmt.Sprintf(`{"title":"T%d","year":%d}`, rnd.IntN(1000), 1990+rnd.IntN(30))
		var r *apitest.Response
		var err error
		switch rnd.IntN(20) {
		case 0:
			r, err = c.Try(t, "DELETE", id, nil)
		case 1, 2:
			r, err = c.Try(t, "POST", id+":restore", nil)
		case 3:
			r, err = c.Try(t, "POST", id+":purge", nil)
		case 4:
			r, err = c.Try(t, "POST", id+":switch", `{"revision":1}`)
		case 5:
			r, err = c.Try(t, "POST", id+":status", `{"status":"draft"}`)
		case 6:
			r, err = c.Try(t, "POST", id+":status", `{"status":"stable"}`)
		case 7:
			r, err = c.Try(t, "PUT", id+"?mode=modify", body)
		case 8, 9, 10, 11, 12:
			r, err = c.Try(t, "PUT", id, body, apitest.Header("If-None-Match", "*"))
		default:
			r, err = c.Try(t, "PUT", id, body)
		}
		switch {
		case err != nil || r.Status == 503:
			time.Sleep(20 * time.Millisecond) // a process was killed
		case r.Status < 300:
			done.Add(1)
		case r.Status >= 500:
			t.Errorf("%s: %d %s", r.What, r.Status, r.Body)
		}
	}
}

// followSSE reads with connections that end at random.
func followSSE(ctx context.Context, t *testing.T, sys *system, f *follower) {
	rnd := rand.New(rand.NewPCG(7, 8))
	last := uint64(0)
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, time.Duration(100+rnd.IntN(1500))*time.Millisecond)
		client := apitest.Plain(t, sys.url())
		w, r, err := client.Watch(short, "/v1/movies:watch?from_seq=0", apitest.Header("Last-Event-ID", fmt.Sprint(last)))
		if err == nil && w == nil && r.Status != 503 {
			t.Errorf("the watch after %d: %d %s", last, r.Status, r.Body)
		}
		for err == nil && w != nil {
			var e apitest.Event
			if e, err = w.Next(); err == nil && e.Action != "resume" {
				if e.Seq <= last {
					t.Errorf("SSE: %d after %d", e.Seq, last)
				}
				f.told(e.ID(), step{e.Seq, e.Action})
			}
			last = max(last, w.Last)
		}
		if w != nil {
			w.Close()
		} else {
			time.Sleep(20 * time.Millisecond)
		}
		cancel()
	}
}

// followNATS is a durable subscriber that comes back.
func followNATS(ctx context.Context, t *testing.T, sys *system, f *follower) {
	nc, err := nats.Connect(sys.nats, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	namespace := "main"
	if sys.stream != "AC_MAIN_EVENTS" {
		namespace = "told"
	}
	o := hook.Options{Namespace: namespace, Name: "follower", Type: "movies", Begin: hook.Start, Logger: quiet}
	for ctx.Err() == nil {
		err := hook.Subscribe(ctx, nc, o, func(_ context.Context, e hook.Event[map[string]any]) error {
			f.told(e.Resource, step{e.Seq, e.Action})
			return nil
		})
		if err != nil && ctx.Err() == nil { // NATS is away
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// readHistories reads the history of every resource there was.
func readHistories(t *testing.T, c *apitest.Client, ids int) (histories map[string][]step, purged map[string]bool) {
	histories, purged = map[string][]step{}, map[string]bool{}
	for i := range ids {
		id := "x" + strconv.Itoa(i)
		var history []step
		for token := ""; ; {
			r := c.Get(t, "/v1/movies/"+id+"/history?page_size=1000"+token)
			if r.Status == 404 {
				break
			}
			for _, x := range r.Want(t, 200).Items() {
				m := x.(map[string]any)
				history = append(history, step{uint64(m["seq"].(float64)), m["action"].(string)})
			}
			if r.Text("/next_page_token") == "" {
				break
			}
			token = "&page_token=" + r.Text("/next_page_token")
		}
		if purged[id] = history == nil; history != nil {
			histories[id] = history
		}
	}
	return histories, purged
}

// checkStream reads the stream itself: every event of the histories once, in the
// order of the log.
func checkStream(t *testing.T, sys *system, histories map[string][]step) (events int) {
	nc, err := nats.Connect(sys.nats)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(t.Context(), sys.stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	iter, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer iter.Stop()
	want := map[uint64]bool{}
	for _, h := range histories {
		for _, s := range h {
			want[s.Seq] = true
		}
	}
	last := uint64(0)
	for {
		m, err := iter.Next(jetstream.NextMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		seq, err := strconv.ParseUint(m.Headers().Get("ce-sequence"), 10, 64)
		if err != nil || seq <= last {
			t.Fatalf("the stream holds %d after %d, %v", seq, last, err)
		}
		delete(want, seq)
		last = seq
		events++
		if md, err := m.Metadata(); err == nil && md.NumPending == 0 {
			break
		}
	}
	if len(want) > 0 {
		t.Errorf("the stream lacks %d events of the histories", len(want))
	}
	return events
}
