package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/identity"
	"github.com/autocrud-go/autocrud/services/api/openapi"
	"github.com/autocrud-go/autocrud/services/api/people"
)

// peopleOperations are how people sign in.
var peopleOperations = []operation{
	{handle: tellSession, Operation: openapi.Operation{Method: "GET", Path: "/auth/session", Name: "session", Summary: "Who is signed in?", Public: true, Recognises: true,
		Description: "Without a credential, or with a session that has ended, the principal is null.",
		Answers:     answers(answer("200", "The principal, and whether authentication is asked for", openapi.Session)), Problems: []string{"400", "401", "405"}}},
	{handle: signIn, Operation: openapi.Operation{Method: "POST", Path: "/auth/login", Name: "login", Summary: "Sign in by email and password, or make a session of an API key", Public: true,
		Description: "The session is in a cookie that pages cannot read. With remember it lasts over the end of the browser.",
		Body:        openapi.LoginBody, Answers: answers(answer("200", "Signed in", openapi.Session)), Problems: signingProblems}},
	{handle: signOut, Operation: openapi.Operation{Method: "POST", Path: "/auth/logout", Name: "logout", Summary: "End the session", Public: true, Recognises: true,
		Description: "The session of an issuer that ends its own too is answered with the URL where the browser does that.",
		Body:        openapi.EmptyBody, Answers: answers(answer("200", "There is none any more here", openapi.SignedOut), answer("204", "There is none any more", nil)), Problems: signingProblems}},
	{handle: goToIssuer, Operation: openapi.Operation{Method: "GET", Path: "/auth/oidc/{issuer}/login", Name: "loginAtIssuer", Summary: "Go to an issuer of OpenID Connect to sign in", Public: true,
		Description: "For browsers: authorization code with PKCE. The browser comes back to return_to, a path here or a page of an origin that --cors-origin names; anything else is the start.",
		Parameters:  []string{"return_to", "remember"}, Answers: answers(answer("303", "At the issuer", nil, "Location")), Problems: []string{"400", "401", "404", "405", "503"}}},
	{handle: comeFromIssuer, anyQuery: true, Operation: openapi.Operation{Method: "GET", Path: "/auth/oidc/{issuer}/callback", Name: "loginFromIssuer", Summary: "Sign in by the answer of an issuer", Public: true,
		Description: "The redirect URI of the client at the issuer.",
		Answers:     answers(answer("303", "Signed in", nil, "Location")), Problems: []string{"401", "404", "405", "503"}}},
	{handle: changePassword, Operation: openapi.Operation{Method: "POST", Path: "/auth/password", Name: "password", Summary: "Change the password, or choose one by a one-time link", Public: true, Recognises: true,
		Description: "With current it is that of the user who is signed in, whose other sessions end. With the token of a link it is that of the user whom the link is for; the link of the first admin takes email and name too.",
		Body:        openapi.PasswordBody, Answers: answers(answer("200", "Changed, and signed in", openapi.Session)), Problems: signingProblems}},
	{handle: resetPassword, Operation: openapi.Operation{Method: "POST", Path: "/auth/reset", Name: "reset", Summary: "Have a link sent by which a password is chosen", Public: true,
		Description: "The answer is the same whether there is such a user or not.",
		Body:        openapi.EmailBody, Answers: answers(answer("204", "If there is such a user, a link is sent", nil)), Problems: signingProblems}},
	{handle: listSessions, Operation: openapi.Operation{Method: "GET", Path: "/auth/sessions", Name: "sessions", Summary: "List the sessions of the principal, newest first",
		Description: "Admins may ask for another principal.", Parameters: []string{"session_principal"},
		Answers: answers(answer("200", "Those that are alive", openapi.Sessions)), Problems: []string{"400", "404", "405"}}},
	{handle: endSession, Operation: openapi.Operation{Method: "DELETE", Path: "/auth/sessions/{session}", Name: "endSession", Summary: "End a session of the principal, or as an admin of another",
		Answers: answers(answer("204", "It has ended, on every process", nil)), Problems: []string{"400", "404", "405", "503"}}},
	{handle: makeTicket, Operation: openapi.Operation{Method: "POST", Path: "/auth/ticket", Name: "ticket", Summary: "Make a ticket, for programs that cannot set headers",
		Description: "It stands for the credential of this request in the query of one read, as ticket=, within 30 s: a watch, a download. What it began ends with the credential.",
		Body:        openapi.EmptyBody, Answers: answers(answer("200", "The ticket", openapi.Ticket)), Problems: []string{"400", "404", "405", "413", "415", "503"}}},
	{handle: linkPage, anyQuery: true, Operation: openapi.Operation{Method: "GET", Path: people.LinkPath, Name: "link", Summary: "The page that a one-time link leads to", Public: true,
		Answers: answers(answer("200", "A page", openapi.Text("text/html"))), Problems: []string{"401", "404", "405"}}},
}

