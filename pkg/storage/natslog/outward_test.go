package natslog_test

import (
	"strconv"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

func TestOutward(t *testing.T) {
	for name, o := range map[string]natslog.OutwardOptions{"File": {}, "Memory": {Memory: true}} {
		t.Run(name, func(t *testing.T) {
			storagetest.TestOutward(t, func(t *testing.T) storagetest.OutwardUnderTest { return openOutward(t, o) })
		})
	}
}

func openOutward(t *testing.T, o natslog.OutwardOptions) storagetest.OutwardUnderTest {
	n, err := natslog.StartEmbedded(t.TempDir(), natslog.Sync{Barrier: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	js, err := jetstream.New(n.Conn)
	if err != nil {
		t.Fatal(err)
	}
	return storagetest.OutwardUnderTest{A: testenv.Outward(t, n.Conn, o), B: testenv.Outward(t, n.Conn, o), Holds: func() (out []uint64) {
		s, err := js.Stream(t.Context(), natslog.OutwardName("main"))
		if err != nil {
			t.Fatal(err)
		}
		for seq := s.CachedInfo().State.FirstSeq; seq <= s.CachedInfo().State.LastSeq; seq++ {
			if m, err := s.GetMsg(t.Context(), seq); err == nil {
				at, _ := strconv.ParseUint(m.Header.Get("ce-sequence"), 10, 64)
				out = append(out, at)
			}
		}
		return out
	}}
}
