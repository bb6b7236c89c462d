package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/identity"
	"github.com/autocrud-go/autocrud/services/api/openapi"
	"github.com/autocrud-go/autocrud/services/api/people"
)

// linkOperations are about links to reads, besides that to a binary.
var linkOperations = []operation{
	{handle: signRead, Operation: openapi.Operation{Method: "POST", Path: "/auth/sign", Name: "signRead", Summary: "Make a link to one read, such as an export",
		Description: "It works without a credential for GET of this path and query, with the rights that its maker has then. With accept it is answered as that media type.",
		Body:        openapi.SignBody, Answers: answers(answer("200", "The link", openapi.Link)), Problems: []string{"400", "404", "405", "413", "415", "422"}}},
	{handle: revokeLinks, Operation: openapi.Operation{Method: "POST", Path: "/auth/links:revoke", Name: "revokeLinks", Summary: "End all links that the principal made",
		Description: "On every process. Admins may name another principal, or all.",
		Body:        openapi.RevokeBody, Answers: answers(answer("204", "They have ended", nil)), Problems: []string{"400", "404", "405", "413", "415", "422", "503"}}},
}

// signOperation is the row of a link to a binary.
var signOperation = operation{handle: signBinary, untold: hasNoBinaries, rights: []string{"read"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}/blobs/{digest}:sign", Name: "sign",
	Summary:     "Make a link to a binary of {one}",
	Description: "It works without a credential for this download, with the rights that its maker has then, for the time asked for: a duration, 10m by default and 168h at most.",
	Body:        openapi.ExpiryBody, Answers: answers(answer("200", "The link", openapi.Link)), Problems: []string{"400", "404", "405", "409", "410", "413", "415", "422", "503"}}}

// previewOperation is the row of a link to a draft.
var previewOperation = operation{handle: previewResource, yields: true, rights: []string{"read"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:preview", Name: "preview",
	Summary:     "Make a link that shows the current revision of {one}, a draft too",
	Description: "It works without a credential, for GET of that revision, with the rights that its maker has then, for the time asked for: a duration, 10m by default and 168h at most.",
	Body:        openapi.ExpiryBody, Answers: answers(answer("200", "The link", openapi.Link)), Problems: []string{"400", "404", "405", "409", "410", "413", "415", "422", "503"}}}

