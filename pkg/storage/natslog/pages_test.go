package natslog_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

// maxPage is what a page may bring, with what ends it.
const maxPage = 13 << 20

// A page of deliveries with large bodies ends early, and a walk meets each once.
func TestAPageOfLargeDeliveriesEndsEarly(t *testing.T) {
	n, err := natslog.StartEmbedded(t.TempDir(), natslog.Sync{Barrier: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	js, err := jetstream.New(n.Conn)
	if err != nil {
		t.Fatal(err)
	}
	o := natslog.OutwardOptions{}
	if err := natslog.ProvisionDeliveries(t.Context(), js, o); err != nil {
		t.Fatal(err)
	}
	d, err := natslog.OpenDeliveries(t.Context(), n.Conn, o)
	if err != nil {
		t.Fatal(err)
	}
	const all = 300
	body := json.RawMessage(`"` + strings.Repeat("x", 64<<10-2) + `"`)
	for i := range all {
		x := storage.Delivery{Webhook: "w", Type: "notes", Resource: "n", Seq: uint64(i + 1), Request: storage.DeliveryRequest{Body: body}}
		if i%3 == 0 {
			x.Request.Body = json.RawMessage("null")
		}
		if err := d.Record(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	var met []uint64
	pages := 0
	for before := uint64(0); ; pages++ {
		page, next, err := d.List(t.Context(), "w", before, 1000)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, x := range page {
			met = append(met, x.Seq)
			size += len(x.Request.Body)
		}
		if size > maxPage {
			t.Errorf("a page of %d bytes", size)
		}
		if before = next; before == 0 {
			break
		}
	}
	slices.Reverse(met)
	for i, seq := range met {
		if seq != uint64(i+1) {
			t.Fatalf("met %v", met)
		}
	}
	if len(met) != all || pages < 1 {
		t.Errorf("%d deliveries in %d pages", len(met), pages+1)
	}
}

// The pieces of a log that are read at once are bounded, and what follows is read
// after them.
func TestTheLogOfAJobIsReadInBoundedPieces(t *testing.T) {
	n, err := natslog.StartEmbedded(t.TempDir(), natslog.Sync{Barrier: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	js, err := jetstream.New(n.Conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := natslog.ProvisionJobLogs(t.Context(), js, natslog.JobLogsOptions{}); err != nil {
		t.Fatal(err)
	}
	l, err := natslog.OpenJobLogs(t.Context(), js, natslog.JobLogsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const all = 40
	for range all {
		if err := l.Append(t.Context(), "tasks", "a", []storage.LogLine{{Text: strings.Repeat("x", 600<<10)}, {Text: "short"}}); err != nil {
			t.Fatal(err)
		}
	}
	lines, reads, after := 0, 0, uint64(0)
	for {
		pieces, err := l.Read(t.Context(), "tasks", "a", after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(pieces) == 0 {
			break
		}
		size := 0
		for _, p := range pieces {
			for _, line := range p.Lines {
				lines++
				size += len(line.Text)
			}
		}
		if size > maxPage {
			t.Errorf("%d bytes at once", size)
		}
		after = pieces[len(pieces)-1].Seq
		reads++
	}
	if lines != 2*all || reads < 2 {
		t.Errorf("%d lines in %d reads", lines, reads)
	}
}
