// Package deploy_test runs what is shipped for running AutoCRUD elsewhere.
package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

func TestMain(m *testing.M) { apitest.Main(m) }

// runNATS runs the shipped configuration on a free port.
func runNATS(t *testing.T, edit func(*server.Options)) *server.Server {
	t.Helper()
	o, err := testenv.NATSConfig("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !o.JetStream || !o.SyncAlways || len(o.Users) < 9 {
		t.Fatalf("JetStream %v, sync always %v, %d users", o.JetStream, o.SyncAlways, len(o.Users))
	}
	o.Host, o.Port, o.HTTPPort, o.StoreDir, o.NoSigs, o.NoLog = "127.0.0.1", -1, 0, t.TempDir(), true, true
	if edit != nil {
		edit(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS is not ready after 20 s")
	}
	return s
}

// user is a connection with the rights of one.
type user struct {
	*nats.Conn
	js jetstream.JetStream

	mu     sync.Mutex
	errors []string
}

func connect(t *testing.T, s *server.Server, name string, o ...nats.Option) *user {
	t.Helper()
	u := &user{}
	prefix := "_INBOX_" + strings.ToUpper(strings.TrimSuffix(name, "-events"))
	if name == "hook" {
		prefix = "_INBOX"
	}
	var err error
	u.Conn, err = nats.Connect(s.ClientURL(), append(o, nats.UserInfo(name, testenv.Password), nats.CustomInboxPrefix(prefix),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.errors = append(u.errors, err.Error())
		}))...)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(u.Close)
	if u.js, err = jetstream.New(u.Conn); err != nil {
		t.Fatal(err)
	}
	return u
}

// violated waits until the server has told about a subject.
func (u *user) violated(what, subject string) bool {
	if u.Opts.User == "hook" && what == "publish" { // its account maps the subjects
		if call, ok := strings.CutPrefix(subject, "$JS.API."); ok {
			subject = "HOOKS.API." + call
		}
	}
	_ = u.Flush()                                   // the server has seen it
	for end := time.Now().Add(2 * time.Second); ; { // the library calls back on its own time
		u.mu.Lock()
		found := slices.ContainsFunc(u.errors, func(e string) bool {
			return strings.Contains(strings.ToLower(e), fmt.Sprintf("permissions violation for %s to %q", what, strings.ToLower(subject)))
		})
		u.mu.Unlock()
		if found || time.Now().After(end) {
			return found
		}
		time.Sleep(time.Millisecond)
	}
}

