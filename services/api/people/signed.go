package people

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/services/api/identity"
)

// SignatureName is the parameter of the query that makes a link one.
const SignatureName = "signature"

// MaxSigned is how long a link to one read may work.
const MaxSigned = 7 * 24 * time.Hour

// Read is what a link leads to.
type Read struct {
	Path   string `json:"p"` // decoded
	Query  string `json:"q,omitempty"`
	Accept string `json:"a,omitempty"`
}

// sealedLink is what a link holds. It is sealed, because it tells of its maker.
type sealedLink struct {
	Read
	Maker policy.Maker `json:"m"`
	Until time.Time    `json:"u"`
}

// Sign makes a link to a read, with the rights of a caller that shows a credential.
func (d *Door) Sign(r *http.Request, c identity.Credential, to Read, long time.Duration) (Link, error) {
	who := policy.ActorOf(r.Context())
	var maker policy.Maker
	switch {
	case who.IsPublic():
		return Link{}, fault.Errorf(fault.Unauthenticated, "a credential is needed to make a link")
	case c.Bearer != "":
		maker = d.o.Access.Links().ByBearer(c.Bearer, who)
	default:
		var ok bool
		if maker, ok = d.o.Access.Links().BySession(c.Cookie); !ok {
			return Link{}, fault.Errorf(fault.Unauthenticated, "the session has ended")
		}
	}
	until := time.Now().Add(long).UTC().Truncate(time.Second)
	text, err := seal(d.signed, sealedLink{to, maker, until})
	if err != nil {
		return Link{}, err
	}
	query := url.Values{SignatureName: {text}}.Encode()
	if to.Query != "" {
		query = to.Query + "&" + query
	}
	return Link{d.base(r) + (&url.URL{Path: to.Path}).EscapedPath() + "?" + query, until}, nil
}

// Follow is who made the link that a request follows, and the read that it leads to;
// it must be of a read of this path and query.
func (d *Door) Follow(path string, q url.Values) (maker *policy.Maker, to Read, err error) {
	text := q.Get(SignatureName)
	rest := url.Values{}
	for name, values := range q {
		if name != SignatureName {
			rest[name] = values
		}
	}
	var l sealedLink
	if len(q[SignatureName]) != 1 || !unseal(d.signed, text, &l) || l.Path != path || l.Query != rest.Encode() {
		return nil, to, fault.Errorf(fault.Unauthenticated, "the link is not one to this")
	}
	if time.Now().After(l.Until) {
		return nil, to, fault.Errorf(fault.Unauthenticated, "the link has expired")
	}
	return &l.Maker, l.Read, nil
}

// RevokeLinks ends the links to reads that a principal made, or policy.AllLinks.
func (d *Door) RevokeLinks(ctx context.Context, principal string) error {
	return d.o.Access.Links().Revoke(ctx, d.o.Log, principal)
}
