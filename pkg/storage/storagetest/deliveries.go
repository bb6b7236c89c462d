package storagetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestDeliveries holds an adapter to the contract of storage.Deliveries. Open gives
// a new, empty one.
func TestDeliveries(t *testing.T, open func(t *testing.T) storage.Deliveries) {
	record := func(t *testing.T, d storage.Deliveries, webhook, id string, seq uint64) {
		t.Helper()
		err := d.Record(t.Context(), storage.Delivery{Webhook: webhook, EventID: fmt.Sprint("e", seq), Type: "notes", Resource: id,
			Action: storage.Created, Seq: seq, Attempt: 1, At: time.Unix(int64(seq), 0).UTC(), Outcome: "delivered", Status: 204})
		if err != nil {
			t.Fatal(err)
		}
	}
	// walk lists all deliveries of a webhook, in pages of two.
	walk := func(t *testing.T, d storage.Deliveries, webhook string) (seqs []uint64) {
		t.Helper()
		for before, pages := uint64(0), 0; pages < 20; pages++ {
			page, next, err := d.List(t.Context(), webhook, before, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > 2 {
				t.Fatalf("a page of two has %d", len(page))
			}
			for _, one := range page {
				if one.Webhook != webhook {
					t.Errorf("a delivery of %s is listed for %s", one.Webhook, webhook)
				}
				seqs = append(seqs, one.Seq)
			}
			if before = next; next == 0 {
				return seqs
			}
		}
		t.Fatal("the pages have no end")
		return nil
	}
	same := func(t *testing.T, got []uint64, want ...uint64) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("listed are %v, want %v", got, want)
		}
	}
	t.Run("PagesOfAWebhookAreNewestFirst", func(t *testing.T) {
		d := open(t)
		for seq := range uint64(5) {
			record(t, d, "first", "a", 2*seq+1)
			record(t, d, "second", "a", 2*seq+2)
		}
		same(t, walk(t, d, "first"), 9, 7, 5, 3, 1)
		same(t, walk(t, d, "second"), 10, 8, 6, 4, 2)
		same(t, walk(t, d, "third"))
	})
	t.Run("ADeliveryKeepsWhatItWas", func(t *testing.T) {
		d := open(t)
		want := storage.Delivery{Webhook: "w", EventID: "e1", Type: "notes", Resource: "a", Action: storage.Updated, Seq: 7, Attempt: 2,
			At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), DurationMS: 1.5, Outcome: "failed", Status: 500, Error: "500 Internal Server Error",
			Request: storage.DeliveryRequest{URL: "https://example.com", Headers: map[string]string{"A": "b"}, Body: []byte(`{"c":1}`)}, Response: "no"}
		if err := d.Record(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if page, _, err := d.List(t.Context(), "w", 0, 10); err != nil || len(page) != 1 || fmt.Sprintf("%+v", page[0]) != fmt.Sprintf("%+v", want) {
			t.Errorf("it is %+v, %v", page, err)
		}
	})
	t.Run("EraseDestroysThoseAboutAResource", func(t *testing.T) {
		d := open(t)
		record(t, d, "first", "a", 1)
		record(t, d, "first", "b", 2)
		record(t, d, "second", "a", 3)
		for _, want := range []int{2, 0} { // erasing again finds nothing
			if n, err := d.Erase(t.Context(), "notes", "a"); err != nil || n != want {
				t.Errorf("erased %d, %v; want %d", n, err, want)
			}
		}
		same(t, walk(t, d, "first"), 2)
		same(t, walk(t, d, "second"))
	})
}
