package resource

import (
	"context"
	"io"
	"time"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/rights"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// Manager is the one way to resources for an application: its handlers, actions and
// hooks. All methods are safe for concurrent use.
type Manager struct {
	p       commit.Parts
	jobs    *jobs.Jobs
	upkeep  *upkeep.Upkeep
	watches *notify.Watches
	bulk    *upkeep.BulkChanges
	keys    *rights.Keys
}

// Create makes a resource. An id that exists is already_exists, also when the
// content is equal.
func (m *Manager) Create(ctx context.Context, typ string, data any, o commit.CreateOptions) (*states.Resource, error) {
	return m.p.Writer.Create(ctx, typ, data, o)
}

// Get reads one resource.
func (m *Manager) Get(ctx context.Context, typ, id string, o states.GetOptions) (*states.Resource, error) {
	return m.p.Reads.Get(ctx, typ, id, o)
}

// Update replaces the content with a new revision. Content equal to the current
// revision's changes nothing, a different status is still applied.
func (m *Manager) Update(ctx context.Context, typ, id string, data any, o commit.UpdateOptions) (*states.Resource, bool, error) {
	return m.p.Writer.Update(ctx, typ, id, data, o)
}

// Patch applies a patch to the newest state and writes the result as Update
// does. When another write comes first it is applied again to what that left.
func (m *Manager) Patch(ctx context.Context, typ, id string, p commit.Patch, o commit.UpdateOptions) (*states.Resource, error) {
	return m.p.Writer.Patch(ctx, typ, id, p, o)
}

// Delete marks a resource as deleted; no revision is written.
func (m *Manager) Delete(ctx context.Context, typ, id string, match commit.Match) (*states.Resource, error) {
	return m.p.Writer.Delete(ctx, typ, id, match)
}

// Restore undoes a delete; a live resource stays as it is. References that are let
// go when their target is deleted, and whose target is gone, are let go: the
// resource is as if it had been live.
func (m *Manager) Restore(ctx context.Context, typ, id string, match commit.Match) (*states.Resource, error) {
	return m.p.Writer.Restore(ctx, typ, id, match)
}

// RestoreAs is Restore at another revision, or with a change, for what cannot come
// back as it was: its reference or its unique value is gone. The one needs the right
// to switch too, the other that to update.
func (m *Manager) RestoreAs(ctx context.Context, typ, id string, o commit.RestoreOptions) (*states.Resource, error) {
	return m.p.Writer.RestoreAs(ctx, typ, id, o)
}

// SetStatus publishes a draft, or begins a draft from a stable revision.
func (m *Manager) SetStatus(ctx context.Context, typ, id string, status storage.Status, match commit.Match) (*states.Resource, error) {
	return m.p.Writer.SetStatus(ctx, typ, id, status, match)
}

// Switch moves HEAD to another revision; a later update's parent is that one.
func (m *Manager) Switch(ctx context.Context, typ, id string, number int, match commit.Match) (*states.Resource, error) {
	return m.p.Writer.Switch(ctx, typ, id, number, match)
}

// Batch does several writes: one by one, or atomic, all or none. An atomic one
// that fails returns the error that refused it, and the results say which.
func (m *Manager) Batch(ctx context.Context, ops []commit.BatchOperation, atomic bool) ([]commit.BatchResult, error) {
	return m.p.Batches.Batch(ctx, ops, atomic)
}

// List searches a type.
func (m *Manager) List(ctx context.Context, typ string, o states.ListOptions) (*states.List, error) {
	return m.p.Reads.List(ctx, typ, o)
}

// Count counts what List would find; seq is the index when it was read.
func (m *Manager) Count(ctx context.Context, typ string, o states.ListOptions) (n int64, seq uint64, err error) {
	return m.p.Reads.Count(ctx, typ, o)
}

// Aggregate counts and sums up what List would find, in groups.
func (m *Manager) Aggregate(ctx context.Context, typ string, o states.AggregateOptions) (*states.Aggregate, error) {
	return m.p.Reads.Aggregate(ctx, typ, o)
}

// Publish publishes HEAD: a draft becomes stable, a stable revision that was taken back
// is published again.
func (m *Manager) Publish(ctx context.Context, typ, id string, match commit.Match) (*states.Resource, error) {
	return m.p.Publishing.Publish(ctx, typ, id, commit.When{}, match)
}

// PublishAt is Publish at a time, of the revision that is HEAD now, or of what is HEAD
// then; or the end of what was scheduled.
func (m *Manager) PublishAt(ctx context.Context, typ, id string, w commit.When, match commit.Match) (*states.Resource, error) {
	return m.p.Publishing.Publish(ctx, typ, id, w, match)
}

// Unpublish takes back what is published, without deleting anything.
func (m *Manager) Unpublish(ctx context.Context, typ, id string, match commit.Match) (*states.Resource, error) {
	return m.p.Publishing.Unpublish(ctx, typ, id, commit.When{}, match)
}

// UnpublishAt is Unpublish at a time; or the end of what was scheduled.
func (m *Manager) UnpublishAt(ctx context.Context, typ, id string, w commit.When, match commit.Match) (*states.Resource, error) {
	return m.p.Publishing.Unpublish(ctx, typ, id, w, match)
}

// Release publishes several resources together, all or none, now or at a time.
func (m *Manager) Release(ctx context.Context, items []commit.PublishItem, w commit.When) ([]commit.BatchResult, error) {
	return m.p.Publishing.Release(ctx, items, w)
}

// Expand reads the resources that the given reference fields of the items lead
// to, each once, with one search for each referred type. What is deleted or
// gone is left out.
func (m *Manager) Expand(ctx context.Context, typ string, items []*states.Resource, fields []string) (map[string]map[string]*states.Resource, error) {
	return m.p.Reads.Expand(ctx, typ, storage.HeadView, items, fields)
}

// Referrers lists the live resources that refer to one.
func (m *Manager) Referrers(ctx context.Context, typ, id string, o states.PageOptions) (*states.ReferringList, error) {
	return m.p.Reads.Referrers(ctx, typ, id, storage.HeadView, o)
}

// Revisions lists a resource's revisions, newest first; with chain only those
// from HEAD along the parents. It answers for deleted resources too.
func (m *Manager) Revisions(ctx context.Context, typ, id string, chain bool, o states.PageOptions) (*states.RevisionList, error) {
	return m.p.Reads.Revisions(ctx, typ, id, chain, o)
}

// History lists every event of a resource, oldest first. It answers for deleted
// resources too.
func (m *Manager) History(ctx context.Context, typ, id string, o states.PageOptions) (*states.HistoryList, error) {
	return m.p.Reads.History(ctx, typ, id, o)
}

// Diff returns the operations that turn the content of one revision into that
// of another.
func (m *Manager) Diff(ctx context.Context, typ, id string, from, to int) ([]states.Operation, *states.Resource, error) {
	return m.p.Reads.Diff(ctx, typ, id, from, to)
}

// Check returns what refuses a write to a live resource before its content is
// looked at: that the actor has not the right, that it is not there, that it is
// deleted, or the precondition.
func (m *Manager) Check(ctx context.Context, action, typ, id string, match commit.Match) error {
	return m.p.Writer.Check(ctx, action, typ, id, match)
}

// Can answers whether a principal may do something, as the write itself would, references included, with the rule that
// decides. That a resource is there is told only to a principal that may read it.
func (m *Manager) Can(ctx context.Context, q commit.Question) (policy.Decision, error) {
	return m.p.Questions.Can(ctx, q)
}

// RotateKey gives an API key a new secret, which is in the answer. The one before
// stays good for the overlap.
func (m *Manager) RotateKey(ctx context.Context, id string, overlap time.Duration, match commit.Match) (*states.Resource, error) {
	return m.keys.RotateKey(ctx, id, overlap, match)
}

// PageToken makes the token of a list that the Manager does not keep itself, for
// the page at a place in it.
func (m *Manager) PageToken(place uint64, list string) string {
	return m.p.Reads.PageToken(place, list)
}

// PageAfter reads what PageToken made; 0 for the first page.
func (m *Manager) PageAfter(token, list string) (uint64, error) {
	return m.p.Reads.PageAfter(token, list)
}

// Purge erases a resource with its history, see Upkeep.Purge.
func (m *Manager) Purge(ctx context.Context, typ, id string, match commit.Match) (upkeep.PurgeResult, error) {
	return m.upkeep.Purge(ctx, typ, id, match)
}

// Cancel ends a job, see Jobs.Cancel.
func (m *Manager) Cancel(ctx context.Context, typ, id string, match commit.Match) (*states.Resource, error) {
	return m.jobs.Cancel(ctx, typ, id, match)
}

// Rerun has a job run again, see Jobs.Rerun.
func (m *Manager) Rerun(ctx context.Context, typ, id string, match commit.Match) (*states.Resource, error) {
	return m.jobs.Rerun(ctx, typ, id, match)
}

// Logs are what the handler of a job wrote, see Jobs.Logs.
func (m *Manager) Logs(ctx context.Context, typ, id string, o states.PageOptions) (*jobs.LogList, error) {
	return m.jobs.Logs(ctx, typ, id, o)
}

// Watch tells of events as they happen, see Watches.Watch.
func (m *Manager) Watch(ctx context.Context, o notify.WatchOptions) (*notify.Watch, error) {
	return m.watches.Watch(ctx, o)
}

// QueueBulk makes the job of a change of many resources, see BulkChanges.QueueBulk.
func (m *Manager) QueueBulk(ctx context.Context, typ string, doc map[string]any) (*states.Resource, error) {
	return m.bulk.QueueBulk(ctx, typ, doc)
}

// PutBinary stores content that resources may refer to, see BinaryStore.PutBinary.
func (m *Manager) PutBinary(ctx context.Context, r io.Reader, limit int64) (model.Blob, error) {
	return m.p.Binaries.PutBinary(ctx, r, limit)
}

// OpenBinary reads content that a resource refers to, see BinaryStore.OpenBinary.
func (m *Manager) OpenBinary(ctx context.Context, typ, id, digest string) (storage.BinaryReader, string, error) {
	return m.p.Binaries.OpenBinary(ctx, typ, id, digest)
}

// Type finds a type by its name; unknown_type when there is none.
func (m *Manager) Type(name string) (*model.Type, error) { return m.p.States.Type(name) }

// Types lists the types by name.
func (m *Manager) Types() []*model.Type { return m.p.States.Types() }

// May refuses an action that the actor of the context is allowed on no resource of a
// type.
func (m *Manager) May(ctx context.Context, t *model.Type, action string) error {
	return m.p.Guard.May(ctx, t, action)
}

// Admin refuses an actor that does not have every right there is.
func (m *Manager) Admin(ctx context.Context) error { return m.p.Guard.Admin(ctx) }
