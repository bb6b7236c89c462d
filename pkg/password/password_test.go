package password_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/password"
)

func TestAPasswordIsKnownByItsHash(t *testing.T) {
	const text = "eleven blue whales"
	stored, err := password.Hash(t.Context(), text)
	if err != nil || !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(stored, text) {
		t.Fatalf("%q, %v", stored, err)
	}
	again, _ := password.Hash(t.Context(), text)
	if again == stored {
		t.Error("two hashes of one password are equal")
	}
	for what, x := range map[string]struct {
		stored, text   string
		good, outdated bool
	}{
		"the password":      {stored, text, true, false},
		"another one":       {stored, text + "x", false, false},
		"none":              {stored, "", false, false},
		"no hash":           {"", text, false, false},
		"the hash itself":   {stored, stored, false, false},
		"another algorithm": {strings.Replace(stored, "argon2id", "argon2i", 1), text, false, false},
		// "m=64,t=1,p=1", salt "somesalt", of "password", by the reference implementation's form
		"too much memory": {strings.Replace(stored, "m=19456", "m=99999999", 1), text, false, false},
		"no passes":       {strings.Replace(stored, "t=2", "t=0", 1), text, false, false},
		"a long text":     {stored, strings.Repeat("x", 1<<20), false, false},
	} {
		good, outdated, err := password.Check(t.Context(), x.stored, x.text)
		if good != x.good || outdated != x.outdated || err != nil {
			t.Errorf("%s: %v, outdated %v, %v", what, good, outdated, err)
		}
	}
}

// A thousand at the same time are not hashed at the same time.
func TestHashesAreMadeAFewAtATime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	busy := 0
	for range 1000 {
		wg.Go(func() {
			if _, _, err := password.Check(ctx, "", "x"); errors.Is(err, password.ErrBusy) {
				mu.Lock()
				busy++
				if busy == 100 {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	cancel()
	if busy < 100 {
		t.Errorf("%d of 1000 were refused", busy)
	}
	if _, err := password.Hash(t.Context(), "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestPasswordsThatAreGuessedFirstAreWeak(t *testing.T) {
	for _, text := range []string{"", "short", "elevenchars", "password1234", "Passw0rd2026!", "P@ssw0rd!!!!", "qwertyuiop12", "123456789012", "aaaaaaaaaaaa", "abcabcabcabc",
		"98765432109876", "iloveyou2026", "letmein12345", "administrator", "welcome12345", "changeme!!!!!", "correcthorsebatterystaple", "abcdefghijkl", "12121212121212",
		"ann@example.com", "Ann.Example.1", strings.Repeat("x1", 200)} {
		if password.Weak(text, "Ann", "ann@example.com") == "" {
			t.Errorf("%q is taken", text)
		}
	}
	for _, text := range []string{"eleven blue whales", "Tr0ub4dor&3xyz", "zwölf grüne Frösche", "x9!kf02ma.qe", "my cat reads newspapers", "passwords are for dogs", "8402759163048275"} {
		if why := password.Weak(text, "Ann"); why != "" {
			t.Errorf("%q %s", text, why)
		}
	}
}
