package states

import (
	"context"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/audit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// maxNamed bounds the ids that one entry names.
const maxNamed = MaxPageSize

// byOthers reports whether an actor is one that the audit tells about: not the
// program itself.
func byOthers(a policy.Actor) bool { return a.RequestID != "" || a.Identity != nil }

// TellRead records that an actor reads resources of a type that says so. Nothing is
// shown of which the audit does not tell.
func (gd *Guard) TellRead(ctx context.Context, t *model.Type, action string, ids ...string) error {
	actor := policy.ActorOf(ctx)
	if t == nil || !t.AuditReads || gd.o.Recorder == nil || !byOthers(actor) {
		return nil
	}
	e := storage.AuditEntry{Outcome: audit.OutcomeOK, Action: action, Type: t.Name}
	if len(ids) == 1 && action != "list" {
		e.ID = ids[0]
	} else {
		e.IDs = ids[:min(len(ids), maxNamed)]
	}
	return gd.Tell(ctx, e)
}

// Tell records something that the actor of the context did or was refused, and
// returns once it is kept.
func (gd *Guard) Tell(ctx context.Context, e storage.AuditEntry) error {
	if gd.o.Recorder == nil {
		return nil
	}
	actor := policy.ActorOf(ctx)
	if e.Principal == "" {
		e.Principal = actor.Principal
	}
	e.At, e.RequestID, e.Address, e.UserAgent = gd.States.Now(), actor.RequestID, actor.Address, actor.UserAgent
	e.Path = strings.ToValidUTF8(e.Path, "?")
	ctx, cancel := context.WithTimeout(ctx, audit.Timeout)
	defer cancel()
	if err := gd.o.Recorder.Record(ctx, e); err != nil {
		return &fault.Error{Code: fault.Unavailable, Detail: "the audit cannot be written, without which this is not answered; try again", Cause: err}
	}
	return nil
}

// AuditsReads reports whether reads of any type are recorded.
func (gd *Guard) AuditsReads() bool {
	for _, t := range gd.types.All() {
		if t.AuditReads {
			return true
		}
	}
	return false
}
