package wiring

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/autocrud-go/autocrud/services/api/identity"
	"github.com/autocrud-go/autocrud/services/api/people"
)

// ownIssuer is the name of the issuer that the flags are about.
const ownIssuer = "default"

// issuer is one of OpenID Connect, as its settings or the file say it.
type issuer struct {
	Issuer       string `yaml:"issuer"`
	Title        string `yaml:"title"`
	Audience     string `yaml:"audience"`
	ClientID     string `yaml:"client_id"`
	SecretFile   string `yaml:"client_secret_file"`
	SubjectClaim string `yaml:"subject_claim"`
	GroupsClaim  string `yaml:"groups_claim"`
	name         string
	tokens       *identity.OIDC
}

// issuers are those whose tokens are taken, or through which people sign in.
type issuers []issuer

var issuerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// readIssuers puts together what flags and file say of issuers.
func (s *Settings) readIssuers() (all issuers, err error) {
	if s.OIDCIssuer != "" {
		all = append(all, issuer{Issuer: s.OIDCIssuer, Title: "Single sign-on", Audience: s.OIDCAudience, ClientID: s.OIDCClientID, SecretFile: s.OIDCClientSecretFile,
			SubjectClaim: s.OIDCSubjectClaim, GroupsClaim: s.OIDCGroupsClaim, name: ownIssuer})
	}
	named, err := s.namedIssuers()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, i := range named {
		names = append(names, i.name)
		if slices.ContainsFunc(all, func(x issuer) bool { return x.Issuer == i.Issuer }) {
			return nil, wrong("--oidc-issuers: %s: an issuer has one entry; %s has another", i.name, i.Issuer)
		}
		all = append(all, i)
	}
	for n := range all {
		i := &all[n]
		if _, err := i.secret(); i.SecretFile != "" && err != nil {
			return nil, wrong("the secret of the client of the issuer %s: %v", i.name, err)
		}
		o := identity.OIDCOptions{Issuer: i.Issuer, Audience: i.Audience, SubjectClaim: i.SubjectClaim, GroupsClaim: i.GroupsClaim, Leeway: s.OIDCLeeway}
		if i.name == ownIssuer {
			o.Others = names
		} else {
			o.Name = i.name
		}
		i.tokens = identity.NewOIDC(o)
	}
	return all, nil
}

// namedIssuers reads the file of issuers.
func (s *Settings) namedIssuers() (out issuers, err error) {
	if s.OIDCIssuers == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.OIDCIssuers)
	if err != nil {
		return nil, wrong("--oidc-issuers cannot be read: %v", err)
	}
	var said map[string]issuer
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&said); err != nil && !errors.Is(err, io.EOF) {
		return nil, wrong("--oidc-issuers: %v", err)
	}
	for name, i := range said {
		i.name = name
		switch {
		case !issuerName.MatchString(name) || name == ownIssuer:
			return nil, wrong("--oidc-issuers: the name of an issuer is letters, digits and '-', all lower case, and not %s: %q", ownIssuer, name)
		case !isIssuer(i.Issuer):
			return nil, wrong("--oidc-issuers: %s: issuer is an https URL, not %q", name, i.Issuer)
		case i.Audience == "" && i.ClientID == "":
			return nil, wrong("--oidc-issuers: %s: says audience, for tokens, or client_id, for people", name)
		case i.ClientID == "" && i.SecretFile != "":
			return nil, wrong("--oidc-issuers: %s: client_secret_file has no effect without client_id", name)
		}
		if i.Title == "" {
			i.Title = name
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(x, y issuer) int { return strings.Compare(x.name, y.name) })
	return out, nil
}

// secret reads the secret of the client each time that it is used, so that it can be
// replaced while the program runs.
func (i issuer) secret() (string, error) {
	text, err := os.ReadFile(i.SecretFile)
	if err == nil && strings.TrimSpace(string(text)) == "" {
		err = errors.New(i.SecretFile + " is empty")
	}
	return strings.TrimSpace(string(text)), err
}

// bearers are those whose tokens are taken.
func (all issuers) bearers() (out []*identity.OIDC) {
	for _, i := range all {
		if i.Audience != "" {
			out = append(out, i.tokens)
		}
	}
	return out
}

// doors are those through which people sign in.
func (all issuers) doors() (out []people.Issuer) {
	for _, i := range all {
		if i.ClientID == "" {
			continue
		}
		x := people.Issuer{Name: i.name, Title: i.Title, ClientID: i.ClientID, Tokens: i.tokens}
		if i.SecretFile != "" {
			x.Secret = i.secret
		}
		out = append(out, x)
	}
	return out
}
