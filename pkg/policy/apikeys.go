package policy

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// APIKeys is the built-in type of the credentials of programs.
const APIKeys = "api-keys"

const apiKeySchema = `{"type":"object","required":["name"],"additionalProperties":false,"properties":{
	"name":{"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$","description":"the key is the subject key:<name>"},
	"description":{"type":"string","maxLength":500},
	"groups":{"type":"array","maxItems":100,"uniqueItems":true,"items":{"type":"string","minLength":1,"maxLength":200},"default":[]},
	"expires_at":{"type":["string","null"],"format":"date-time","default":null},
	"scopes":{"type":["array","null"],"maxItems":50,"default":null,"description":"what the key is limited to, besides what its roles allow; null: nothing more","items":{
		"type":"object","required":["types","actions"],"additionalProperties":false,"properties":{
			"types":{"type":"array","minItems":1,"maxItems":100,"items":{"type":"string","minLength":1,"maxLength":64}},
			"actions":{"type":"array","minItems":1,"maxItems":50,"items":{"type":"string","minLength":1,"maxLength":64}}}}}}}`

// APIKeyType is the type of APIKeys.
func APIKeyType() (*model.Type, error) {
	return model.NewType(model.Type{Name: APIKeys, Title: "API key", Builtin: true, Schema: json.RawMessage(apiKeySchema), Index: []string{"name", "expires_at"},
		Unique: [][]string{{"name"}}, Secret: "secret", Hashed: true})
}

// SmallEnough keeps what decides about access within its events.
func SmallEnough(content []byte) error {
	if len(content) > storage.InlineLimit {
		return fault.Errorf(fault.TooLarge, "the content has %d bytes, the most is %d", len(content), storage.InlineLimit)
	}
	return nil
}

// Key is a key as requests are checked against it.
type Key struct {
	Name    string      `json:"name"`
	Groups  []string    `json:"groups"`
	Expires *time.Time  `json:"expires_at"`
	Scopes  []Rule      `json:"scopes"`
	Boxes   []model.Box `json:"secret"`

	Identity *Identity     `json:"-"` // one for all requests, which keeps what they may do
	Used     *atomic.Int64 `json:"-"` // the second in which it was used last; 0: not by this process
}

// keyPrefix begins every API key, so that one that got lost can be found.
const keyPrefix = "ack_"

// A secret is 256 random bits. One hash of it is enough: there is nothing that
// could be guessed, as there is with passwords.
const SecretBytes = 32

// KeyText is an API key as its user writes it; "" without a secret.
func KeyText(id, secret string) string {
	if secret == "" {
		return ""
	}
	return keyPrefix + id + "_" + secret
}

// HashKey is the hash under which an API key is stored.
func HashKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// MaxOverlap is how long the secret before a rotation may stay good.
const MaxOverlap = 30 * 24 * time.Hour

// errCredential says no more: which part is wrong helps only a thief.
func errCredential() error {
	return fault.Errorf(fault.Unauthenticated, "the credential is not valid, has expired or was revoked")
}

// Key finds the actor of an API key, and until when it is good: zero is for ever. The lookup is
// by the id in it; the secret is compared in constant time.
func (a *Access) Key(token string) (who Actor, until time.Time, err error) {
	if who, ok := a.adminKey(token); ok {
		return who, until, nil
	}
	rest, ok := strings.CutPrefix(token, keyPrefix)
	i := strings.LastIndexByte(rest, '_')
	if !ok || i < 0 || len(rest)-i-1 != 2*SecretBytes {
		return who, until, errCredential()
	}
	a.Mu.RLock()
	k := a.Keys[rest[:i]]
	a.Mu.RUnlock()
	if k == nil {
		k = &Key{} // takes as long
	}
	hash, now := []byte(HashKey(rest[i+1:])), a.now()
	good := false
	for n, b := range k.Boxes {
		if subtle.ConstantTimeCompare([]byte(b.Key), hash) == 1 && (n == 0 || b.Until != nil && now.Before(*b.Until)) {
			good = true
			if n > 0 {
				until = *b.Until
			}
		}
	}
	if k.Expires != nil && (until.IsZero() || k.Expires.Before(until)) {
		until = *k.Expires
	}
	if !good || k.expired(now) {
		return who, until, errCredential()
	}
	if second := now.Unix(); k.Used.Load() != second {
		k.Used.Store(second)
	}
	return Actor{Principal: "key:" + k.Name, Identity: k.Identity}, until, nil
}

