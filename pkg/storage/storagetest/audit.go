package storagetest

import (
	"fmt"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestAudit holds an adapter to the contract of storage.Audit. Open gives a new,
// empty one.
func TestAudit(t *testing.T, open func(t *testing.T) storage.Audit) {
	keep := func(t *testing.T, a storage.Audit, id, data string) {
		t.Helper()
		if err := a.Keep(t.Context(), id, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	bounds := func(t *testing.T, a storage.Audit) (first, last uint64) {
		t.Helper()
		first, last, err := a.Bounds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return first, last
	}
	// read walks from a sequence to one before another.
	read := func(t *testing.T, a storage.Audit, from, before uint64) (out []storage.AuditPiece) {
		t.Helper()
		for from < before {
			pieces, next, err := a.Read(t.Context(), from, before)
			if err != nil {
				t.Fatal(err)
			}
			if next <= from {
				t.Fatalf("from %d it goes on at %d", from, next)
			}
			out, from = append(out, pieces...), next
		}
		return out
	}
	t.Run("ANewOneHoldsNothing", func(t *testing.T) {
		a := open(t)
		if first, last := bounds(t, a); last >= first && last != 0 {
			t.Errorf("from %d to %d", first, last)
		}
		if got := read(t, a, 1, 100); len(got) != 0 {
			t.Errorf("it holds %d pieces", len(got))
		}
	})
	t.Run("PiecesAreReadInTheOrderInWhichTheyCame", func(t *testing.T) {
		a := open(t)
		const all = 450 // more than one Read returns
		for i := range all {
			keep(t, a, fmt.Sprint("id-", i), fmt.Sprint("piece ", i))
		}
		first, last := bounds(t, a)
		got := read(t, a, first, last+1)
		if len(got) != all {
			t.Fatalf("it holds %d pieces, want %d", len(got), all)
		}
		for i, p := range got {
			if want := fmt.Sprint("piece ", i); string(p.Data) != want || i > 0 && p.Seq <= got[i-1].Seq {
				t.Fatalf("piece %d is %q at %d", i, p.Data, p.Seq)
			}
		}
	})
	t.Run("ReadKeepsToItsBounds", func(t *testing.T) {
		a := open(t)
		for i := range 5 {
			keep(t, a, fmt.Sprint("id-", i), fmt.Sprint(i))
		}
		first, _ := bounds(t, a)
		if got := read(t, a, first+1, first+3); len(got) != 2 || string(got[0].Data) != "1" || string(got[1].Data) != "2" {
			t.Errorf("it read %+v", got)
		}
	})
	t.Run("ThePieceOfAnIdIsKeptOnce", func(t *testing.T) {
		a := open(t)
		keep(t, a, "same", "once")
		keep(t, a, "same", "once")
		keep(t, a, "other", "twice")
		first, last := bounds(t, a)
		if got := read(t, a, first, last+1); len(got) != 2 || string(got[1].Data) != "twice" {
			t.Errorf("it holds %+v", got)
		}
	})
}
