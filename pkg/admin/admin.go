package admin

import (
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Admin is about the whole store: backup, restore, verification, migration, the audit
// log. All of it needs an admin.
type Admin struct {
	Claims  *commit.Claims
	Guard   *states.Guard
	Reads   *states.Reads
	States  *states.States
	Writer  *commit.Writer
	blobs   storage.Blobs
	cursors *query.Cursors
	hashKey *atomic.Pointer[[]byte] // Options.ClaimKey, or that of what was restored
	index   states.Index
	loading *atomic.Bool // a backup is being restored
	log     storage.Log
	o       *states.Options
	recent  *states.Recent
	walks   *states.Walks
	types   *registry.Types
}

// New is the administration of a Manager.
func New(p commit.Parts) *Admin {
	ad := &Admin{Claims: p.Claims, Guard: p.Guard, Reads: p.Reads, States: p.States, Writer: p.Writer, blobs: p.Core.Blobs, cursors: p.Core.Cursors, hashKey: p.Core.HashKey, index: p.Core.Index, loading: p.Core.Loading, log: p.Core.Log, o: p.Core.Options, recent: p.Core.Recent, walks: p.Core.Walks, types: p.Core.Types}
	return ad
}
