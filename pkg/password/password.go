// Package password keeps passwords as argon2id hashes (RFC 9106) with their parameters
// in the text, and refuses those that are guessed first. Hashing takes memory and time
// on purpose, so that only so many are made at a time: a flood of sign-ins waits or is
// refused, and the rest of the program goes on.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// Min and Max are how many bytes a password has.
const (
	Min = 12
	Max = 256
)

// The parameters of new hashes (OWASP Password Storage Cheat Sheet): 19 MiB, two passes.
const (
	memory  = 19 << 10 // KiB
	passes  = 2
	threads = 1
	keySize = 32
	salt    = 16
)

// Parameters of a stored hash beyond these are not believed: they would take the
// memory of the program.
const (
	maxMemory = 256 << 10 // KiB
	maxPasses = 16
)

// ErrBusy: too many passwords are being checked already.
var ErrBusy = errors.New("too many passwords are checked at the same time")

// maxWaiting is how many may wait for their turn.
const maxWaiting = 64

var (
	turns   = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	waiting atomic.Int64
)

// turn waits until a hash may be made; release ends it. It is ErrBusy, or that of ctx.
func turn(ctx context.Context) (release func(), err error) {
	if waiting.Add(1) > maxWaiting {
		waiting.Add(-1)
		return nil, ErrBusy
	}
	defer waiting.Add(-1)
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Hash is the text under which a password is stored.
func Hash(ctx context.Context, text string) (string, error) {
	release, err := turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	s := make([]byte, salt)
	_, _ = rand.Read(s) // never fails
	key := argon2.IDKey([]byte(text), s, passes, memory, threads, keySize)
	return encode(hash{memory, passes, threads, s, key}), nil
}

// hash is one as it is stored, in the form of the reference implementation.
type hash struct {
	memory, passes uint32
	threads        uint8
	salt, key      []byte
}

var b64 = base64.RawStdEncoding

func encode(h hash) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

func decode(stored string) (h hash, ok bool) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil {
		return h, false
	}
	var errSalt, errKey error
	h.salt, errSalt = b64.DecodeString(parts[4])
	h.key, errKey = b64.DecodeString(parts[5])
	ok = errSalt == nil && errKey == nil && len(h.key) >= 16 && h.memory >= 8 && h.memory <= maxMemory && h.passes >= 1 && h.passes <= maxPasses && h.threads >= 1
	return h, ok
}

// The hash of no user is compared with where there is none, so that it takes as long.
var nobodys = hash{memory, passes, threads, make([]byte, salt), make([]byte, keySize)}

// Check compares a password with a stored hash. Outdated tells that the hash was made
// with other parameters than new ones are. A hash that cannot be read, or is empty, is
// that of no password, and takes as long to find out.
func Check(ctx context.Context, stored, text string) (good, outdated bool, err error) {
	h, ok := decode(stored)
	if !ok {
		h = nobodys
	}
	release, err := turn(ctx)
	if err != nil {
		return false, false, err
	}
	defer release()
	if len(text) > Max {
		text = text[:Max] // no password is longer
		ok = false
	}
	key := argon2.IDKey([]byte(text), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
	good = subtle.ConstantTimeCompare(key, h.key) == 1 && ok
	return good, good && (h.memory != memory || h.passes != passes || h.threads != threads), nil
}
