#!/bin/sh
# Package:   github.com/nats-io/nats-server/v2 v2.15.2, github.com/nats-io/nats.go v1.55.0
# Behaviour: a publish with a message id and an expected last sequence is stored,
#            and its publisher sends it again because the answer was lost. With one
#            replica the server compares the sequence first: the repetition is
#            refused, as if another publisher had won. With three replicas it looks
#            for the id first and acknowledges a duplicate. The same holds for the
#            condition on the last sequence of a subject.
# Surprise:  a retry that is safe in the cluster fails on the one server of a
#            developer. After 10071 a publisher has to look for its own message
#            before it believes that it lost.
# Seen:      R1 stream first=stored 1 again=error 10071
#            R1 subject first=stored 2 again=error 10071
#            R3 stream first=stored 1 again=duplicate of 1
#            R3 subject first=stored 2 again=duplicate of 2
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// until calls f until it succeeds, at most a minute.
func until(f func() error) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			log.Fatal(err)
		}
	}
}

// cluster starts three servers and returns a connection to the first. Each has to
// know its routes before it starts, so the ports are asked for beforehand.
func cluster() *nats.Conn {
	var ports []int
	var listeners []net.Listener
	var routes []*url.URL
	for range 3 {
		l := must(net.Listen("tcp", "127.0.0.1:0"))
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		listeners = append(listeners, l)
	}
	for _, l := range listeners {
		l.Close()
	}
	var first *server.Server
	for i, port := range ports {
		s := must(server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true,
			JetStream: true, StoreDir: filepath.Join(os.Args[1], fmt.Sprint("n", i)),
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}, Routes: routes,
		}))
		s.Start()
		if first == nil {
			first = s
		}
	}
	var nc *nats.Conn
	until(func() (err error) { nc, err = nats.Connect(first.ClientURL()); return err })
	return nc
}

func say(ack *jetstream.PubAck, err error) string {
	var refused *jetstream.APIError
	switch {
	case errors.As(err, &refused):
		return fmt.Sprint("error ", refused.ErrorCode)
	case err != nil:
		return err.Error()
	case ack.Duplicate:
		return fmt.Sprint("duplicate of ", ack.Sequence)
	}
	return fmt.Sprint("stored ", ack.Sequence)
}

func main() {
	ctx := context.Background()
	js := must(jetstream.New(cluster()))
	for _, replicas := range []int{1, 3} {
		name := fmt.Sprint("R", replicas)
		until(func() error {
			_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}, Replicas: replicas})
			return err
		})
		for _, c := range []struct {
			on        string
			condition jetstream.PublishOpt
		}{{"stream", jetstream.WithExpectLastSequence(0)}, {"subject", jetstream.WithExpectLastSequencePerSubject(1)}} {
			send := func() string {
				return say(js.Publish(ctx, name, []byte("x"), jetstream.WithMsgID(c.on), c.condition))
			}
			first := send()
			fmt.Printf("%s %s first=%s again=%s\n", name, c.on, first, send())
		}
	}
}
GO
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod
{ go mod init probe && go get github.com/nats-io/nats-server/v2@v2.15.2 github.com/nats-io/nats.go@v1.55.0 && go build -o probe .; } >log 2>&1 ||
	{ cat log; echo "the packages could not be installed" >&2; exit 2; }
got=$(./probe "$dir/store")
want='R1 stream first=stored 1 again=error 10071
R1 subject first=stored 2 again=error 10071
R3 stream first=stored 1 again=duplicate of 1
R3 subject first=stored 2 again=duplicate of 2'
echo "$got"
[ "$got" = "$want" ] || { echo "changed; it was:
$want" >&2; exit 1; }
