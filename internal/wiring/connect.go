package wiring

import (
	"time"

	"github.com/nats-io/nats.go"
)

// login is the user that connects.
type login struct{ user, password, creds string }

// connect reaches the NATS server of the settings. Nothing is buffered while
// the connection is away: a write fails then, and the log decides about it.
func connect(set *Settings) (*nats.Conn, error) {
	return set.dial(login{set.NatsUser, set.NatsPassword, set.NatsCreds})
}

// connectEvents reaches the account with the stream of events, which may be
// that of the log.
func connectEvents(set *Settings, log *nats.Conn) (*nats.Conn, error) {
	if set.NatsEventsUser == "" && set.NatsEventsCreds == "" {
		return log, nil
	}
	password := set.NatsEventsPassword
	if password == "" {
		password = set.NatsPassword
	}
	return set.dial(login{set.NatsEventsUser, password, set.NatsEventsCreds})
}

func (s *Settings) dial(as login) (*nats.Conn, error) {
	o := []nats.Option{nats.Name("autocrud " + s.Service), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), nats.Timeout(5 * time.Second), nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2)}
	if s.NatsInbox != "" {
		o = append(o, nats.CustomInboxPrefix(s.NatsInbox))
	}
	if as.user != "" {
		o = append(o, nats.UserInfo(as.user, as.password))
	}
	if as.creds != "" {
		o = append(o, nats.UserCredentials(as.creds))
	}
	if s.NatsCA != "" {
		o = append(o, nats.RootCAs(s.NatsCA))
	}
	nc, err := nats.Connect(s.NatsURL, o...)
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
