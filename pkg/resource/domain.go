package resource

import (
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/publishing"
	"github.com/autocrud-go/autocrud/pkg/rights"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// Domain is everything that is done with resources: what an application may do, and
// beside it what only the program itself does. An application's code gets the Manager.
type Domain struct {
	*Manager
	commit.Parts
	Jobs       *jobs.Jobs
	Upkeep     *upkeep.Upkeep
	Publisher  *publishing.Publisher
	Watches    *notify.Watches
	Webhooks   *notify.WebhookAccess
	AfterHooks *notify.AfterHooks
	Bulk       *upkeep.BulkChanges
	Admin      *admin.Admin
}

// NewDomain serves the types from the three stores.
func NewDomain(types []*model.Type, log storage.Log, blobs storage.Blobs, index states.Index, o states.Options) *Domain {
	p := commit.NewParts(states.NewCore(types, log, blobs, index, o))
	rights.Register(p)
	d := &Domain{Parts: p, Jobs: jobs.New(p), Admin: admin.New(p), AfterHooks: notify.NewAfterHooks(p)}
	d.Publisher = publishing.New(p)
	d.Upkeep = upkeep.New(p, d.Jobs)
	d.Watches = notify.NewWatches(p, d.Upkeep)
	d.Webhooks = notify.NewWebhookAccess(p, d.Watches)
	d.Bulk = upkeep.NewBulkChanges(p, d.Jobs, d.Upkeep)
	d.Manager = &Manager{p: p, jobs: d.Jobs, upkeep: d.Upkeep, watches: d.Watches, bulk: d.Bulk, keys: &rights.Keys{Writer: p.Writer}}
	return d
}

// Use serves other types from now on. Requests go on; a write that was begun by an older
// model is committed if it fits the new one. last, if not nil, runs with the new types in
// place and while nothing is committed; where it fails the old ones stay.
func (d *Domain) Use(types []*model.Type, last func() error) error {
	err := d.Core.Types.Replace(types, last)
	if access := d.Core.Options.Access; access != nil {
		access.TypesChanged()
	}
	return err
}

// NewManager is NewDomain for a program that needs nothing but the operations on
// resources.
func NewManager(types []*model.Type, log storage.Log, blobs storage.Blobs, index states.Index, o states.Options) *Manager {
	return NewDomain(types, log, blobs, index, o).Manager
}
