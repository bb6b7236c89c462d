package commit

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Seals seals the secrets of resources, and keeps them over writes.
type Seals struct {
	States  *states.States
	hashKey *atomic.Pointer[[]byte] // Options.ClaimKey, or that of what was restored
	o       *states.Options
}

// A secret of a built-in type is written and never read: in the stored content
// it is a list of boxes that only processes with the claim key can open, and no
// answer holds it. The newest is first; the one before stays good for a while,
// so that both sides can change over.

// secretPrefix marks the text form of a secret (Standard Webhooks 1.0).
const secretPrefix = "whsec_"

// The sizes of a secret in bytes (Standard Webhooks 1.0), and how long the one
// before is good.
const (
	minSecret     = 24
	maxSecret     = 64
	secretOverlap = 24 * time.Hour
)

func (sl *Seals) sealer() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, *sl.hashKey.Load(), nil, "autocrud secrets 1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (sl *Seals) seal(t *model.Type, secret []byte) (model.Box, error) {
	aead, err := sl.sealer()
	if err != nil {
		return model.Box{}, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return model.Box{Key: base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, secret, []byte(t.Name)))}, nil
}

// Unseal opens what is sealed in a stored content.
func (sl *Seals) Unseal(t *model.Type, b model.Box) ([]byte, error) {
	aead, err := sl.sealer()
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(b.Key)
	if err != nil || len(raw) < aead.NonceSize() {
		return nil, fault.Errorf(fault.Unavailable, "a stored secret is damaged")
	}
	secret, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(t.Name))
	if err != nil {
		return nil, &fault.Error{Code: fault.Unavailable, Detail: "a stored secret cannot be opened: it was sealed with another key", Cause: err}
	}
	return secret, nil
}

// putSecret puts the boxes where the text was: the one that was written, a new
// one when there is none yet, and the one before.
func (sl *Seals) putSecret(w *Mutation, t *model.Type, data any, text string) (any, error) {
	if t.Secret == "" {
		return data, nil
	}
	old := w.sealed
	now := sl.o.Now().UTC().Truncate(time.Second)
	var list []model.Box
	switch {
	case model.RemovesSecret(t, data): // where the schema lets it
	case text == "" && len(old) > 0 && w.asks.Rotate == nil:
		list = old
	case t.Hash != nil && text != "":
		hash, err := t.Hash(text)
		if err != nil {
			return nil, err
		}
		list = []model.Box{{Key: hash}}
	case t.Hash != nil:
	case t.Hashed:
		if text != "" {
			return nil, &fault.Error{Code: fault.ValidationFailed, Detail: "the " + t.Secret + " is made by the server", Fields: []fault.FieldError{{Pointer: "/" + t.Secret, Detail: "cannot be chosen"}}}
		}
		list = w.freshKey(now)
	default: // the schema has refused what is empty
		secret, err := parseSecret(text)
		if err != nil {
			return nil, &fault.Error{Code: fault.ValidationFailed, Detail: "the " + t.Secret + " is not one", Fields: []fault.FieldError{{Pointer: "/" + t.Secret, Detail: err.Error()}}}
		}
		if len(old) > 0 {
			if current, err := sl.Unseal(t, old[0]); err == nil && string(current) == string(secret) {
				list = old
				break
			}
			until := now.Add(secretOverlap)
			old[0].Until = &until
		}
		b, err := sl.seal(t, secret)
		if err != nil {
			return nil, err
		}
		list = []model.Box{b}
		if len(old) > 0 {
			list = append(list, old[0])
		}
	}
	doc, ok := data.(map[string]any)
	if !ok {
		return data, nil
	}
	doc = maps.Clone(doc)
	boxes := []any{}
	for i, b := range list {
		x := map[string]any{"key": b.Key}
		if b.Until != nil {
			if i > 0 && b.Until.Before(now) {
				continue
			}
			x["until"] = b.Until.Format(time.RFC3339)
		}
		boxes = append(boxes, x)
	}
	doc[t.Secret] = boxes
	return doc, nil
}

