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