// userOperations are those of users only.
var userOperations = []operation{
	{handle: inviteUser, serves: isUser, rights: []string{"update"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:invite", Name: "invite", Summary: "Make a one-time link by which the user chooses a password",
		Description: "For a user without a password an invitation, which works for seven days; for another one a reset, for an hour. It ends when it is used and when the password changes. Where the program sends mail, it is sent to the user too.",
		Body:        openapi.EmptyBody, Answers: answers(answer("200", "The link", openapi.Link)), Problems: []string{"400", "404", "405", "409", "413", "415", "503"}}},
}

var signingProblems = []string{"400", "401", "403", "404", "405", "413", "415", "422", "503"}

func isUser(t *model.Type) bool { return t.Name == policy.Users && t.Builtin }

// signingIn reports whether a path is asked by people who are not signed in yet too.
func signingIn(path string) bool {
	own := slices.Contains([]string{"/auth/ticket", "/auth/sign", "/auth/links:revoke", "/auth/sessions"}, path) || strings.HasPrefix(path, "/auth/sessions/")
	return strings.HasPrefix(path, "/auth/") && !own
}

// recognise finds out who sends a request that needs no credential. A bearer credential
// that is wrong is refused all the same.
func (a *API) recognise(r **http.Request) error {
	c, err := a.credentialOf(*r)
	if err != nil {
		return err
	}
	who, err := a.o.Auth.Authenticate((*r).Context(), c)
	switch {
	case err != nil && c.Bearer != "":
		return err
	case err != nil:
		who = policy.Actor{Principal: policy.Anonymous, Identity: &policy.Identity{Public: true}}
	}
	from := policy.ActorOf((*r).Context())
	from.Principal, from.Identity = who.Principal, who.Identity
	*r = (*r).WithContext(policy.WithActor((*r).Context(), from))
	if !safe((*r).Method) && !a.o.People.FromOwnPages(*r) {
		return fault.Errorf(fault.PermissionDenied, "a page of another origin may not do this")
	}
	return a.paced(from)
}

// door is where people sign in, if they do.
func (a *API) door() (*people.Door, error) {
	if a.o.People == nil {
		return nil, fault.Errorf(fault.NotFound, "users do not sign in here: authentication is off")
	}
	return a.o.People, nil
}

// sessionAnswer is who is signed in.
func (a *API) sessionAnswer(who policy.Actor) map[string]any {
	out := map[string]any{"auth": "off", "principal": nil}
	if a.o.Auth == nil {
		return out
	}
	out["auth"] = "required"
	if issuers := a.o.People.Issuers(); len(issuers) > 0 {
		list := make([]any, len(issuers))
		for n, i := range issuers {
			list[n] = map[string]any{"name": i.Name, "title": i.Title, "login": people.IssuerPath + i.Name + people.LoginPath}
		}
		out["issuers"] = list
	}
	if who.Identity == nil || who.Identity.Public {
		return out
	}
	groups := who.Identity.Groups
	if groups == nil {
		groups = []string{}
	}
	p := map[string]any{"id": who.Principal, "groups": groups, "name": "", "email": ""}
	if a.o.People != nil {
		p["name"], p["email"] = a.o.People.NameOf(who)
	}
	out["principal"] = p
	return out
}

func tellSession(a *API, c call) error {
	return c.json(http.StatusOK, a.sessionAnswer(policy.ActorOf(c.r.Context())))
}

// textsOf reads texts of a body; one that is not a text is refused.
func textsOf(body map[string]any, names ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range names {
		v, given := body[name]
		if !given {
			continue
		}
		text, ok := v.(string)
		if !ok || text == "" {
			return nil, invalid("/"+name, "must be a text")
		}
		out[name] = text
	}
	return out, nil
}

func signIn(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	body, err := readObject(c.w, c.r, "email", "password", "key", "remember")
	if err != nil {
		return err
	}
	said, err := textsOf(body, "email", "password", "key")
	if err != nil {
		return err
	}
	remember, isFlag := body["remember"].(bool)
	if _, given := body["remember"]; given && !isFlag {
		return invalid("/remember", "must be true or false")
	}
	var s people.Signed
	switch {
	case len(said) == 1 && said["key"] != "":
		s, err = door.ByKey(c.r.Context(), said["key"], remember)
	case len(said) == 2 && said["key"] == "":
		s, err = door.ByPassword(c.r.Context(), said["email"], said["password"], remember)
	default:
		return invalid("", "needs email and password, or key")
	}
	return a.signedIn(c, s, remember, err)
}

// signedIn gives a session to the browser, in the place of the one that it had: a session
// that another put there is not the one that is signed in.
func (a *API) signedIn(c call, s people.Signed, remember bool, err error) error {
	if err != nil {
		return err
	}
	if err := a.o.People.End(c.r.Context(), a.o.People.Cookie(c.r)); err != nil {
		return err
	}
	a.o.People.SetCookie(c.w, s.Cookie, remember, s.Until)
	return c.json(http.StatusOK, a.sessionAnswer(s.Who))
}

