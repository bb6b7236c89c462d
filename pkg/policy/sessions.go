package policy

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// sessionSubjects are where the log holds sessions, the newest state of each, and what
// may be used once only and was.
const (
	sessionSubjects = "session."
	onceSubjects    = "once."
)

// Limits of sessions.
const (
	IdleLimit     = 12 * time.Hour      // without a request
	AbsoluteLimit = 30 * 24 * time.Hour // whatever is asked
	// longIdleLimit is that of sessions which last over the end of the browser.
	longIdleLimit = 14 * 24 * time.Hour
	// touchEvery is how often it is written down that a session is used.
	touchEvery = 10 * time.Minute
	// maxSessions of one principal; the oldest ends when there is another.
	maxSessions = 100
)

// Session is a sign-in, as the log holds it.
type Session struct {
	ID        string         `json:"id"`
	Hash      string         `json:"hash"` // of the secret in the cookie
	Principal string         `json:"principal"`
	User      string         `json:"user,omitempty"`  // id of a user
	Stamp     string         `json:"stamp,omitempty"` // of the user
	Key       string         `json:"key,omitempty"`   // id of an API key
	KeyHash   string         `json:"keyHash,omitempty"`
	Issuer    string         `json:"issuer,omitempty"` // URL of the issuer that it comes from
	Hint      string         `json:"hint,omitempty"`   // sealed: by which it is ended there
	Groups    []string       `json:"groups,omitempty"` // that the issuer told
	Claims    map[string]any `json:"claims,omitempty"`
	Admin     bool           `json:"admin,omitempty"`
	Remember  bool           `json:"remember,omitempty"`
	Made      time.Time      `json:"made"`
	Used      time.Time      `json:"used"`
	Until     time.Time      `json:"until"`
	Address   string         `json:"address,omitempty"`
	Agent     string         `json:"agent,omitempty"`
	Ended     bool           `json:"ended,omitempty"`

	seq      uint64
	used     *atomic.Int64 // the second of the last request to this process
	over     *atomic.Bool  // what it is of has changed, perhaps there and back
	identity *Identity
}

const sessionPrefix = "acs_"

// SessionText is a session as its cookie holds it.
func SessionText(id, secret string) string { return sessionPrefix + id + "_" + secret }

// Begin begins a session and returns its cookie. The caller says what it is of.
func (a *Access) Begin(ctx context.Context, log storage.Log, s Session) (text string, err error) {
	raw := make([]byte, SecretBytes)
	_, _ = rand.Read(raw) // never fails
	secret, now := hex.EncodeToString(raw), a.now().UTC().Truncate(time.Second)
	s.ID, s.Hash, s.Made, s.Used = strings.ReplaceAll(uuid.NewString(), "-", ""), HashKey(secret), now, now
	if s.Until.IsZero() || s.Until.After(now.Add(AbsoluteLimit)) {
		s.Until = now.Add(AbsoluteLimit)
	}
	if err := a.writeSession(ctx, log, s); err != nil {
		return "", err
	}
	return SessionText(s.ID, secret), nil
}

// writeSession writes the next state of a session, and takes it over at once.
func (a *Access) writeSession(ctx context.Context, log storage.Log, s Session) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	seq, err := log.Append(ctx, []storage.Record{{Subject: storage.SystemSubject(sessionSubjects + s.ID), ID: uuid.NewString(), Expected: s.seq, Data: data}})
	if err != nil {
		return err
	}
	a.applySession(seq, data)
	return nil
}

// applySession takes over a state of a session.
func (a *Access) applySession(seq uint64, data []byte) {
	s := &Session{}
	if json.Unmarshal(data, s) != nil || s.ID == "" {
		return
	}
	s.seq, s.used, s.over = seq, &atomic.Int64{}, &atomic.Bool{}
	a.Mu.Lock()
	defer a.Mu.Unlock()
	old := a.sessions[s.ID]
	switch {
	case old != nil && old.seq >= seq:
		return
	case old != nil:
		s.used, s.over, s.identity = old.used, old.over, old.identity
	case s.Issuer != "":
		s.identity = &Identity{Groups: s.Groups, Claims: WholeNumbers(s.Claims)}
	}
	a.sessions[s.ID] = s
	if s.Ended {
		a.moved()
	}
}

// Session is the actor of a cookie, and until when it is good. It is also ended by what
// it is of: the change of a password, of groups, a key that is revoked.
func (a *Access) Session(text string) (who Actor, id string, until time.Time, ok bool) {
	rest, ok := strings.CutPrefix(text, sessionPrefix)
	id, secret, found := strings.Cut(rest, "_")
	if !ok || !found {
		return who, "", until, false
	}
	a.Mu.RLock()
	s := a.sessions[id]
	a.Mu.RUnlock()
	if s == nil || subtle.ConstantTimeCompare([]byte(s.Hash), []byte(HashKey(secret))) != 1 {
		return who, "", until, false
	}
	who, until, ok = a.actorOf(s)
	if ok {
		s.used.Store(a.now().Unix())
	}
	return who, id, until, ok
}

