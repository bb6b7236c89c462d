package resource

import (
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Admin is about the whole store: backup, restore, verification, migration, the audit
// log. All of it needs an admin.
type Admin struct {
	Claims  *Claims
	Guard   *Guard
	Reads   *Reads
	States  *States
	Writer  *Writer
	blobs   storage.Blobs
	cursors *query.Cursors
	hashKey *atomic.Pointer[[]byte] // Options.ClaimKey, or that of what was restored
	index   Index
	loading *atomic.Bool // a backup is being restored
	log     storage.Log
	names   []string // of the types, sorted
	o       *Options
	recent  *recent
	types   map[string]*model.Type
}

// NewAdmin is the administration of a Manager.
func NewAdmin(m *Manager) *Admin {
	ad := &Admin{Claims: m.parts.Claims, Guard: m.parts.Guard, Reads: m.parts.Reads, States: m.parts.States, Writer: m.parts.Writer, blobs: m.parts.Core.Blobs, cursors: m.parts.Core.Cursors, hashKey: m.parts.Core.HashKey, index: m.parts.Core.Index, loading: m.parts.Core.Loading, log: m.parts.Core.Log, names: m.parts.Core.Names, o: m.parts.Core.Options, recent: m.parts.Core.Recent, types: m.parts.Core.Types}
	return ad
}
