package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
)

// TestItPrintsWhatHappens starts the program that the subscriber listens to.
func TestItPrintsWhatHappens(t *testing.T) {
	app := autocrud.New()
	autocrud.Register[Planet](app, "planets")
	r, err := app.Start(t.Context(), autocrud.Settings{Addr: "127.0.0.1:0", Storage: "memory", Models: t.TempDir() + "/none", NatsListen: "127.0.0.1:0", LogLevel: "error"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	resp, err := http.Post(r.URL+"/v1/planets?id=mars", "application/json", strings.NewReader(`{"name":"Mars"}`))
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	resp, err = http.Get(r.URL + "/asyncapi.json") // it tells where NATS is
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct {
		Servers struct{ NATS struct{ Host string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- follow(ctx, "nats://"+doc.Servers.NATS.Host, write) }()
	line := make([]byte, 100)
	n, err := read.Read(line)
	if got := string(line[:n]); err != nil || !strings.HasSuffix(got, " created mars (Mars)\n") {
		t.Errorf("it printed %q, %v", got, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