func signOut(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	next, err := door.SignOut(c.r)
	if err != nil {
		return err
	}
	door.ClearCookie(c.w)
	if next != "" {
		return c.json(http.StatusOK, map[string]any{"continue_at": next})
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// goToIssuer sends a browser to where it signs in.
func goToIssuer(a *API, c call) error {
	p := c.query()
	to, remember := p.text("return_to"), p.flag("remember")
	if p.err != nil {
		return p.err
	}
	door, err := a.door()
	if err != nil {
		return err
	}
	at, cookie, err := door.Away(c.r, issuerName(c), to, remember)
	if err != nil {
		return err
	}
	http.SetCookie(c.w, cookie)
	seeOther(c, at)
	return nil
}

// comeFromIssuer signs a browser in that was there.
func comeFromIssuer(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	back, err := door.Return(c.r, issuerName(c))
	if err != nil {
		return err
	}
	if err := door.End(c.r.Context(), door.Cookie(c.r)); err != nil {
		return err
	}
	door.SetCookie(c.w, back.Cookie, back.Remember, back.Until)
	door.Came(c.w)
	seeOther(c, back.To)
	return nil
}

func issuerName(c call) string { return chi.URLParam(c.r, "issuer") }

func seeOther(c call, to string) {
	c.w.Header().Set("Location", to)
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusSeeOther)
}

func changePassword(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	body, err := readObject(c.w, c.r, "current", "password", "token", "email", "name")
	if err != nil {
		return err
	}
	said, err := textsOf(body, "current", "password", "token", "email", "name")
	if err != nil {
		return err
	}
	var s people.Signed
	switch {
	case said["password"] == "" || (said["token"] == "") == (said["current"] == ""):
		return invalid("", "needs password, and current or token")
	case said["token"] != "":
		s, err = door.ByLink(c.r.Context(), said["token"], said["password"], people.Person{Name: said["name"], Email: said["email"]})
	default:
		shown, _ := a.credentialOf(c.r) // it was read before
		s, err = door.ChangePassword(c.r.Context(), shown.Cookie, said["current"], said["password"])
	}
	return a.signedIn(c, s, false, err)
}

func resetPassword(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	body, err := readObject(c.w, c.r, "email")
	if err != nil {
		return err
	}
	said, err := textsOf(body, "email")
	if err != nil || said["email"] == "" {
		return invalid("/email", "must be a text")
	}
	if err := door.Reset(c.r.Context(), said["email"]); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func inviteUser(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	ctx := c.r.Context()
	d, err := a.m.Can(ctx, resource.Question{Action: "update", Type: c.t.Name, ID: c.id})
	if err != nil {
		return err
	}
	byAdmin := a.m.Guard.Admin(ctx) == nil
	if !byAdmin && d.Allowed {
		d = door.MayInvite(policy.ActorOf(ctx), c.id)
	}
	if !d.Allowed {
		if _, err := a.m.Get(ctx, c.t.Name, c.id, resource.GetOptions{}); err != nil {
			return err
		}
		return policy.Denied(ctx, c.t, c.id, "update", d)
	}
	link, err := door.Invite(ctx, c.id, byAdmin)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, link)
}

func listSessions(a *API, c call) error {
	p := c.query()
	of := p.text("principal")
	if p.err != nil {
		return p.err
	}
	door, err := a.door()
	if err != nil {
		return err
	}
	if of == "" {
		of = policy.ActorOf(c.r.Context()).Principal
	} else if of != policy.ActorOf(c.r.Context()).Principal {
		if err := a.m.Guard.Admin(c.r.Context()); err != nil {
			return err
		}
	}
	type item struct {
		ID        string    `json:"id"`
		Principal string    `json:"principal"`
		Made      time.Time `json:"created_at"`
		Used      time.Time `json:"last_used_at"`
		Until     time.Time `json:"expires_at"`
		Address   string    `json:"address"`
		Agent     string    `json:"user_agent"`
		Current   bool      `json:"current"`
	}
	items := []item{}
	for _, s := range door.Sessions(of) {
		items = append(items, item{s.ID, s.Principal, s.Made, s.Used, s.Until, s.Address, s.Agent, door.IsOf(door.Cookie(c.r), s.ID)})
	}
	return c.items(items, "")
}

func endSession(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	s, found := door.Find(c.id)
	if found && s.Principal != policy.ActorOf(ctx).Principal && a.m.Guard.Admin(ctx) != nil {
		found = false
	}
	if !found {
		return fault.Errorf(fault.NotFound, "there is no session %q", c.id)
	}
	if err := door.EndByID(ctx, c.id); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func makeTicket(a *API, c call) error {
	door, err := a.door()
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	shown, _ := c.r.Context().Value(credentialKey{}).(identity.Credential)
	if policy.ActorOf(c.r.Context()).IsPublic() {
		return errNoCredential
	}
	t, err := door.TicketOf(shown)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, t)
}

func linkPage(a *API, c call) error {
	if _, err := a.door(); err != nil {
		return err
	}
	people.WritePage(c.w)
	return nil
}