// lastUse is when a session was used last, as far as this process knows.
func (s *Session) lastUse() time.Time {
	if at := time.Unix(s.used.Load(), 0); at.After(s.Used) {
		return at
	}
	return s.Used
}

// actorOf is who a session is, while it is alive.
func (a *Access) actorOf(s *Session) (who Actor, until time.Time, ok bool) {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	until = s.ends()
	if !s.lasts(a.now()) {
		return who, until, false
	}
	who, first, ok := a.standsFor(s)
	if !first.IsZero() && first.Before(until) {
		until = first
	}
	return who, until, ok
}

// ends is when a session ends by itself.
func (s *Session) ends() time.Time {
	until := s.lastUse().Add(IdleLimit)
	if s.Remember {
		until = s.lastUse().Add(longIdleLimit)
	}
	if s.Until.Before(until) {
		until = s.Until
	}
	return until
}

// lasts reports whether a session was not ended, by itself or otherwise.
func (s *Session) lasts(now time.Time) bool {
	return !s.Ended && !s.over.Load() && now.Before(s.ends())
}

// standsFor is who a session, or a link, acts as, with the rights that this one has now;
// until is zero where that does not end by itself. The caller holds the lock.
func (a *Access) standsFor(s *Session) (who Actor, until time.Time, ok bool) {
	now := a.now()
	switch {
	case s.User != "":
		u := a.users[s.User]
		if u == nil || u.Disabled || u.Stamp() != s.Stamp {
			return who, until, false
		}
		return Actor{Principal: s.Principal, Identity: u.identity}, until, true
	case s.Key != "":
		k := a.Keys[s.Key]
		if k == nil || k.expired(now) || !k.holds(s.KeyHash, now) {
			return who, until, false
		}
		if k.Expires != nil {
			until = *k.Expires
		}
		return Actor{Principal: "key:" + k.Name, Identity: k.Identity}, until, true
	case s.Admin && stampOfAny(a.admin, s.KeyHash):
		return Actor{Principal: s.Principal, Identity: &Identity{Admin: true}}, until, true
	case s.Issuer != "" && slices.Contains(a.issuers, s.Issuer):
		return Actor{Principal: s.Principal, Identity: s.identity}, until, true
	}
	return who, until, false
}

// holds reports whether a hash is that of a secret of the key that is good.
func (k *Key) holds(hash string, now time.Time) bool {
	for n, b := range k.Boxes {
		if b.Key == hash && (n == 0 || b.Until != nil && now.Before(*b.Until)) {
			return true
		}
	}
	return false
}

// adminStamp tells of which key with every right a session is, without telling anything
// that would let a reader of the log find out the key or its hash.
func adminStamp(hash [sha256.Size]byte) string { return HashKey(string(hash[:])) }

// stampOfAny reports whether a stamp is that of one of some keys.
func stampOfAny(keys [][]byte, stamp string) bool {
	return slices.ContainsFunc(keys, func(h []byte) bool { return adminStamp([sha256.Size]byte(h)) == stamp })
}

// Believe names the issuers whose sign-ins count; sessions of others have ended.
func (a *Access) Believe(issuers []string) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.issuers = issuers
	a.moved()
}

// OfKey is what a session of an API key is of.
func (a *Access) OfKey(token string) (s Session, err error) {
	who, until, err := a.Key(token)
	if err != nil {
		return s, err
	}
	s = Session{Principal: who.Principal, Until: until, Admin: who.Identity.Admin}
	if s.Admin {
		s.KeyHash = adminStamp(sha256.Sum256([]byte(token)))
		return s, nil
	}
	rest, _ := strings.CutPrefix(token, keyPrefix)
	i := strings.LastIndexByte(rest, '_')
	s.Key, s.KeyHash = rest[:i], HashKey(rest[i+1:])
	return s, nil
}

