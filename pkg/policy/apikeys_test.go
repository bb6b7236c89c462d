package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/policy"
)

// keyring knows so many keys; tokens of some of them come with it.
func keyring(n int) (a *policy.Access, tokens []string) {
	a = policy.NewAccess(nil, nil, nil)
	for i := range n {
		secret := fmt.Sprintf("%064x", i)
		a.AddKey(fmt.Sprint("id", i), fmt.Sprint("key", i), secret)
		if i%(max(1, n/10)) == 0 {
			tokens = append(tokens, fmt.Sprintf("ack_id%d_%s", i, secret))
		}
	}
	return a, tokens
}

func BenchmarkKey(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		a, tokens := keyring(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := range b.N {
				if _, _, err := a.Key(tokens[i%len(tokens)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A key among ten thousand is found as fast as one among ten, and so is one that is
// none: the best of many tries of each, so that a busy machine does not count.
func TestAKeyIsFoundInConstantTime(t *testing.T) {
	best := func(a *policy.Access, tokens []string) time.Duration {
		fastest := time.Hour
		for range 200 {
			begun := time.Now()
			for i := range 100 {
				_, _, _ = a.Key(tokens[i%len(tokens)]) // some are none
			}
			fastest = min(fastest, time.Since(begun)/100)
		}
		return fastest
	}
	few, fewTokens := keyring(10)
	many, manyTokens := keyring(10_000)
	for i, x := range append(fewTokens, manyTokens...) {
		a := many
		if i < len(fewTokens) {
			a = few
		}
		if who, _, err := a.Key(x); err != nil || !strings.HasPrefix(who.Principal, "key:key") {
			t.Fatalf("%s: %v, %v", x, who, err)
		}
	}
	wrong := []string{"ack_id1_" + strings.Repeat("f", 64), "ack_id99999_" + strings.Repeat("f", 64)}
	among10, among10000, none := best(few, fewTokens), best(many, manyTokens), best(many, wrong)
	t.Logf("among 10: %s, among 10,000: %s, a wrong one: %s", among10, among10000, none)
	if among10000 > 3*among10 || none > 3*among10 {
		t.Errorf("among 10: %s, among 10,000: %s, a wrong one: %s", among10, among10000, none)
	}
}