// parseSecret reads the text form; "" makes a new one.
func parseSecret(text string) ([]byte, error) {
	if text == "" {
		b := make([]byte, 32)
		_, _ = rand.Read(b) // never fails
		return b, nil
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, secretPrefix))
	if err != nil || !strings.HasPrefix(text, secretPrefix) || len(b) < minSecret || len(b) > maxSecret {
		return nil, fault.Errorf(fault.ValidationFailed, "must be %s and 24 to 64 bytes in base64", secretPrefix)
	}
	return b, nil
}

// secretMade is the secret that a create made, for its answer; "" when the caller
// chose it. A repetition under the same Idempotency-Key shows it while it is still
// the one in force and the caller may read the resource.
func (sl *Seals) secretMade(ctx context.Context, t *model.Type, out Written, data any) string {
	e := out.Event
	if t.Hashed {
		return policy.KeyText(e.Meta.ID, out.Secret) // only its hash is kept
	}
	list := t.Sealed(out.Content)
	if t.SecretIn(data) != "" || len(list) == 0 {
		return ""
	}
	if !out.Changed {
		s, err := sl.States.Head(ctx, states.Key{Type: t.Name, ID: e.Meta.ID}, !sl.o.Sole)
		if err != nil || !s.Exists() || s.Event.Meta.Deleted {
			return ""
		}
		newest, err := sl.States.Content(ctx, s.Event)
		if now := t.Sealed(newest); err != nil || len(now) == 0 || now[0].Key != list[0].Key {
			return ""
		}
	}
	secret, err := sl.Unseal(t, list[0])
	if err != nil {
		return ""
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// carried makes a step that takes the content of an older revision keep what the
// newest state has of secrets, writeOnly properties and the program's own property:
// what was replaced is never in force again. For a client it keeps the readOnly ones
// too. When that makes another content it is a new revision, whose parent is the older
// one.
func (sl *Seals) carried(ctx context.Context, t *model.Type, s states.State, next Step) (Step, error) {
	if next.from == 0 || next.put || !t.Conceals() && !t.HasReadOnly() {
		return next, nil
	}
	newest, err := sl.States.Shown(ctx, t, s.Event)
	if err != nil {
		return Step{}, err
	}
	now, err := t.Current(next.Content, next.Event.Revision.SchemaVersion)
	if err != nil {
		return Step{}, err
	}
	content, err := t.WithSecretOf(now, newest)
	if err == nil {
		content, err = t.CarryMarked(content, newest, policy.ActorOf(ctx).Client)
	}
	if err != nil || bytes.Equal(content, now) {
		return next, err
	}
	next.anew(t, content)
	return next, nil
}

// anew makes a step that moves to a revision one that writes a new revision after
// it, with other content.
func (x *Step) anew(t *model.Type, content []byte) {
	e := x.Event
	parent, status := e.Revision.ID, e.Revision.Status
	n := e.Meta.RevisionCount + 1
	e.Meta.RevisionCount, e.Meta.CurrentRevision, e.Meta.SchemaVersion = n, states.RevisionID(e.Meta.ID, n), t.Version
	e.Revision = newRevision(t, e.Meta.ID, n, &parent, status, content, "")
	e.Wrote, x.Content, x.put = n, content, true
}

// freshKey makes a secret and keeps its hash; the one before is good for the
// time of the rotation.
func (w *Mutation) freshKey(now time.Time) []model.Box {
	raw := make([]byte, policy.SecretBytes)
	_, _ = rand.Read(raw) // never fails
	w.secret = hex.EncodeToString(raw)
	list := []model.Box{{Key: policy.HashKey(w.secret)}}
	if old := w.sealed; w.asks.Rotate != nil && len(old) > 0 {
		until := now.Add(*w.asks.Rotate)
		old[0].Until = &until
		list = append(list, old[0])
	}
	return list
}
