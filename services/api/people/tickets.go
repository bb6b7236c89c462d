package people

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/services/api/identity"
)

// TicketFor is how long a ticket may be used.
const TicketFor = 30 * time.Second

// Ticket stands for a credential in the query of one request, for programs that cannot
// set headers.
type Ticket struct {
	Ticket string    `json:"ticket"`
	Until  time.Time `json:"expires_at"`
}

// sealedTicket is what a ticket holds. It is sealed, because it holds the credential
// itself: so it ends with that.
type sealedTicket struct {
	Credential identity.Credential `json:"c"`
	Until      time.Time           `json:"u"`
}

// TicketOf makes a ticket of a credential.
func (d *Door) TicketOf(c identity.Credential) (Ticket, error) {
	t := sealedTicket{c, time.Now().Add(TicketFor).UTC()}
	text, err := seal(d.tickets, t)
	return Ticket{text, t.Until}, err
}

func errTicket() error {
	return fault.Errorf(fault.Unauthenticated, "the ticket was used, has expired or is not valid")
}

// Redeem uses a ticket and returns the credential that it stands for. It works once, on
// whichever process.
func (d *Door) Redeem(ctx context.Context, text string) (c identity.Credential, err error) {
	var t sealedTicket
	if !unseal(d.tickets, text, &t) || time.Now().After(t.Until) {
		return c, errTicket()
	}
	if err := d.o.Access.Once(ctx, d.o.Log, text, t.Until); err != nil {
		if fault.CodeOf(err) == fault.Unauthenticated {
			return c, errTicket()
		}
		return c, &fault.Error{Code: fault.Unavailable, RetryAfter: time.Second, Detail: "the ticket cannot be used now; try again", Cause: err}
	}
	return t.Credential, nil
}
