package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Verified is what Verify looked at.
type Verified struct {
	Events    int `json:"events"`
	Resources int `json:"resources"`
	Objects   int `json:"objects"`
	Claims    int `json:"claims"`
	Binaries  int `json:"binaries"`      // read to their end
	Entries   int `json:"audit_entries"` // refusals and audited reads
	// Unfit counts live resources that do not fit their model. They are no findings:
	// the stores agree about them.
	Unfit    int `json:"unfit"`
	Findings int `json:"findings"`
}

// verifyReaders is how many objects and rows are read at a time.
const verifyReaders = 16

// verifier folds the log and compares.
type verifier struct {
	m      *Admin
	report func(Finding)
	out    Verified
	checks *errgroup.Group // of objects, several at a time
	heads  map[states.Key]verified
	claims map[string]commit.UniqueClaim // subject -> the last message
	// events of the log that were not compared with the index yet, by sequence,
	// and up to where they were.
	events   map[uint64]logged
	compared uint64
	doubts   []doubt

	hashes map[string]hashed // by constraint
	tombs  tombs
	pruned pruned

	mu       sync.Mutex
	binaries map[string]error // what reading each came to
	unfit    map[string]int64 // live resources that do not fit, by type
}

// logged is an event of the log.
type logged struct {
	key    states.Key
	digest string
}

// verified is what the log says of a resource.
type verified struct {
	seq     uint64
	event   string
	digest  string
	logged  string // digest of the last event that is in the log
	count   int
	hash    string
	deleted bool
	purged  bool
	held    commit.Holdings
}

// Verify compares the log, the blobs and the index with each other up to where
// the log ends now, and reports every difference. It changes nothing.
func (ad *Admin) Verify(ctx context.Context, report func(Finding)) (Verified, error) {
	if err := ad.Guard.Admin(ctx); err != nil {
		return Verified{}, err
	}
	v := &verifier{m: ad, heads: map[states.Key]verified{}, claims: map[string]commit.UniqueClaim{}, events: map[uint64]logged{}, binaries: map[string]error{}, hashes: map[string]hashed{}, unfit: map[string]int64{},
		tombs: tombs{of: map[states.Key]tomb{}}}
	var mu sync.Mutex
	v.report = func(f Finding) {
		mu.Lock()
		defer mu.Unlock()
		v.out.Findings++
		report(f)
	}
	state, err := ad.log.State(ctx)
	if err != nil {
		return v.out, err
	}
	var reading context.Context
	v.checks, reading = errgroup.WithContext(ctx)
	v.checks.SetLimit(verifyReaders)
	err = ad.States.WaitIndexed(reading, state.Last)
	if err == nil {
		err = v.readPruned(reading, state.Last)
	}
	if err == nil {
		err = v.fold(reading, state)
	}
	if failed := v.checks.Wait(); failed != nil {
		err = failed // why the reading was ended
	}
	if err != nil {
		return v.out, err
	}
	if err := v.comparePruned(ctx); err != nil {
		return v.out, err
	}
	if err := v.settle(ctx); err != nil {
		return v.out, err
	}
	if err := v.compareIndex(ctx, state.Last); err != nil {
		return v.out, err
	}
	if err := v.compareClaims(ctx); err != nil {
		return v.out, err
	}
	v.compareHashes()
	if ad.o.Recorder != nil {
		v.out.Entries, err = ad.o.Recorder.Verify(ctx, func(seq uint64, problem string) {
			v.report(Finding{Seq: seq, Problem: "audit: " + problem})
		})
	}
	return v.out, err
}

// fold reads the whole log.
func (v *verifier) fold(ctx context.Context, state storage.LogState) error {
	if state.Last < state.First {
		return nil
	}
	read, err := archive.ReadLog(ctx, v.m.log, state, func(entry storage.Entry) error {
		if err := v.entry(ctx, entry); err != nil {
			return err
		}
		return v.compareEvents(ctx, entry.Seq, false)
	})
	if err != nil {
		return err
	}
	if what := read.Damage(); what != "" {
		v.report(Finding{Problem: what})
	}
	return v.compareEvents(ctx, state.Last, true)
}

