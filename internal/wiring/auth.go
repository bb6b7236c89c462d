package wiring

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/api/identity"
)

// maxLeeway is as far as clocks may be said to differ.
const maxLeeway = 10 * time.Minute

// checkAuth refuses settings of authentication that cannot be, and those that
// would have no effect.
func (s *Settings) checkAuth() error {
	switch s.Auth {
	case "", "off":
		for name, value := range map[string]string{"admin-key": s.AdminKey, "policies": s.Policies, "oidc-issuer": s.OIDCIssuer, "oidc-audience": s.OIDCAudience,
			"oidc-client-id": s.OIDCClientID, "oidc-issuers": s.OIDCIssuers} {
			if value != "" {
				return wrong("--%s has no effect without --auth required", name)
			}
		}
		return nil
	case "required":
	default:
		return wrong("--auth is off or required, not %q", s.Auth)
	}
	if s.AdminKey != "" && len(s.AdminKey) < policy.MinAdminKey {
		return wrong("--admin-key has at least %d characters, not %d", policy.MinAdminKey, len(s.AdminKey))
	}
	if (s.OIDCIssuer == "") != (s.OIDCAudience == "" && s.OIDCClientID == "") {
		return wrong("--oidc-issuer goes with --oidc-audience, for tokens, or --oidc-client-id, for people")
	}
	if s.OIDCClientID == "" && s.OIDCClientSecretFile != "" {
		return wrong("--oidc-client-secret-file has no effect without --oidc-client-id")
	}
	if s.OIDCIssuer != "" && !isIssuer(s.OIDCIssuer) {
		return wrong("--oidc-issuer is an https URL, not %q", s.OIDCIssuer)
	}
	if s.OIDCLeeway < 0 || s.OIDCLeeway > maxLeeway {
		return wrong("--oidc-leeway is from 0s to %s", maxLeeway)
	}
	return nil
}

// isIssuer reports whether a text is the URL of an issuer: over TLS, or on this machine.
func isIssuer(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && isLocal(u.Hostname()))
}

func isLocal(host string) bool {
	local, err := isLoopback(host + ":0")
	return err == nil && local
}

// access reads the policy; nil without authentication.
func (s *Settings) access(types []*model.Type, actions []*resource.Action) (*policy.Access, error) {
	if s.Auth != "required" {
		return nil, nil
	}
	var err error
	if s.issuers, err = s.readIssuers(); err != nil {
		return nil, err
	}
	if s.Policies == "" {
		return policy.NewAccess(types, resource.Verbs(actions), nil), nil
	}
	file, err := readPolicy("--policies", s.Policies, types, actions)
	if err != nil {
		return nil, err
	}
	return policy.NewAccess(types, resource.Verbs(actions), file), nil
}

func readPolicy(what, name string, types []*model.Type, actions []*resource.Action) (*policy.Policy, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, wrong("%s cannot be read: %v", what, err)
	}
	return policy.Parse(name, text, types, resource.Verbs(actions))
}

// CheckPolicy reads a policy file for the models of a folder and the application.
func CheckPolicy(name, models string, app App) (*policy.Policy, error) {
	types, err := ServedTypes(models, app)
	if err != nil {
		return nil, err
	}
	return readPolicy("the policy file", name, types, app.Actions)
}

// judges reports whether a service decides what a caller may do; the others serve
// no caller.
func (p *program) judges() bool { return p.has.api || p.has.worker }

// admit makes the keys known that have every right: the one of the settings, and
// without it the one that was made at the first start.
func (p *program) admit(ctx context.Context) error {
	if p.access == nil {
		return nil
	}
	if err := p.access.Load(ctx, p.st.log); err != nil {
		return err
	}
	if p.set.AdminKey != "" {
		p.access.AddAdminKey(sha256.Sum256([]byte(p.set.AdminKey)))
		return nil
	}
	hash, key, err := adminKey(ctx, p.st.log)
	if err != nil {
		return err
	}
	p.access.AddAdminKey(hash)
	tell(key)
	return nil
}

// tell shows a key that was made, on the error output: programs read the other.
func tell(key string) {
	if key != "" {
		fmt.Fprintf(os.Stderr, "admin key, shown this once: %s\n", key)
	}
}

// adminKey reads the hash of the key that was made at the first start, or makes
// one; key is empty when there was one.
func adminKey(ctx context.Context, log storage.Log) (hash [sha256.Size]byte, key string, err error) {
	subject := storage.SystemSubject("admin-key")
	for range 3 {
		e, err := log.Last(ctx, subject)
		if err == nil && len(e.Data) == len(hash) {
			return [sha256.Size]byte(e.Data), "", nil
		}
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return hash, "", err
		}
		raw := make([]byte, 32)
		_, _ = rand.Read(raw) // never fails
		key = "aca_" + hex.EncodeToString(raw)
		hash = sha256.Sum256([]byte(key))
		_, err = log.Append(ctx, []storage.Record{{Subject: subject, ID: uuid.NewString(), Data: hash[:]}})
		if err == nil {
			return hash, key, nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return hash, "", err
		}
	}
	return hash, "", fmt.Errorf("the admin key cannot be read: %w", storage.ErrUnavailable)
}

// authenticator checks credentials; nil without authentication.
func (p *program) authenticator() api.Authenticator {
	if p.access == nil {
		return nil
	}
	return identity.New(p.access, p.set.issuers.bearers()...)
}

// followAccess keeps keys, roles and bindings up to date.
func (p *program) followAccess(ctx context.Context) error {
	return p.access.Follow(ctx, p.st.log, func(err error) {
		p.logger.WarnContext(ctx, "following keys and policies begins again", "error", err)
	})
}

// recordUse writes down when keys were used last.
func (p *program) recordUse(ctx context.Context) error {
	return p.access.RecordUse(ctx, p.st.log, func(err error) {
		p.logger.WarnContext(ctx, "when keys were used last is not written down", "error", err)
	})
}