// followed finds who made the link that a request follows, and takes the signature out
// of the query. Who shows a bearer credential is judged by that.
func (a *API) followed(r *http.Request, c identity.Credential) (*http.Request, identity.Credential, error) {
	if a.o.People == nil || c.Bearer != "" || !safe(r.Method) || !strings.Contains(r.URL.RawQuery, people.SignatureName+"=") {
		return r, c, nil
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !q.Has(people.SignatureName) {
		return r, c, nil // it is refused as other queries are
	}
	maker, to, err := a.o.People.Follow(routePath(r.URL), q)
	if err != nil {
		return r, c, err
	}
	r = r.Clone(r.Context())
	if r.URL.RawQuery = to.Query; to.Accept != "" {
		r.Header.Set("Accept", to.Accept)
	}
	return r, identity.Credential{Link: maker}, nil
}

// expiry reads a body that says no more than for how long a link is to work.
func (c call) expiry() (time.Duration, error) {
	body, err := readOptional(c.w, c.r, "expires_in")
	if err != nil {
		return 0, err
	}
	return lasting(body)
}

// lasting reads for how long a link is to work.
func lasting(body map[string]any) (time.Duration, error) {
	v, given := body["expires_in"]
	if !given {
		return 10 * time.Minute, nil
	}
	text, _ := v.(string)
	long, err := time.ParseDuration(text)
	if err != nil || long < time.Second || long > people.MaxSigned {
		return 0, invalid("/expires_in", "must be a duration from 1s to 168h")
	}
	return long, nil
}

// signBinary makes a link to a binary that its maker may read.
func signBinary(a *API, c call) error {
	long, err := c.expiry()
	if err != nil {
		return err
	}
	r, _, err := a.m.Binaries.OpenBinary(c.r.Context(), c.t.Name, c.id, c.n)
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	return a.sign(c, people.Read{Path: "/v1/" + c.t.Name + "/" + c.id + "/blobs/" + c.n}, long)
}

// previewResource makes a link to the revision that is HEAD now. Further drafts are not
// shown by it; an edit in place is.
func previewResource(a *API, c call) error {
	long, err := c.expiry()
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	if err := a.m.Guard.May(ctx, c.t, "read"); err != nil { // no more than what is published would be shown
		return err
	}
	r, err := a.m.Get(ctx, c.t.Name, c.id, resource.GetOptions{})
	if err != nil {
		return err
	}
	var head struct{ Number int }
	if err := json.Unmarshal(r.Revision, &head); err != nil {
		return err
	}
	return a.sign(c, people.Read{Path: "/v1/" + c.t.Name + "/" + c.id, Query: "revision=" + strconv.Itoa(head.Number)}, long)
}

// followsLink reports whether a request is answered with the rights of a link's maker.
// What it shows is kept nowhere: the link ends, and a copy would not.
func (c call) followsLink() bool {
	shown, _ := c.r.Context().Value(credentialKey{}).(identity.Credential)
	return shown.Link != nil
}

// signRead makes a link to a read. Whether its maker may read that is asked when the
// link is followed.
func signRead(a *API, c call) error {
	body, err := readObject(c.w, c.r, "path", "accept", "expires_in")
	if err != nil {
		return err
	}
	said, err := textsOf(body, "path", "accept")
	if err != nil {
		return err
	}
	long, err := lasting(body)
	if err != nil {
		return err
	}
	u, err := url.Parse(said["path"])
	if err != nil || !strings.HasPrefix(said["path"], "/v1") || u.Host != "" || u.Fragment != "" || strings.Contains(said["path"], "\\") {
		return invalid("/path", "must be a path below /v1, with its query")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || q.Has(people.SignatureName) || q.Has(ticketName) {
		return invalid("/path", "has a query that cannot be signed")
	}
	return a.sign(c, people.Read{Path: routePath(u), Query: q.Encode(), Accept: said["accept"]}, long)
}

// sign makes a link. Without authentication it is the plain URL, which works for ever.
func (a *API) sign(c call, to people.Read, long time.Duration) error {
	if a.o.People == nil {
		plain := url.URL{Path: to.Path, RawQuery: to.Query}
		return c.json(http.StatusOK, people.Link{URL: a.o.URL + plain.String(), Until: time.Now().Add(long).UTC().Truncate(time.Second)})
	}
	shown, _ := c.r.Context().Value(credentialKey{}).(identity.Credential)
	link, err := a.o.People.Sign(c.r, shown, to, long)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, link)
}

// revokeLinks ends links.
func revokeLinks(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	body, err := readOptional(c.w, c.r, "principal", "all")
	if err != nil {
		return err
	}
	said, err := textsOf(body, "principal")
	if err != nil {
		return err
	}
	all, isFlag := body["all"].(bool)
	if _, given := body["all"]; given && !isFlag || all && said["principal"] != "" {
		return invalid("/all", "must be true or false, and goes without principal")
	}
	ctx := c.r.Context()
	who := policy.ActorOf(ctx)
	if who.IsPublic() {
		return fault.Errorf(fault.Unauthenticated, "a credential is needed to revoke links")
	}
	of := who.Principal
	if said["principal"] != "" {
		of = said["principal"]
	}
	if all {
		of = policy.AllLinks
	}
	if of != who.Principal {
		if err := a.m.Guard.Admin(ctx); err != nil {
			return err
		}
	}
	if err := door.RevokeLinks(ctx, of); err != nil {
		return &fault.Error{Code: fault.Unavailable, RetryAfter: time.Second, Detail: "the revocation cannot be written down; try again", Cause: err}
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