func (k *Key) expired(now time.Time) bool { return k.Expires != nil && !now.Before(*k.Expires) }

// MinAdminKey is how many characters a key with every right has at least.
const MinAdminKey = 32

// AdminPrincipal is the principal of such a key.
const AdminPrincipal = "admin"

// AddAdminKey makes a key one with every right, by its SHA-256.
func (a *Access) AddAdminKey(hash [sha256.Size]byte) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.admin = append(a.admin, hash[:])
}

func (a *Access) adminKey(token string) (Actor, bool) {
	sum := sha256.Sum256([]byte(token))
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	good := 0
	for _, h := range a.admin {
		good |= subtle.ConstantTimeCompare(h, sum[:])
	}
	if good != 1 {
		return Actor{}, false
	}
	return Actor{Principal: AdminPrincipal, Identity: &Identity{Admin: true}}, true
}

// Formerly is the id of the key that had a name last, as far as the log tells.
func (a *Access) Formerly(name string) (id string, known bool) {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	id, known = a.former[name]
	return id, known
}

// ReadKey reads a key as it is stored.
func ReadKey(content []byte) (*Key, error) {
	k := &Key{}
	if err := json.Unmarshal(content, k); err != nil {
		return nil, fmt.Errorf("API key: %w", err)
	}
	k.Identity, k.Used = &Identity{Groups: k.Groups, Scopes: k.Scopes}, &atomic.Int64{}
	return k, nil
}

// CreatorOf is who a principal is when something is done for it later, as a job
// is for who made it: with the rights that it has by then. The program itself is
// nil. The groups of a user are those that it was in when it asked.
func (a *Access) CreatorOf(principal string, groups []string) *Identity {
	switch {
	case principal == AdminPrincipal:
		return &Identity{Admin: true}
	case principal == Anonymous, principal == Public:
		return &Identity{Public: true, acting: true}
	case strings.HasPrefix(principal, "key:"), strings.HasPrefix(principal, "user:"):
		return &Identity{Groups: groups, acting: true}
	case strings.HasPrefix(principal, ScheduleSubject) && a.binds(principal):
		return &Identity{acting: true}
	}
	return nil
}

// binds reports whether a binding gives a subject a role.
func (a *Access) binds(subject string) bool {
	defer a.tables()()
	return len(a.subjects[subject]) > 0
}

// AsNow is an actor with what its key, or its user, has now, when something is done for
// it: a key that is gone, or has expired, and a user that is gone, or disabled, leave no
// right.
func (a *Access) AsNow(actor Actor) Actor {
	if !actor.Identity.acting {
		return actor
	}
	if id, isUser := strings.CutPrefix(actor.Principal, UserSubject); isUser && a.IsUserID(id) {
		now := &Identity{Scopes: []Rule{}, Limit: actor.Identity.Limit}
		if u := a.User(id); u != nil && !u.Disabled {
			now.Groups, now.Scopes = u.Groups, nil
		}
		actor.Identity = now
		return actor
	}
	name, isKey := strings.CutPrefix(actor.Principal, "key:")
	if !isKey {
		return actor
	}
	a.Mu.RLock()
	k := a.holders[name]
	a.Mu.RUnlock()
	now := &Identity{Scopes: []Rule{}, Limit: actor.Identity.Limit} // an empty list leaves nothing
	if k != nil && !k.expired(a.now()) {
		now.Groups, now.Scopes = k.Groups, k.Scopes
	}
	actor.Identity = now
	return actor
}