func (v *verifier) entry(ctx context.Context, entry storage.Entry) error {
	if strings.HasPrefix(entry.Subject, "claim.") {
		var c commit.UniqueClaim
		if err := json.Unmarshal(entry.Data, &c); err != nil {
			v.report(Finding{Seq: entry.Seq, Problem: "a claim cannot be read"})
			return nil
		}
		v.claims[entry.Subject] = c
		return nil
	}
	typ, id, ok := storage.SplitRevisionSubject(entry.Subject)
	if !ok {
		return nil
	}
	v.out.Events++
	find := func(format string, args ...any) {
		v.unlessPurged(ctx, Finding{Type: typ, ID: id, Seq: entry.Seq, Problem: fmt.Sprintf(format, args...)})
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		find("the event cannot be read: %v", err)
		v.events[entry.Seq] = logged{states.Key{Type: typ, ID: id}, "unreadable"}
		return nil
	}
	k := states.Key{Type: typ, ID: id}
	v.passPruned(k, entry.Seq)
	before, known := v.heads[k]
	if e.Meta.Type != typ || e.Meta.ID != id || e.ID != entry.ID {
		find("the event is of another resource than its subject")
	}
	// After a purge what came before is erased, so the tombstone's predecessor
	// is known by its digest alone.
	if known && e.Previous != before.digest && e.Previous != before.logged {
		find("the event does not follow the one before it: history was altered")
	}
	if known && !before.purged && e.Action != storage.Purged && e.Wrote > before.count && e.Wrote != before.count+1 && !v.pruned.between(k, before.count, e.Wrote) {
		find("revision %d follows %d", e.Wrote, before.count)
	}
	v.events[e.Seq] = logged{k, e.Digest()}
	h := verified{seq: e.Seq, event: e.ID, digest: e.Digest(), logged: e.Digest(), count: e.Meta.RevisionCount, hash: e.Revision.Hash,
		deleted: e.Meta.Deleted, purged: e.Action == storage.Purged}
	if t := v.m.types.Named(typ); t != nil && e.Action != storage.Purged {
		if h.held, err = v.m.Claims.Holdings(ctx, t, states.StateOf(e, false)); err != nil {
			find("its content cannot be read: %v", err)
		}
	}
	v.heads[k] = h
	if e.Action == storage.Purged {
		return nil
	}
	if e.Wrote > 0 && !v.pruned.covers(e) {
		v.out.Objects++
		v.checks.Go(func() error { return v.object(ctx, e, find) })
	}
	v.checkHashes(e)
	return nil
}

// comparedAtOnce is how many sequences of the log are compared with the index at
// a time.
const comparedAtOnce = 5000

// compareEvents compares the events up to a sequence of the log with those that
// the index keeps: an intruder has to alter both.
func (v *verifier) compareEvents(ctx context.Context, through uint64, last bool) error {
	if through-v.compared < comparedAtOnce && !last || through <= v.compared {
		return nil
	}
	kept, err := states.WhenBuilt(ctx, states.Default, func() ([]storage.Past, error) {
		return v.m.index.Events(ctx, storage.EventQuery{After: v.compared, Span: through - v.compared})
	})
	if err != nil {
		return err
	}
	for _, p := range kept {
		k := states.Key{Type: p.Event.Meta.Type, ID: p.Event.Meta.ID}
		l, known := v.events[p.Seq]
		delete(v.events, p.Seq)
		switch {
		case !known && v.pruned.has(p):
		case !known:
			v.doubts = append(v.doubts, doubt{k, p.Seq, "the event is missing in the log"})
		case l.digest == "unreadable": // that was told
		case l.digest != p.Event.Digest():
			v.unlessPurged(ctx, Finding{Type: l.key.Type, ID: l.key.ID, Seq: p.Seq, Problem: "log and index hold different events: one of them was altered"})
		}
	}
	for seq, l := range v.events {
		if seq <= through {
			v.doubts = append(v.doubts, doubt{l.key, seq, "index: the event is missing"})
			delete(v.events, seq)
		}
	}
	v.compared = through
	return nil
}

