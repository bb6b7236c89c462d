#!/bin/sh
# Package:   github.com/nats-io/nats-server/v2 v2.15.2, github.com/nats-io/nats.go v1.55.0
# Behaviour: on a stream with counters (AllowMsgCounter) the answer to an increment
#            has the new total in "val". An increment with a message id that is sent
#            again is not counted twice, and its answer has no "val".
# Surprise:  the publisher that lost the first answer, which is why it asks again,
#            never learns the total from the second. Clients that read "val" get an
#            empty text where a number always was; they have to read the last
#            message of the subject.
# Seen:      first {"stream":"C","seq":1,"val":"5"}
#            again {"stream":"C","seq":1,"duplicate": true}
#            stored {"val":"5"}
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"log"
	"os"
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

func main() {
	ctx := context.Background()
	s := must(server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: os.Args[1]}))
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		log.Fatal("the server does not start")
	}
	nc := must(nats.Connect(s.ClientURL()))
	js := must(jetstream.New(nc))
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "C", Subjects: []string{"count.*"}, AllowMsgCounter: true}))
	for _, turn := range []string{"first", "again"} {
		m := nats.NewMsg("count.visits")
		m.Header.Set("Nats-Incr", "5")
		m.Header.Set("Nats-Msg-Id", "visit-1")
		fmt.Println(turn, string(must(nc.RequestMsg(m, 30*time.Second)).Data))
	}
	fmt.Println("stored", string(must(stream.GetLastMsgForSubject(ctx, "count.visits")).Data))
}
GO
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod
{ go mod init probe && go get github.com/nats-io/nats-server/v2@v2.15.2 github.com/nats-io/nats.go@v1.55.0 && go build -o probe .; } >log 2>&1 ||
	{ cat log; echo "the packages could not be installed" >&2; exit 2; }
got=$(./probe "$dir/store")
want='first {"stream":"C","seq":1,"val":"5"}
again {"stream":"C","seq":1,"duplicate": true}
stored {"val":"5"}'
echo "$got"
[ "$got" = "$want" ] || { echo "changed; it was:
$want" >&2; exit 1; }
