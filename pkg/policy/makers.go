package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// linkSubjects are where the log holds until when the links of a principal, or of all,
// are revoked.
const linkSubjects = "links."

// AllLinks are the links of every principal, where they are revoked.
const AllLinks = ""

// Maker is who made a link, as the link holds it. The link has that one's rights, as they
// are when it is used.
type Maker struct {
	Principal string         `json:"p"`
	User      string         `json:"u,omitempty"`
	Stamp     string         `json:"us,omitempty"`
	Key       string         `json:"k,omitempty"`
	KeyHash   string         `json:"kh,omitempty"`
	Admin     bool           `json:"a,omitempty"`
	Session   string         `json:"s,omitempty"` // through an issuer
	Groups    []string       `json:"g,omitempty"` // of a token
	Claims    map[string]any `json:"c,omitempty"`
	Until     time.Time      `json:"t,omitzero"` // of a token
	// Own and All are the newest revocations of links that there were.
	Own uint64 `json:"ro,omitempty"`
	All uint64 `json:"ra,omitempty"`
}

// Links knows the makers of links and what of theirs was revoked.
type Links struct{ a *Access }

// Links are those of the access.
func (a *Access) Links() Links { return Links{a} }

// BySession is who is signed in by a cookie.
func (l Links) BySession(cookie string) (m Maker, ok bool) {
	a := l.a
	who, id, _, ok := a.Session(cookie)
	if !ok {
		return m, false
	}
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	s := a.sessions[id]
	m = Maker{Principal: who.Principal, User: s.User, Stamp: s.Stamp, Key: s.Key, KeyHash: s.KeyHash, Admin: s.Admin}
	if s.Issuer != "" {
		m.Session = id
	}
	m.Own, m.All = a.revoked[linkID(m.Principal)], a.revoked[linkID(AllLinks)]
	return m, true
}

// ByBearer is whose a bearer credential is, that was found to be an actor's.
func (l Links) ByBearer(token string, who Actor) Maker {
	a := l.a
	m := Maker{Principal: who.Principal}
	if who.Identity.Until.IsZero() {
		if s, err := a.OfKey(token); err == nil {
			m.Key, m.KeyHash, m.Admin = s.Key, s.KeyHash, s.Admin
		}
	} else {
		m.Groups, m.Claims, m.Until = who.Identity.Groups, who.Identity.Claims, who.Identity.Until
	}
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	m.Own, m.All = a.revoked[linkID(m.Principal)], a.revoked[linkID(AllLinks)]
	return m
}

// Made is the actor that a link acts as, while its maker has that right, and until when.
func (l Links) Made(m *Maker) (who Actor, until time.Time, ok bool) {
	a := l.a
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	if a.revoked[linkID(m.Principal)] != m.Own || a.revoked[linkID(AllLinks)] != m.All {
		return who, until, false
	}
	if m.Until.IsZero() {
		s := &Session{Principal: m.Principal, User: m.User, Stamp: m.Stamp, Key: m.Key, KeyHash: m.KeyHash, Admin: m.Admin}
		if m.Session != "" {
			if s = a.sessions[m.Session]; s == nil || !s.lasts(a.now()) {
				return who, until, false
			}
		}
		return a.standsFor(s)
	}
	return Actor{Principal: m.Principal, Identity: &Identity{Groups: m.Groups, Claims: WholeNumbers(m.Claims), Until: m.Until}}, m.Until, a.now().Before(m.Until)
}

// WholeNumbers turns the whole numbers of claims into integers, which is what filters
// compare.
func WholeNumbers(claims map[string]any) map[string]any {
	for k, v := range claims {
		if f, ok := v.(float64); ok && f >= -1<<63 && f < 1<<63 && f == float64(int64(f)) {
			claims[k] = int64(f)
		}
	}
	return claims
}

func linkID(principal string) string {
	sum := sha256.Sum256([]byte(principal))
	return hex.EncodeToString(sum[:16])
}

// Revoke ends the links that a principal made, or AllLinks, for every process.
func (l Links) Revoke(ctx context.Context, log storage.Log, principal string) error {
	subject := storage.SystemSubject(linkSubjects + linkID(principal))
	for range maxUseTries {
		e, err := log.Last(ctx, subject)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		seq, err := log.Append(ctx, []storage.Record{{Subject: subject, ID: uuid.NewString(), Expected: e.Seq}})
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err == nil {
			l.apply(linkID(principal), seq)
		}
		return err
	}
	return storage.ErrConflict
}

// apply takes over that links were revoked.
func (l Links) apply(id string, seq uint64) {
	a := l.a
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if a.revoked[id] < seq {
		a.revoked[id] = seq
		a.moved()
	}
}