// object checks the stored content of a revision.
func (v *verifier) object(ctx context.Context, e *storage.Event, find func(string, ...any)) error {
	b, err := v.m.blobs.Get(ctx, e.Ref)
	switch {
	case errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrCorrupt):
		find("the object %s of revision %s: %v", e.Ref, e.Revision.ID, err)
	case err != nil:
		return err
	case model.CheckHash(b, e.Revision.Hash) != nil:
		find("the object %s of revision %s holds other content than its hash says", e.Ref, e.Revision.ID)
	case e.Content != nil && !bytes.Equal(b, e.Content):
		find("the event holds other content than the object %s", e.Ref)
	}
	for _, d := range e.Binaries {
		switch err := v.binary(ctx, d); {
		case errors.Is(err, storage.ErrNotFound):
			find("the binary %s is lost", d)
		case errors.Is(err, storage.ErrCorrupt):
			find("the binary %s is damaged: its content is another than its digest says", d)
		case err != nil:
			return err
		}
	}
	return nil
}

// binary reads a binary to its end, once however many refer to it.
func (v *verifier) binary(ctx context.Context, digest string) error {
	v.mu.Lock()
	err, known := v.binaries[digest]
	v.mu.Unlock()
	if known {
		return err
	}
	err = commit.CheckBinary(ctx, v.m.blobs, digest)
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, known := v.binaries[digest]; !known && err == nil {
		v.out.Binaries++
	}
	v.binaries[digest] = err
	return err
}

