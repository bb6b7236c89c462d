package wiring

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/services/worker/webhook"
)

// protectEvents protects the stream of events from other clients of the server:
// subscriptions of the program have names that cannot be guessed, and foreign
// messages in the stream are removed and reported.
func (p *program) protectEvents(ctx context.Context, claimKey []byte) error {
	key, err := p.st.subscriptionsKey(ctx, claimKey, p.set.provisions(), p.logger)
	if err != nil {
		return err
	}
	foreign := prometheus.NewCounter(prometheus.CounterOpts{Name: "autocrud_events_foreign_total",
		Help: "Messages found in the stream of events that AutoCRUD did not publish."})
	p.registry.MustRegister(foreign)
	p.st.outward.Seal(key)
	p.st.outward.Foreign(func(n int, err error) {
		foreign.Add(float64(n))
		if err != nil {
			p.logger.Error("the stream of events held messages that AutoCRUD did not publish; they cannot be removed and subscribers get them: check which users may publish, and let the user of this service delete messages of the stream",
				"messages", n, "error", err)
			return
		}
		p.logger.Error("the stream of events held messages that AutoCRUD did not publish; they are removed: check which users may publish", "messages", n)
	})
	return nil
}

// subscribes reports whether a consumer's name is one of the program's own.
func subscribes(name string) bool { return webhook.Subscribes(name) || notify.Subscribes(name) }

// adoptSubscriptions goes on, under names that cannot be guessed, where an older
// version was.
func (p *program) adoptSubscriptions(ctx context.Context) {
	if err := p.st.outward.Adopt(ctx, subscribes); err != nil {
		p.logger.WarnContext(ctx, "subscriptions of an older version are not taken over", "error", err)
	}
}

// policeEvery is how often consumers are looked at.
const policeEvery = 10 * time.Second

// policeEvents takes away the consumers that subscribers may not have.
func (p *program) policeEvents(ctx context.Context) error {
	return p.st.outward.Police(ctx, policeEvery, subscribes, func(names []string, err error) {
		p.logger.WarnContext(ctx, "consumers of the stream of events are taken away: a subscriber may have no push consumers, none with a name of the program, and all together 128",
			"consumers", strings.Join(names, " "), "error", err)
	})
}