// SessionsOf lists the sessions of a principal that are alive, newest first; of all
// principals for an empty one.
func (a *Access) SessionsOf(principal string) (out []Session) {
	a.Mu.RLock()
	all := slices.Collect(maps.Values(a.sessions))
	a.Mu.RUnlock()
	for _, s := range all {
		if principal != "" && s.Principal != principal {
			continue
		}
		if _, _, ok := a.actorOf(s); ok {
			one := *s
			one.Used = s.lastUse().UTC()
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(x, y Session) int { return int(y.seq) - int(x.seq) })
	return out
}

// End ends a session, for every process. One that is unknown has ended.
func (a *Access) End(ctx context.Context, log storage.Log, id string) error {
	for range maxUseTries {
		a.Mu.RLock()
		s := a.sessions[id]
		a.Mu.RUnlock()
		if s == nil || s.Ended {
			return nil
		}
		next := *s
		next.Ended, next.Groups, next.Claims, next.Agent, next.Address, next.Hint = true, nil, nil, "", "", ""
		err := a.writeSession(ctx, log, next)
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
		if e, err := log.Last(ctx, storage.SystemSubject(sessionSubjects+id)); err == nil {
			a.applySession(e.Seq, e.Data)
		}
	}
	return storage.ErrConflict
}

// KeepSessions writes down now and then which sessions are used, and ends those that a
// principal has too many of, until ctx ends.
func (a *Access) KeepSessions(ctx context.Context, log storage.Log, report func(error)) error {
	t := time.NewTicker(touchEvery / 10)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		of := map[string]int{}
		for _, s := range a.SessionsOf("") {
			var err error
			if of[s.Principal]++; of[s.Principal] > maxSessions {
				err = a.End(ctx, log, s.ID)
			} else if at := time.Unix(s.used.Load(), 0); at.Sub(a.written(s.ID)) > touchEvery {
				s.Used = at.UTC()
				if err = a.writeSession(ctx, log, s); errors.Is(err, storage.ErrConflict) {
					err = nil // another process did, or it was ended
				}
			}
			if err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

// Learn takes over an entry of the log that this process wrote, before it follows.
func (a *Access) Learn(ctx context.Context, log storage.Log, seq uint64) error {
	entry, err := log.At(ctx, seq)
	if err != nil {
		return err
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err == nil {
		a.Apply(e)
	}
	return err
}

// written is when the log was told last that a session is used.
func (a *Access) written(id string) time.Time {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	if s := a.sessions[id]; s != nil {
		return s.Used
	}
	return a.now()
}

// SweepSessions removes from the log, now and then, what it need not tell any more of
// sessions and of what was used once, until ctx ends. One process of all does it.
func (a *Access) SweepSessions(ctx context.Context, log storage.Log, report func(error)) error {
	t := time.NewTicker(touchEvery)
	defer t.Stop()
	for {
		if err := a.sweep(ctx, log); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// sweep drops what is past its time, and forgets the earlier states of the rest. A
// session that was ended is told until it would have ended by itself: a process that was
// away for long must not take it for alive.
func (a *Access) sweep(ctx context.Context, log storage.Log) error {
	past := a.now().Add(-time.Hour)
	a.Mu.RLock()
	all, onces := slices.Collect(maps.Values(a.sessions)), maps.Clone(a.onces)
	a.Mu.RUnlock()
	for _, s := range all {
		subject := storage.SystemSubject(sessionSubjects + s.ID)
		if s.Until.After(past) {
			if _, err := log.Forget(ctx, subject, s.seq); err != nil {
				return err
			}
			continue
		}
		if err := log.Drop(ctx, subject, s.seq); err != nil {
			return err
		}
		a.Mu.Lock()
		delete(a.sessions, s.ID)
		a.Mu.Unlock()
	}
	for id, o := range onces {
		if o.until.After(past) {
			continue
		}
		if err := log.Drop(ctx, storage.SystemSubject(onceSubjects+id), o.seq); err != nil {
			return err
		}
		a.Mu.Lock()
		delete(a.onces, id)
		a.Mu.Unlock()
	}
	return nil
}

// once is something that was used.
type once struct {
	seq   uint64
	until time.Time
}

// Once uses what may be used once only, before it expires, by any process; its error is
// unauthenticated when it was used before. The text is not kept.
func (a *Access) Once(ctx context.Context, log storage.Log, text string, until time.Time) error {
	sum := sha256.Sum256([]byte(text))
	id := hex.EncodeToString(sum[:16])
	data, err := json.Marshal(until.UTC())
	if err != nil {
		return err
	}
	_, err = log.Append(ctx, []storage.Record{{Subject: storage.SystemSubject(onceSubjects + id), ID: uuid.NewString(), Data: data}})
	if errors.Is(err, storage.ErrConflict) {
		return fault.Errorf(fault.Unauthenticated, "this was used before; it works once")
	}
	return err
}

// applyOnce remembers what was used, to remove it from the log later.
func (a *Access) applyOnce(id string, seq uint64, data []byte) {
	var until time.Time
	if json.Unmarshal(data, &until) != nil {
		return
	}
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.onces[id] = once{seq, until}
}

// applySystem takes over an entry that is no event of a resource; ok is false when it is
// one.
func (a *Access) applySystem(entry storage.Entry) (ok bool) {
	if _, is := strings.CutPrefix(entry.Subject, storage.SystemSubject(sessionSubjects)); is {
		a.applySession(entry.Seq, entry.Data)
		return true
	}
	if id, is := strings.CutPrefix(entry.Subject, storage.SystemSubject(linkSubjects)); is {
		a.Links().apply(id, entry.Seq)
		return true
	}
	if id, is := strings.CutPrefix(entry.Subject, storage.SystemSubject(onceSubjects)); is {
		a.applyOnce(id, entry.Seq, entry.Data)
		return true
	}
	return false
}