// compareIndex looks every resource of the log up in the index, and counts what
// the index has.
func (v *verifier) compareIndex(ctx context.Context, last uint64) error {
	counts := map[string]int64{}
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(verifyReaders)
	for k, want := range v.heads {
		t := v.m.types.Named(k.Type)
		if t == nil {
			continue // no model: its events stay in the log
		}
		v.out.Resources++
		if !want.purged {
			counts[k.Type]++
		}
		g.Go(func() error { return v.compareRow(reading, k, want, last) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, name := range v.m.types.Names() {
		page, err := states.WhenBuilt(ctx, states.Default, func() (storage.Page, error) {
			return v.m.index.Search(ctx, storage.Search{Type: name, Limit: 1, Total: true, Deletion: storage.LiveAndDeleted,
				Order: v.m.States.ByID(v.m.types.Named(name)), Bare: true})
		})
		if err != nil {
			return err
		}
		if page.Applied == last && page.Total != counts[name] {
			v.report(Finding{Type: name, Problem: fmt.Sprintf("index: it has %d resources, the log %d", page.Total, counts[name])})
		}
		if err := v.compareUnfit(ctx, v.m.types.Named(name), last); err != nil {
			return err
		}
	}
	return nil
}

// compareUnfit compares how many resources the index marks with how many do not fit.
func (v *verifier) compareUnfit(ctx context.Context, t *model.Type, last uint64) error {
	if !model.Marks(t) {
		return nil
	}
	page, err := states.WhenBuilt(ctx, states.Default, func() (storage.Page, error) { return v.m.Unfit(ctx, t) })
	if err != nil {
		return err
	}
	v.out.Unfit += int(v.unfit[t.Name])
	if page.Applied == last && page.Total != v.unfit[t.Name] {
		v.report(Finding{Type: t.Name, Problem: fmt.Sprintf("index: it marks %d resources that do not fit their model, and %d do not", page.Total, v.unfit[t.Name])})
	}
	return nil
}

// Unfit finds the live resources of a type that do not fit its model: one, and their
// number.
func (ad *Admin) Unfit(ctx context.Context, t *model.Type) (storage.Page, error) {
	unfit, _ := t.Definition().QueryFields().Lookup(storage.UnfitField)
	return ad.index.Search(ctx, storage.Search{Type: t.Name, Limit: 1, Total: true, Bare: true, Order: ad.States.ByID(t),
		Filter: query.Compare{Field: unfit, Op: query.Equal, Value: true}})
}

// compareRow looks one resource up.
func (v *verifier) compareRow(ctx context.Context, k states.Key, want verified, last uint64) error {
	row, err := states.WhenBuilt(ctx, states.Default, func() (storage.Row, error) { return v.m.index.Head(ctx, k.Type, k.ID) })
	find := func(format string, args ...any) {
		v.report(Finding{Type: k.Type, ID: k.ID, Seq: want.seq, Problem: "index: " + fmt.Sprintf(format, args...)})
	}
	switch {
	case errors.Is(err, storage.ErrNotFound):
		find("the resource is missing")
	case err != nil:
		return err
	case row.Seq > last:
		// written since we began
	case row.Seq != want.seq || row.EventID != want.event:
		find("the row is of sequence %d", row.Seq)
	case want.purged:
	case row.Deleted != want.deleted:
		find("deleted is %t, must be %t", row.Deleted, want.deleted)
	case row.Content != nil && model.CheckHash(row.Content, want.hash) != nil:
		find("the row holds other content")
	default:
		return v.compareModel(ctx, k, row, find)
	}
	return nil
}

// compareModel reports what of a live resource is null to searches because it does
// not fit the model.
func (v *verifier) compareModel(ctx context.Context, k states.Key, row storage.Row, find func(string, ...any)) error {
	if row.Deleted {
		return nil
	}
	t, content := v.m.types.Named(k.Type), row.Content
	if content == nil {
		var err error
		if content, err = v.m.blobs.Get(ctx, row.Ref); err != nil {
			return nil //nolint:nilerr // its object is looked at besides
		}
	}
	var version struct {
		Of string `json:"schema_version"`
	}
	if err := json.Unmarshal(row.Revision, &version); err != nil {
		find("the row's revision cannot be read")
		return nil
	}
	if model.Marks(t) {
		if model.Misfit(t, content, version.Of) {
			v.mu.Lock()
			v.unfit[k.Type]++
			v.mu.Unlock()
		}
		return nil
	}
	tree, err := model.DecodeJSON(content)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	if tree, err = t.Migrate(tree, version.Of); err != nil {
		find("%v", err)
		return nil
	}
	if _, _, unfit := t.Project(tree); len(unfit) > 0 {
		find("%s cannot be indexed and is null to searches: %s", unfit[0].Pointer, unfit[0].Detail)
	}
	return nil
}

// checkHashes compares the values that a resource claims with the key behind their
// hashes: those of another key do not protect the value. The
// content has to be in the event.
func (v *verifier) checkHashes(e *storage.Event) {
	t := v.m.types.Named(e.Meta.Type)
	if t == nil || e.Content == nil || len(e.Claims) == 0 || e.Wrote == 0 || e.Meta.Deleted {
		return
	}
	values, err := t.ValuesAt(e.Content, e.Revision.SchemaVersion)
	if err != nil {
		return // that is told elsewhere
	}
	for _, fields := range t.Unique {
		name := strings.Join(fields, ",")
		claimed, now := e.Claims[name], v.m.Claims.ClaimHash(t.Name, name, fields, values)
		if claimed == "" || now == "" {
			continue
		}
		h := v.hashes[t.Name+"."+name]
		h.looked++
		if claimed != now {
			h.other++
		}
		v.hashes[t.Name+"."+name] = h
	}
}

// hashed counts the claims of a constraint, and those that are of another value or
// another key.
type hashed struct{ looked, other int }

// compareHashes tells of constraints whose claims are of another key: a changed
// model or migration leaves some, another key leaves none.
func (v *verifier) compareHashes() {
	for name, h := range v.hashes {
		if h.other > 0 && h.other == h.looked {
			v.report(Finding{Problem: "the claims of " + name + " were made with another key than the log holds: values are not unique any more"})
		}
	}
}

// Finding is one difference between the log, the blobs and the index.
type Finding struct {
	Type    string `json:"type,omitempty"`
	ID      string `json:"id,omitempty"`
	Seq     uint64 `json:"seq,omitempty"`
	Problem string `json:"problem"`
}
