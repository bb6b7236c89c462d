package wiring

import (
	"time"

	"github.com/nats-io/nats.go"
)

// connect reaches the NATS server of the settings. Nothing is buffered while
// the connection is away: a write fails then, and the log decides about it.
func connect(set *Settings) (*nats.Conn, error) {
	o := []nats.Option{nats.Name("autocrud " + set.Service), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), nats.Timeout(5 * time.Second), nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2)}
	if set.NatsInbox != "" {
		o = append(o, nats.CustomInboxPrefix(set.NatsInbox))
	}
	if set.NatsUser != "" {
		o = append(o, nats.UserInfo(set.NatsUser, set.NatsPassword))
	}
	if set.NatsCreds != "" {
		o = append(o, nats.UserCredentials(set.NatsCreds))
	}
	if set.NatsCA != "" {
		o = append(o, nats.RootCAs(set.NatsCA))
	}
	nc, err := nats.Connect(set.NatsURL, o...)
	if err != nil { // the address may hold a password
		return nil, wrong("--nats-url does not answer: %v", err)
	}
	return nc, nil
}

// replicas of the streams: three where the server is one of a cluster.
func replicas(set *Settings, nc *nats.Conn) int {
	if set.NatsReplicas > 0 {
		return set.NatsReplicas
	}
	if nc.ConnectedClusterName() != "" {
		return 3
	}
	return 1
}
