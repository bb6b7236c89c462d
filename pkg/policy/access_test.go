package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A key is found in the same time among many as among few, and a new one does not
// cost what there are already.
func TestKeysByTheThousandAreFoundInConstantTime(t *testing.T) {
	lookup := func(n int) (found, added time.Duration) {
		a := policy.NewAccess(nil, nil, nil)
		begun := time.Now()
		for i := range n {
			a.Apply(&storage.Event{Seq: uint64(i + 1), Action: storage.Created, Meta: storage.Meta{Type: policy.APIKeys, ID: fmt.Sprint("k", i)},
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
