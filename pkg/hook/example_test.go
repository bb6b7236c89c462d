package hook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/pkg/hook"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// Movie is the data of the events in these examples.
type Movie struct {
	Title string `json:"title"`
}

// connected is a program that holds two movies, and a connection to its events.
func connected() (nc *nats.Conn, stop func()) {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies")
	r, err := app.Start(context.Background(), autocrud.Settings{Addr: "127.0.0.1:0", Storage: "memory", LogLevel: "error", NatsListen: "127.0.0.1:0"})
	if err != nil {
		panic(err)
	}
	movies := resource.For[Movie](r.Manager, "movies")
	for _, id := range []string{"alien", "heat"} {
		if _, err := movies.Create(context.Background(), Movie{strings.ToUpper(id)}, resource.CreateOptions{ID: id}); err != nil {
			panic(err)
		}
	}
	if nc, err = nats.Connect("nats://" + eventsOf(r.URL)); err != nil {
		panic(err)
	}
	return nc, func() { nc.Close(); _ = r.Stop() }
}

// eventsOf asks a program where its events are read.
func eventsOf(url string) string {
	answer, err := http.Get(url + "/asyncapi.json")
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	var document struct {
		Servers struct{ NATS struct{ Host string } }
	}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil {
		panic(err)
	}
	return document.Servers.NATS.Host
}

func ExampleSubscribe() {
	nc, stop := connected()
	defer stop()
	ctx, done := context.WithCancel(context.Background())
	err := hook.Subscribe(ctx, nc, hook.Options{Name: "printer", Type: "movies", Begin: hook.Start}, func(_ context.Context, e hook.Event[Movie]) error {
		fmt.Println(e.Action, e.Data.Title)
		if e.Data.Title == "HEAT" {
			done() // a program listens for as long as it lives
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// created ALIEN
	// created HEAT
	// <nil>
}

func ExampleSince() {
	nc, stop := connected()
	defer stop()
	ctx, done := context.WithCancel(context.Background())
	o := hook.Options{Type: "movies", ID: "alien", Begin: hook.Since(time.Now().Add(-time.Hour))}
	err := hook.Subscribe(ctx, nc, o, func(_ context.Context, e hook.Event[Movie]) error {
		fmt.Println(e.Action, e.Data.Title)
		done()
		return nil
	})
	fmt.Println(err)
	// Output:
	// created ALIEN
	// <nil>
}

func ExampleFatal() {
	nc, stop := connected()
	defer stop()
	ctx, done := context.WithCancel(context.Background())
	o := hook.Options{Type: "movies", ID: "alien", Begin: hook.Start, DeadLetter: func(_ context.Context, f hook.Failed) error {
		fmt.Println("set aside after", f.Attempts, "attempt:", f.Err)
		done()
		return nil
	}}
	err := hook.Subscribe(ctx, nc, o, func(_ context.Context, e hook.Event[Movie]) error {
		return hook.Fatal(errors.New("nothing can be done with " + e.Data.Title))
	})
	fmt.Println(err)
	// Output:
	// set aside after 1 attempt: nothing can be done with ALIEN
	// <nil>
}
