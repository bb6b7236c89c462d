package resource

import (
	"context"
	"io"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Domain is everything that is done with resources: what an application may do, and
// beside it what only the program itself does. An application's code gets the Manager.
type Domain struct {
	*Manager
	Parts
	Jobs     *Jobs
	Upkeep   *Upkeep
	Watches  *Watches
	Webhooks *WebhookAccess
	Bulk     *BulkChanges
	Admin    *Admin
}

// NewDomain serves the types from the three stores.
func NewDomain(types []*model.Type, log storage.Log, blobs storage.Blobs, index Index, o Options) *Domain {
	m := newManager(types, log, blobs, index, o)
	d := &Domain{Manager: m, Parts: m.parts, Jobs: NewJobs(m), Admin: NewAdmin(m)}
	d.Upkeep = NewUpkeep(m, d.Jobs)
	d.Watches = NewWatches(m, d.Upkeep)
	d.Webhooks = NewWebhookAccess(m, d.Watches)
	d.Bulk = NewBulkChanges(m, d.Jobs, d.Upkeep)
	m.d = d
	return d
}

// NewManager is NewDomain for a program that needs nothing but the operations on
// resources.
func NewManager(types []*model.Type, log storage.Log, blobs storage.Blobs, index Index, o Options) *Manager {
	return NewDomain(types, log, blobs, index, o).Manager
}

// Purge erases a resource with its history, see Upkeep.Purge.
func (m *Manager) Purge(ctx context.Context, typ, id string, match Match) (PurgeResult, error) {
	return m.d.Upkeep.Purge(ctx, typ, id, match)
}

// Cancel ends a job, see Jobs.Cancel.
func (m *Manager) Cancel(ctx context.Context, typ, id string, match Match) (*Resource, error) {
	return m.d.Jobs.Cancel(ctx, typ, id, match)
}

// Rerun has a job run again, see Jobs.Rerun.
func (m *Manager) Rerun(ctx context.Context, typ, id string, match Match) (*Resource, error) {
	return m.d.Jobs.Rerun(ctx, typ, id, match)
}

// Logs are what the handler of a job wrote, see Jobs.Logs.
func (m *Manager) Logs(ctx context.Context, typ, id string, o PageOptions) (*LogList, error) {
	return m.d.Jobs.Logs(ctx, typ, id, o)
}

// Watch tells of events as they happen, see Watches.Watch.
func (m *Manager) Watch(ctx context.Context, o WatchOptions) (*Watch, error) {
	return m.d.Watches.Watch(ctx, o)
}

// QueueBulk makes the job of a change of many resources, see BulkChanges.QueueBulk.
func (m *Manager) QueueBulk(ctx context.Context, typ string, doc map[string]any) (*Resource, error) {
	return m.d.Bulk.QueueBulk(ctx, typ, doc)
}

// PutBinary stores content that resources may refer to, see BinaryStore.PutBinary.
func (m *Manager) PutBinary(ctx context.Context, r io.Reader, limit int64) (model.Blob, error) {
	return m.parts.Binaries.PutBinary(ctx, r, limit)
}

// OpenBinary reads content that a resource refers to, see BinaryStore.OpenBinary.
func (m *Manager) OpenBinary(ctx context.Context, typ, id, digest string) (storage.BinaryReader, string, error) {
	return m.parts.Binaries.OpenBinary(ctx, typ, id, digest)
}

// Type finds a type by its name; unknown_type when there is none.
func (m *Manager) Type(name string) (*model.Type, error) { return m.parts.States.Type(name) }

// Types lists the types by name.
func (m *Manager) Types() []*model.Type { return m.parts.States.Types() }

// May refuses an action that the actor of the context is allowed on no resource of a
// type.
func (m *Manager) May(ctx context.Context, t *model.Type, action string) error {
	return m.parts.Guard.May(ctx, t, action)
}

// Admin refuses an actor that does not have every right there is.
func (m *Manager) Admin(ctx context.Context) error { return m.parts.Guard.Admin(ctx) }
