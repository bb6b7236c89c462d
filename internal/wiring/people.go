package wiring

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"github.com/autocrud-go/autocrud/services/api/people"
)

// checkPeople refuses settings about how people sign in that cannot be.
func (x *Choices) checkPeople() error {
	if x.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(x.PublicURL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || x.PublicURL != u.Scheme+"://"+strings.ToLower(u.Host) {
		return wrong("--public-url is an origin as browsers write it, like https://app.example.com, not %q", x.PublicURL)
	}
	return nil
}

// publicURL is where people reach the server.
func (x *Choices) publicURL(own string) string {
	if x.PublicURL != "" {
		return x.PublicURL
	}
	return own
}

// publicHost is the name that browsers have for the server besides its own; none without
// PublicURL.
func (x *Choices) publicHost() []string {
	u, err := url.Parse(x.PublicURL)
	if err != nil || u.Host == "" {
		return nil
	}
	return []string{u.Hostname()}
}

// openDoor makes where people sign in; nil without authentication.
func (p *program) openDoor(url string) (*people.Door, error) {
	if p.access == nil || !p.has.api {
		return nil, nil
	}
	key, err := p.st.claimKey(context.Background(), p.logger)
	if err != nil {
		return nil, err
	}
	loopback, _ := isLoopback(p.set.Addr) // it was checked
	return people.New(people.Options{Access: p.access, Log: p.st.log, Domain: p.manager, Key: key, URL: p.set.publicURL(url), Loopback: loopback && p.set.TLSCert == "",
		Origins: p.set.CORSOrigins, Mail: p.mailer(), Issuers: p.set.issuers.doors(), Logger: p.logger})
}

// mailer sends mail to people: by the application's hook, or by a command; nil when there
// is neither.
func (p *program) mailer() func(context.Context, people.Mail) error {
	switch {
	case p.app.Mail != nil:
		return p.app.Mail
	case p.set.MailExec == "":
		return nil
	}
	return func(ctx context.Context, m people.Mail) error {
		in, err := json.Marshal(m)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, p.set.MailExec)
		cmd.Stdin = bytes.NewReader(in)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %.200s", err, out)
		}
		return nil
	}
}

// tellSetup shows the link of the first admin, on the error output, until there is a user.
func (p *program) tellSetup(d *people.Door) {
	if d == nil || !p.served("users") || p.set.Service == "api" {
		return
	}
	if link := d.SetupURL(); link != "" {
		fmt.Fprintf(os.Stderr, "first admin: choose a password at %s\n", link)
	}
}

// served reports whether the program's own type of a name is served.
func (p *program) served(name string) bool {
	for _, t := range p.types {
		if t.Name == name {
			return t.Builtin
		}
	}
	return false
}

// keepSessions writes down which sessions are used.
func (p *program) keepSessions(ctx context.Context) error {
	return p.access.KeepSessions(ctx, p.st.log, func(err error) {
		p.logger.WarnContext(ctx, "which sessions are used is not written down", "error", err)
	})
}

// sweepSessions removes what is past from the log.
func (p *program) sweepSessions(ctx context.Context) error {
	return p.access.SweepSessions(ctx, p.st.log, func(err error) {
		p.logger.WarnContext(ctx, "sessions that are past are not removed", "error", err)
	})
}
