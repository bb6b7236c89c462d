package resource_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

const accountsModel = `
name: accounts
schema: {type: object, required: [balance], properties: {balance: {type: integer}}}
index: [balance]
`

func balance(t *testing.T, s *testenv.Stack, id string) (n int64, event string) {
	t.Helper()
	r, err := s.Manager.Get(t.Context(), "accounts", id, resource.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var d struct{ Balance int64 }
	if err := r.DecodeData(&d); err != nil {
		t.Fatal(err)
	}
	return d.Balance, r.EventID
}

// Transfers between accounts under many clients keep the sum.
func TestAtomicBatchesKeepAnInvariant(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, accountsModel), testenv.StackOptions{})
	const accounts, clients, transfers = 6, 8, 25
	ids := make([]string, accounts)
	for i := range ids {
		ids[i] = create(t, s, "accounts", `{"balance":100}`).ID
	}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range transfers {
				from, to := ids[rand.IntN(accounts)], ids[rand.IntN(accounts)]
				if from == to {
					continue
				}
				a, ea := balance(t, s, from)
				b, eb := balance(t, s, to)
				move := rand.Int64N(20)
				_, err := s.Manager.Batch(t.Context(), []resource.BatchOperation{
					{Op: "update", Type: "accounts", ID: from, Data: testenv.Doc(t, fmt.Sprintf(`{"balance":%d}`, a-move)), IfMatch: resource.Match{Events: []string{ea}}},
					{Op: "update", Type: "accounts", ID: to, Data: testenv.Doc(t, fmt.Sprintf(`{"balance":%d}`, b+move)), IfMatch: resource.Match{Events: []string{eb}}},
				}, true)
				if c := fault.CodeOf(err); err != nil && c != fault.PreconditionFailed {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sum := int64(0)
	for _, id := range ids {
		n, _ := balance(t, s, id)
		sum += n
	}
	if sum != accounts*100 {
		t.Fatalf("the sum is %d", sum)
	}
}

func TestAtomicBatchWritesNothingWhenOneIsRefused(t *testing.T) {
	s := films(t)
	st := create(t, s, "studios", `{"name":"S"}`)
	before, err := s.Log.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	results, err := s.Manager.Batch(t.Context(), []resource.BatchOperation{
		{Op: "create", Type: "films", Data: testenv.Doc(t, `{"title":"A","slug":"a"}`)},
		{Op: "delete", Type: "studios", ID: st.ID},
		{Op: "create", Type: "films", Data: testenv.Doc(t, `{"no":"title"}`)},
	}, true)
	wantCode(t, err, fault.ValidationFailed)
	if len(results) != 3 || fault.CodeOf(results[0].Err) != fault.Conflict || fault.CodeOf(results[2].Err) != fault.ValidationFailed {
		t.Fatalf("%+v", results)
	}
	if after, _ := s.Log.State(t.Context()); after.Last != before.Last {
		t.Fatalf("something was written: %d -> %d", before.Last, after.Last)
	}
}

func TestAtomicBatchSeesItsOwnWrites(t *testing.T) {
	s := films(t)
	ctx := t.Context()
	_, err := s.Manager.Batch(ctx, []resource.BatchOperation{
		{Op: "create", Type: "studios", ID: "new", Data: testenv.Doc(t, `{"name":"S"}`)},
		{Op: "create", Type: "films", ID: "f1", Data: testenv.Doc(t, `{"title":"A","studio":"new","slug":"one"}`)},
		{Op: "create", Type: "films", ID: "f2", Data: testenv.Doc(t, `{"title":"B","studio":"new"}`)},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	// The unique value moves from one to the other in one step.
	_, err = s.Manager.Batch(ctx, []resource.BatchOperation{
		{Op: "update", Type: "films", ID: "f2", Data: testenv.Doc(t, `{"title":"B","studio":"new","slug":"one"}`)},
		{Op: "update", Type: "films", ID: "f1", Data: testenv.Doc(t, `{"title":"A","studio":"new"}`)},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	// Target and sources go together; without the sources it is refused.
	_, err = s.Manager.Batch(ctx, []resource.BatchOperation{{Op: "delete", Type: "studios", ID: "new"}, {Op: "delete", Type: "films", ID: "f1"}}, true)
	wantCode(t, err, fault.Referenced)
	_, err = s.Manager.Batch(ctx, []resource.BatchOperation{{Op: "delete", Type: "studios", ID: "new"},
		{Op: "delete", Type: "films", ID: "f1"}, {Op: "delete", Type: "films", ID: "f2"}}, true)
	if err != nil {
		t.Fatal(err)
	}
}

func TestSameKeyHasOneEffect(t *testing.T) {
	dir := t.TempDir()
	types := testenv.Types(t, accountsModel)
	s := testenv.Open(t, dir, types, testenv.StackOptions{})
	ctx := resource.WithIdempotency(policy.WithActor(t.Context(), policy.Actor{Principal: "ann"}), "k1", "f1")
	ids := make([]string, 20)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			r, err := s.Manager.Create(ctx, "accounts", testenv.Doc(t, `{"balance":1}`), resource.CreateOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = r.ID + r.EventID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("different answers: %v", ids)
		}
	}
	other := resource.WithIdempotency(ctx, "k1", "f2")
	_, err := s.Manager.Create(other, "accounts", testenv.Doc(t, `{"balance":2}`), resource.CreateOptions{})
	wantCode(t, err, fault.IdempotencyMismatch)
	s.Stop()
	s = testenv.Open(t, dir, types, testenv.StackOptions{})
	r, err := s.Manager.Create(ctx, "accounts", testenv.Doc(t, `{"balance":1}`), resource.CreateOptions{})
	if err != nil || r.ID+r.EventID != ids[0] {
		t.Fatalf("after a restart: %v", err)
	}
	l, err := s.Manager.List(t.Context(), "accounts", resource.ListOptions{})
	if err != nil || len(l.Items) != 1 {
		t.Fatalf("%d made, %v", len(l.Items), err)
	}
}