func (u *user) mayNotPublish(t *testing.T, subjects ...string) {
	t.Helper()
	for _, s := range subjects {
		if err := u.PublishRequest(s, u.NewRespInbox(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range subjects {
		if !u.violated("publish", s) {
			t.Errorf("%s may publish to %s", u.Opts.User, s)
		}
	}
}

func (u *user) mayNotSubscribe(t *testing.T, subjects ...string) {
	t.Helper()
	for _, s := range subjects {
		if _, err := u.SubscribeSync(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range subjects {
		if !u.violated("subscription", s) {
			t.Errorf("%s may subscribe to %s", u.Opts.User, s)
		}
	}
}

var streams = []string{"AC_MAIN_LOG", "AC_MAIN_EVENTS", "AC_MAIN_JOBLOGS", "AC_MAIN_DELIVERIES"}

func api(what string, names ...string) (out []string) {
	for _, n := range names {
		out = append(out, "$JS.API."+what+"."+n)
	}
	return out
}

// provision makes the streams as the shipped user does.
func provision(t *testing.T, s *server.Server) {
	t.Helper()
	p, e := connect(t, s, "provision"), connect(t, s, "provision-events")
	for name, err := range map[string]error{
		"log":        natslog.Provision(t.Context(), p.js, natslog.Options{MaxBytes: 1 << 30}),
		"job logs":   natslog.ProvisionJobLogs(t.Context(), p.js, natslog.JobLogsOptions{}),
		"deliveries": natslog.ProvisionDeliveries(t.Context(), p.js, natslog.OutwardOptions{}),
		"events":     natslog.ProvisionOutward(t.Context(), e.js, natslog.OutwardOptions{MaxBytes: 1 << 30}),
	} {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// last is the last sequence of a stream, asked as a user who may.
func (u *user) last(t *testing.T, stream string) uint64 {
	t.Helper()
	st, err := u.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return st.CachedInfo().State.LastSeq
}

func TestNobodyDoesMoreThanItsWork(t *testing.T) {
	s := runNATS(t, nil)
	provision(t, s)
	for _, name := range []string{"provision", "api", "indexer", "worker", "recovery", "recovery-events", "provision-events", "api-events", "indexer-events", "worker-events", "hook"} {
		t.Run(name, func(t *testing.T) {
			u := connect(t, s, name)
			mayDelete := 0
			if name == "recovery" { // a log, which rebuild-log does with one that is empty
				mayDelete = 1
			}
			u.mayNotPublish(t, slices.Concat(api("STREAM.DELETE", streams[mayDelete:]...), api("STREAM.PURGE", streams...), api("STREAM.SNAPSHOT", streams...),
				api("STREAM.RESTORE", streams...), []string{"$JS.API.STREAM.CREATE.OTHER", "$JS.API.META.LEADER.STEPDOWN", "$SYS.REQ.SERVER.PING", "elsewhere"})...)
			u.mayNotPublish(t, api("STREAM.DELETE", "AC_MAIN_AUDIT")[0], api("STREAM.PURGE", "AC_MAIN_AUDIT")[0], api("STREAM.MSG.DELETE", "AC_MAIN_AUDIT")[0])
			u.mayNotSubscribe(t, ">", "ac.>", "ac.main.rev.>", "ac.main.audit", "$JS.>", "$SYS.>", "_INBOX_OTHER.>")
			makes := strings.HasPrefix(name, "provision") || strings.HasPrefix(name, "recovery")
			if !makes {
				u.mayNotPublish(t, slices.Concat(api("STREAM.CREATE", streams...), api("STREAM.UPDATE", streams...))...)
			}
			switch {
			case name == "indexer-events": // it removes what it did not publish
				u.mayNotPublish(t, api("STREAM.MSG.DELETE", slices.DeleteFunc(slices.Clone(streams), func(s string) bool { return s == "AC_MAIN_EVENTS" })...)...)
			case !strings.HasPrefix(name, "worker"):
				u.mayNotPublish(t, api("STREAM.MSG.DELETE", streams...)...)
			}
			if name != "api" && name != "worker" && name != "recovery" {
				u.mayNotPublish(t, "ac.main.rev.movies.x", "ac.main.claim.x", "ac.main.ref.x.y.z")
			}
			if name != "api" && name != "worker" {
				u.mayNotPublish(t, "ac.main.audit", "$JS.API.STREAM.MSG.GET.AC_MAIN_AUDIT")
			}
			if name != "indexer-events" {
				u.mayNotPublish(t, "ac.main.event.movies.created.x")
			}
			for _, other := range []string{"API", "INDEXER", "WORKER", "PROVISION", "RECOVERY"} {
				if !strings.HasPrefix(strings.ToUpper(name), other) {
					u.mayNotSubscribe(t, "_INBOX_"+other+".>")
				}
			}
		})
	}
}

// publishEvent does what the indexer does, and tells its sequence.
func publishEvent(t *testing.T, u *user, id string) {
	t.Helper()
	m := nats.NewMsg("ac.main.event.movies.created." + id)
	m.Data = []byte("{}")
	if _, err := u.RequestMsgWithContext(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func TestASubscriberReadsEventsAndNothingElse(t *testing.T) {
	s := runNATS(t, nil)
	provision(t, s)
	hook, indexer := connect(t, s, "hook"), connect(t, s, "indexer-events")
	live, err := hook.SubscribeSync("ac.main.live.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := hook.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		publishEvent(t, indexer, id)
	}
	if m, err := live.NextMsg(10 * time.Second); err != nil || m.Subject != "ac.main.live.movies.created.a" {
		t.Fatal(m, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// A durable consumer with acknowledgements, and an ordered one.
	durable, err := hook.js.CreateConsumer(ctx, "AC_MAIN_EVENTS", jetstream.ConsumerConfig{Durable: "mine", FilterSubject: "ac.main.event.movies.>", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	ordered, err := hook.js.OrderedConsumer(ctx, "AC_MAIN_EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]jetstream.Consumer{"durable": durable, "ordered": ordered} {
		iter, err := c.Messages()
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a", "b", "c"} {
			m, err := iter.Next(jetstream.NextContext(ctx))
			if err != nil || !strings.HasSuffix(m.Subject(), "."+id) {
				t.Fatalf("%s: %v, %v", name, m, err)
			}
			if name == "durable" {
				if err := m.DoubleAck(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		iter.Stop()
	}
	if info, err := durable.Info(ctx); err != nil || info.NumAckPending != 0 || info.NumPending != 0 {
		t.Errorf("%+v, %v", info, err)
	}
	if err := hook.js.DeleteConsumer(ctx, "AC_MAIN_EVENTS", "mine"); err != nil {
		t.Error(err)
	}
	hook.mayNotPublish(t, slices.Concat(api("CONSUMER.NAMES", "AC_MAIN_EVENTS"), api("CONSUMER.LIST", "AC_MAIN_EVENTS"), api("STREAM.INFO", streams[0], streams[2], streams[3]), api("STREAM.MSG.GET", streams...), api("CONSUMER.CREATE", "AC_MAIN_LOG.x", "AC_MAIN_JOBLOGS.x"),
		api("CONSUMER.MSG.NEXT", "AC_MAIN_LOG.x"), []string{"$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.INFO", "$JS.ACK.AC_MAIN_LOG.x.1.1.1.1.0",
			"ac.main.event.movies.created.x", "ac.main.live.movies.created.x", "ac.main.rev.movies.x", "ac.main.bus.job.fetch", "ac.main.joblog.x"})...)
	hook.mayNotSubscribe(t, "ac.main.event.>", "ac.main.bus.>", "ac.main.joblog.>")
}

// TestNothingIsReachedThroughTheServer has the server put its answers and what
// consumers deliver where the subscriber may not.
func TestNothingIsReachedThroughTheServer(t *testing.T) {
	s := runNATS(t, nil)
	provision(t, s)
	hook, indexer := connect(t, s, "hook"), connect(t, s, "indexer-events")
	owner, events := connect(t, s, "provision"), connect(t, s, "provision-events")
	publishEvent(t, indexer, "a")
	c, err := hook.js.CreateConsumer(t.Context(), "AC_MAIN_EVENTS", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		t.Fatal(err)
	}
	next := "$JS.API.CONSUMER.MSG.NEXT.AC_MAIN_EVENTS." + c.CachedInfo().Name
	for i, target := range []string{"ac.main.rev.movies.x", "ac.main.event.movies.created.x", "$JS.API.STREAM.DELETE.AC_MAIN_EVENTS", "$JS.API.STREAM.DELETE.AC_MAIN_LOG"} {
		for _, through := range []string{"$JS.API.STREAM.INFO.AC_MAIN_EVENTS", next} {
			if err := hook.PublishRequest(through, target, nil); err != nil {
				t.Fatal(err)
			}
		}
		push := fmt.Sprintf(`{"stream_name":"AC_MAIN_EVENTS","config":{"name":"p%d","deliver_subject":%q,"ack_policy":"none"}}`, i, target)
		if _, err := hook.Request(fmt.Sprintf("$JS.API.CONSUMER.CREATE.AC_MAIN_EVENTS.p%d", i), []byte(push), 10*time.Second); err != nil {
			t.Fatal(err) // the answer may be a refusal
		}
	}
	// What was asked for properly afterwards has arrived.
	proper, err := hook.js.OrderedConsumer(t.Context(), "AC_MAIN_EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proper.Next(jetstream.FetchMaxWait(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if last := owner.last(t, "AC_MAIN_LOG"); last != 0 {
		t.Errorf("the log holds %d messages", last)
	}
	if last := events.last(t, "AC_MAIN_EVENTS"); last != 1 {
		t.Errorf("the events end at %d", last)
	}
}

func TestWhoMayEraseMessages(t *testing.T) {
	s := runNATS(t, nil)
	provision(t, s)
	worker, apiUser := connect(t, s, "worker"), connect(t, s, "api")
	if _, err := apiUser.js.Publish(t.Context(), "ac.main.rev.movies.x", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	// The acknowledgement of a write names its sequence, as a request to erase
	// it would.
	if err := apiUser.PublishRequest("ac.main.rev.movies.y", "$JS.API.STREAM.MSG.DELETE.AC_MAIN_LOG", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := apiUser.js.Publish(t.Context(), "ac.main.rev.movies.z", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	log, err := worker.js.Stream(t.Context(), "AC_MAIN_LOG")
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(3) {
		if _, err := log.GetMsg(t.Context(), seq+1); err != nil {
			t.Errorf("message %d: %v", seq+1, err)
		}
	}
	if err := log.SecureDeleteMsg(t.Context(), 1); err != nil {
		t.Errorf("the worker may not erase: %v", err)
	}
	if _, err := log.GetMsg(t.Context(), 1); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("it is still there: %v", err)
	}
}
