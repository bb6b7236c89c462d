// Subscriber is a program of its own that hears what happens to planets: run the
// quickstart with AUTOCRUD_NATS_LISTEN=127.0.0.1:4222, then this.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/nats-io/nats.go"

	"github.com/autocrud-go/autocrud/pkg/hook"
)

// Planet is as much of the data as this program needs.
type Planet struct {
	Name string `json:"name"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	url := nats.DefaultURL
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	if err := follow(ctx, url, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// follow prints what happens until ctx ends. Under the same name it goes on
// where it was.
func follow(ctx context.Context, url string, out io.Writer) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	return hook.Subscribe(ctx, nc, hook.Options{Name: "printer", Type: "planets", Begin: hook.Start},
		func(_ context.Context, e hook.Event[Planet]) error {
			name := "?" // a purge leaves no data
			if e.Data != nil {
				name = e.Data.Name
			}
			_, err := fmt.Fprintf(out, "%d %s %s (%s)\n", e.Seq, e.Action, e.Resource, name)
			return err
		})
}
