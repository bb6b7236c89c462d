// Package testenv starts the real parts that tests run against.
package testenv

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

// Log starts an embedded server in a throw-away folder and opens its log
// behind the commit barrier. edit may change the options before that.
func Log(t testing.TB, edit func(*natslog.Options)) *natslog.Log {
	t.Helper()
	l, stop, err := OpenLog(t, t.TempDir(), edit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return l
}

// OpenLog is Log on a folder that may outlive the server.
func OpenLog(t testing.TB, dir string, edit func(*natslog.Options)) (*natslog.Log, func(), error) {
	t.Helper()
	l, _, stop, err := openLog(t, dir, natslog.Listen{}, edit)
	return l, stop, err
}

func openLog(t testing.TB, dir string, listen natslog.Listen, edit func(*natslog.Options)) (*natslog.Log, *natslog.Embedded, func(), error) {
	n, err := natslog.StartListening(dir, natslog.Sync{Barrier: true}, listen)
	if err != nil {
		return nil, nil, nil, err
	}
	o := natslog.Options{Sole: true, BlockDir: n.BlockDir("main")}
	if edit != nil {
		edit(&o)
	}
	js, err := jetstream.New(n.Conn)
	if err == nil {
		err = natslog.Provision(t.Context(), js, o)
	}
	if err != nil {
		n.Stop()
		return nil, nil, nil, err
	}
	l, err := natslog.Open(t.Context(), n.Conn, o)
	if err != nil {
		n.Stop()
		return nil, nil, nil, err
	}
	return l, n, func() { l.Close(); n.Stop() }, nil
}

// Outward provisions and opens the stream of events of a server.
func Outward(t testing.TB, nc *nats.Conn, o natslog.OutwardOptions) *natslog.Outward {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := natslog.ProvisionOutward(t.Context(), js, o); err != nil {
		t.Fatal(err)
	}
	w, err := natslog.OpenOutward(t.Context(), nc, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
