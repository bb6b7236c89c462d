package resource

import (
	"context"
	"crypto/rand"
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

// smallEnough keeps what decides about access within its events.
func smallEnough(_ *Manager, content []byte) error {
	if len(content) > InlineLimit {
		return fault.Errorf(fault.TooLarge, "the content has %d bytes, the most is %d", len(content), InlineLimit)
	}
	return nil
}

// apiKey is a key as requests are checked against it.
type apiKey struct {
	Name    string      `json:"name"`
	Groups  []string    `json:"groups"`
	Expires *time.Time  `json:"expires_at"`
	Scopes  []Rule      `json:"scopes"`
	Boxes   []model.Box `json:"secret"`

	identity *Identity     // one for all requests, which keeps what they may do
	used     *atomic.Int64 // the second in which it was used last; 0: not by this process
}

// keyPrefix begins every API key, so that one that got lost can be found.
const keyPrefix = "ack_"

// A secret is 256 random bits. One hash of it is enough: there is nothing that
// could be guessed, as there is with passwords.
const secretBytes = 32

// keyText is an API key as its user writes it; "" without a secret.
func keyText(id, secret string) string {
	if secret == "" {
		return ""
	}
	return keyPrefix + id + "_" + secret
}

// freshKey makes a secret and keeps its hash; the one before is good for the
// time of the rotation.
func (w *mutation) freshKey(now time.Time) []model.Box {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails
	w.secret = hex.EncodeToString(raw)
	list := []model.Box{{Key: hashKey(w.secret)}}
	if old := w.sealed; w.asks.rotate != nil && len(old) > 0 {
		until := now.Add(*w.asks.rotate)
		old[0].Until = &until
		list = append(list, old[0])
	}
	return list
}

func hashKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// MaxOverlap is how long the secret before a rotation may stay good.
const MaxOverlap = 30 * 24 * time.Hour

// RotateKey gives an API key a new secret, which is in the answer. The one before
// stays good for the overlap.
func (m *Manager) RotateKey(ctx context.Context, id string, overlap time.Duration, match Match) (*Resource, error) {
	t, err := m.find(APIKeys, id)
	if err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > MaxOverlap {
		return nil, fault.Errorf(fault.InvalidRequest, "the overlap is from 0s to %s", MaxOverlap)
	}
	p, err := m.planPatch(t, id, Patch{Kind: MergePatch, Body: map[string]any{}}, UpdateOptions{IfMatch: match})
	if err != nil {
		return nil, err
	}
	p.asks.rotate = &overlap
	out, err := m.write(ctx, t, id, p)
	if err != nil {
		return nil, err
	}
	r, err := m.answer(ctx, out.event, out.content)
	if err == nil {
		r.Secret = keyText(r.ID, out.secret)
	}
	return r, err
}

// errCredential says no more: which part is wrong helps nobody but a thief.
func errCredential() error {
	return fault.Errorf(fault.Unauthenticated, "the credential is not valid, has expired or was revoked")
}

// Key finds who has an API key, and until when: zero is for ever. The lookup is
// by the id in it; the secret is compared in constant time.
func (a *Access) Key(token string) (who Actor, until time.Time, err error) {
	if who, ok := a.adminKey(token); ok {
		return who, until, nil
	}
	rest, ok := strings.CutPrefix(token, keyPrefix)
	i := strings.LastIndexByte(rest, '_')
	if !ok || i < 0 || len(rest)-i-1 != 2*secretBytes {
		return who, until, errCredential()
	}
	a.mu.RLock()
	k := a.keys[rest[:i]]
	a.mu.RUnlock()
	if k == nil {
		k = &apiKey{} // takes as long
	}
	hash, now := []byte(hashKey(rest[i+1:])), a.now()
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
	if second := now.Unix(); k.used.Load() != second {
		k.used.Store(second)
	}
	return Actor{Principal: "key:" + k.Name, Identity: k.identity}, until, nil
}

func (k *apiKey) expired(now time.Time) bool { return k.Expires != nil && !now.Before(*k.Expires) }

// MinAdminKey is how many characters a key with every right has at least.
const MinAdminKey = 32

// AdminPrincipal is who uses such a key.
const AdminPrincipal = "admin"

// AddAdminKey makes a key one with every right, by its SHA-256.
func (a *Access) AddAdminKey(hash [sha256.Size]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.admin = append(a.admin, hash[:])
}

func (a *Access) adminKey(token string) (Actor, bool) {
	sum := sha256.Sum256([]byte(token))
	a.mu.RLock()
	defer a.mu.RUnlock()
	good := 0
	for _, h := range a.admin {
		good |= subtle.ConstantTimeCompare(h, sum[:])
	}
	if good != 1 {
		return Actor{}, false
	}
	return Actor{Principal: AdminPrincipal, Identity: &Identity{Admin: true}}, true
}

// formerly is the id of the key that had a name last, as far as the log tells.
func (a *Access) formerly(name string) (id string, known bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	id, known = a.former[name]
	return id, known
}

// readKey reads a key as it is stored.
func readKey(content []byte) (*apiKey, error) {
	k := &apiKey{}
	if err := json.Unmarshal(content, k); err != nil {
		return nil, fmt.Errorf("API key: %w", err)
	}
	k.identity, k.used = &Identity{Groups: k.Groups, Scopes: k.Scopes}, &atomic.Int64{}
	return k, nil
}

// creatorOf is who a principal is when something is done for it later, as a job
// is for who made it: with the rights that it has by then. The program itself is
// nil. The groups of a user are those that it was in when it asked.
func (a *Access) creatorOf(principal string, groups []string) *Identity {
	switch {
	case principal == AdminPrincipal:
		return &Identity{Admin: true}
	case strings.HasPrefix(principal, "key:"), strings.HasPrefix(principal, "user:"), principal == "anonymous":
		return &Identity{Groups: groups, acting: true}
	case strings.HasPrefix(principal, scheduleSubject) && a.binds(principal):
		return &Identity{acting: true}
	}
	return nil
}

// binds reports whether a binding gives a subject a role.
func (a *Access) binds(subject string) bool {
	defer a.tables()()
	return len(a.subjects[subject]) > 0
}

// asNow is an actor with what its key has now, when something is done for it: a
// key that is gone, or has expired, leaves no right.
func (a *Access) asNow(actor Actor) Actor {
	name, isKey := strings.CutPrefix(actor.Principal, "key:")
	if !actor.Identity.acting || !isKey {
		return actor
	}
	a.mu.RLock()
	k := a.holders[name]
	a.mu.RUnlock()
	now := &Identity{Scopes: []Rule{}, Limit: actor.Identity.Limit} // an empty list leaves nothing
	if k != nil && !k.expired(a.now()) {
		now.Groups, now.Scopes = k.Groups, k.Scopes
	}
	actor.Identity = now
	return actor
}
