package resource_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Without authentication an operation asks the policy nothing: no allocation, no
// lock, not one rule.
func TestWithoutAPolicyNothingIsAsked(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, "name: notes\nschema: {type: object, properties: {text: {type: string}}}\nindex: [text]\n"), testenv.StackOptions{Memory: true})
	typ, err := s.Manager.Type("notes")
	if err != nil {
		t.Fatal(err)
	}
	ctx := resource.WithActor(t.Context(), resource.Actor{Principal: "ann"})
	if n := testing.AllocsPerRun(100, func() { s.Manager.AskPolicy(ctx, typ) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A key is found in the same time among many as among few, and a new one does not
// cost what there are already.
func TestKeysByTheThousandAreFoundInConstantTime(t *testing.T) {
	lookup := func(n int) (found, added time.Duration) {
		a := resource.NewAccess(nil, nil, nil)
		begun := time.Now()
		for i := range n {
			a.Apply(&storage.Event{Seq: uint64(i + 1), Action: storage.Created, Meta: storage.Meta{Type: resource.APIKeys, ID: fmt.Sprint("k", i)},
				Content: fmt.Appendf(nil, `{"name":"n%d","secret":[{"key":"%064d"}]}`, i, i)})
		}
		added = time.Since(begun) / time.Duration(n)
		best := time.Hour
		for range 20 {
			begun = time.Now()
			for range 200 {
				if _, _, err := a.Key(fmt.Sprintf("ack_k%d_%064d", n/2, 0)); fault.CodeOf(err) != fault.Unauthenticated {
					t.Fatal(err)
				}
			}
			best = min(best, time.Since(begun)/200)
		}
		return best, added
	}
	few, _ := lookup(10)
	many, added := lookup(20_000)
	t.Logf("a look-up among 10 takes %s, among 20,000 %s; a new one %s", few, many, added)
	if many > 5*few+5*time.Microsecond {
		t.Errorf("a look-up among 20,000 takes %s, among 10 %s", many, few)
	}
	if added > time.Millisecond {
		t.Errorf("a new key takes %s", added)
	}
}
