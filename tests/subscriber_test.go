package tests_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/hook"
)

// A subscriber outside takes no event from a webhook, puts none into the stream and
// stops nothing, also not over a restart.
func TestASubscriberDisturbsNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	r := newReceiver(t)
	s := autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}
	s.NatsListen, s.AllowWebhookNet, s.LogLevel, s.Addr = listen, []string{"127.0.0.0/8"}, "error", "127.0.0.1:0"
	s.Models = apitest.WriteModels(t, models)
	for round := range 2 {
		p, err := autocrud.New().Start(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		c := apitest.NewClient(t, p.URL)
		if round == 0 {
			c.Post(t, "/v1/webhooks?id=w1", fmt.Sprintf(`{"url":%q}`, r.URL+"/hook")).Want(t, 201)
			c.Post(t, "/v1/movies?id=first", heat).Want(t, 201)
			r.wait(t, 1)
		}
		nc, err := nats.Connect("nats://"+listen, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"webhook-w1--", "webhook-w1", "after-hooks", "none"} {
			for _, call := range []string{"INFO", "MSG.NEXT", "DELETE"} {
				subject := "$JS.API.CONSUMER." + call + ".AC_MAIN_EVENTS." + name
				if err := nc.PublishRequest(subject, "ac.main.event.movies.created.forged", nil); err != nil {
					t.Fatal(err)
				}
				if m, err := nc.Request(subject, nil, 50*time.Millisecond); err == nil && strings.Contains(string(m.Data), `"title"`) {
					t.Errorf("%s: %s", subject, m.Data)
				}
			}
			if err := nc.Publish("$JS.ACK.AC_MAIN_EVENTS."+name+".1.2.2.1.0", []byte("+TERM")); err != nil {
				t.Fatal(err)
			}
		}
		for _, call := range []string{"CONSUMER.NAMES", "CONSUMER.LIST"} {
			if m, err := nc.Request("$JS.API."+call+".AC_MAIN_EVENTS", nil, 100*time.Millisecond); err == nil && strings.Contains(string(m.Data), "webhook") {
				t.Errorf("%s: %s", call, m.Data)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		c.Post(t, fmt.Sprintf("/v1/movies?id=round%d", round), heat).Want(t, 201)
		r.wait(t, 2+round)
		heard := make(chan string, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		go func() {
			_ = hook.Subscribe(ctx, nc, hook.Options{Begin: hook.Start, Logger: quiet}, func(_ context.Context, e hook.Event[map[string]any]) error {
				heard <- e.Resource
				return nil
			})
		}()
		for _, want := range []string{"first", "round0", "round1"}[:2+round] {
			select {
			case got := <-heard:
				if got != want {
					t.Errorf("the stream holds %s, want %s", got, want)
				}
			case <-ctx.Done():
				t.Fatalf("%s is not told", want)
			}
		}
		cancel()
		nc.Close()
		if text := string(c.Get(t, "/metrics").Body); !strings.Contains(text, "\nautocrud_events_foreign_total 0\n") {
			t.Error("foreign messages are counted")
		}
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.got(); len(got) != 3 {
		t.Errorf("%d deliveries, want 3", len(got))
	}
}
