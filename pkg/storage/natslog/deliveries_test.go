package natslog_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

// TestAPageOfDeliveriesCostsWhatItHolds lists deliveries among many others of
// the same webhook and of others: each page is the next newest, and what is read
// for it does not grow with what is in the stream.
func TestAPageOfDeliveriesCostsWhatItHolds(t *testing.T) {
	ctx := t.Context()
	n, err := natslog.StartEmbedded(t.TempDir(), natslog.Sync{Barrier: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	js, err := jetstream.New(n.Conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := natslog.ProvisionDeliveries(ctx, js, natslog.OutwardOptions{}); err != nil {
		t.Fatal(err)
	}
	d, err := natslog.OpenDeliveries(ctx, n.Conn, natslog.OutwardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want, seq := map[string][]uint64{}, uint64(0)
	put := func(hook string) {
		t.Helper()
		seq++
		b, err := json.Marshal(storage.Delivery{Webhook: hook, Seq: seq})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.PublishAsync("ac.main.delivery."+hook+".notes.n", b, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
		want[hook] = append(want[hook], seq)
	}
	for range 5000 {
		put("old")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 8000 {
		switch r.IntN(1000) {
		case 0:
			put("rare")
		case 1, 2, 3:
			put("some")
		default:
			put("many")
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		t.Fatal("the deliveries are not stored")
	}
	for hook, pages := range map[string]int{"old": 3, "many": 3, "some": 100, "rare": 100, "none": 1} {
		slices.Reverse(want[hook])
		var got []uint64
		for before, page := uint64(0), 0; page < pages; page++ {
			const limit = 20
			asked := n.Conn.Stats().OutMsgs
			items, next, err := d.List(ctx, hook, before, limit)
			if err != nil {
				t.Fatal(err)
			}
			if cost := n.Conn.Stats().OutMsgs - asked; cost > limit*40 {
				t.Errorf("%s: a page of %d took %d requests", hook, len(items), cost)
			}
			if len(items) != limit && next > 0 {
				t.Errorf("%s: a page has %d items and is not the last", hook, len(items))
			}
			for _, x := range items {
				got = append(got, x.Seq)
			}
			if before = next; next == 0 {
				break
			}
		}
		if all := want[hook]; !slices.Equal(got, all[:min(len(all), pages*20)]) {
			t.Errorf("%s: the pages hold %v of %v", hook, got, all[:min(len(all), pages*20)])
		}
	}
}
