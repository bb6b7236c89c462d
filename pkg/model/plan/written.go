package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Written is a model that data was written by, as the log keeps it: all that decides
// how data is checked, read and indexed. Handlers of jobs are not in it.
type Written struct {
	Format  int    `json:"format"`
	Type    string `json:"type"`
	Version string `json:"version"`
	// Schema is the effective one; a schema that is too large for an entry of the
	// log is left out, and only its hash tells whether it is another one.
	Schema     json.RawMessage      `json:"schema,omitempty"`
	SchemaHash string               `json:"schema_hash"`
	Index      []string             `json:"index"` // indexed fields with their kinds, "year integer"
	FullText   []string             `json:"fulltext"`
	Unique     [][]string           `json:"unique"`
	Refs       map[string]model.Ref `json:"refs"`
	Migrations []step               `json:"migrations"`
	Job        json.RawMessage      `json:"job,omitempty"`
	Retention  model.Retention      `json:"retention"`
	Options    map[string]string    `json:"options"` // what data does not depend on
	Table      string               `json:"table"`   // names how the index lays the type out
	// Unfit is how many live resources did not fit when the model was recorded.
	Unfit int `json:"unfit"`
	// UnfitDeleted is how many deleted ones did not.
	UnfitDeleted int `json:"unfit_deleted,omitempty"`
}

// step is a migration. One that is a function in Go has no patch: whether it is
// still the same is not known.
type step struct {
	From  string          `json:"from"`
	Patch json.RawMessage `json:"patch,omitempty"`
}

// writtenFormat is the format of what is recorded. Later programs read it and every
// earlier one.
const writtenFormat = 1

// maxSchema is how large a recorded schema may be: an entry of the log has 1 MB.
const maxSchema = 768 << 10

// composite begins the entry of an index over several fields.
const composite = "of "

// compositeOf are the fields of such an entry; nil: it is that of one field, which may
// have the name "of".
func compositeOf(entry string) []string {
	rest, is := strings.CutPrefix(entry, composite)
	if !is || !strings.Contains(rest, ", ") {
		return nil
	}
	return strings.Split(rest, ", ")
}

// Describe is what is recorded of a type.
func Describe(t *model.Type) *Written {
	t = model.Plain(t)
	d := t.Definition()
	w := &Written{Format: writtenFormat, Type: t.Name, Version: t.Version, Schema: t.Schema, SchemaHash: model.HashOf(t.Schema),
		Index: []string{}, FullText: slices.Sorted(slices.Values(t.FullText)), Unique: slices.Clone(t.Unique), Refs: map[string]model.Ref{}, Migrations: []step{},
		Retention: t.Retention, Table: d.Hash, Options: map[string]string{"defaultStatus": string(t.DefaultStatus), "requireIfMatch": fmt.Sprint(t.RequireIfMatch),
			"access": t.Access, "auditReads": fmt.Sprint(t.AuditReads), "title": t.Title, "description": t.Description}}
	if len(w.Schema) > maxSchema {
		w.Schema = nil
	}
	if w.Unique == nil {
		w.Unique = [][]string{}
	}
	if w.FullText == nil {
		w.FullText = []string{}
	}
	maps.Copy(w.Refs, t.Refs)
	for _, f := range d.Fields {
		kind := f.Name + " " + f.Kind.String()
		if f.List {
			kind += " list"
		}
		w.Index = append(w.Index, kind)
	}
	for _, group := range t.Composite {
		w.Index = append(w.Index, composite+strings.Join(group, ", "))
	}
	for _, m := range t.Migrations {
		w.Migrations = append(w.Migrations, step{m.From, canonical(m.Patch)})
	}
	if t.Job != nil {
		job, _ := json.Marshal(t.Job) // strings and numbers
		w.Job = canonical(job)
	}
	return w
}

// canonical is the same text for the same document, which the encoder of a record
// writes in another way.
func canonical(doc json.RawMessage) json.RawMessage {
	v, err := model.DecodeJSON(doc)
	if err != nil {
		return doc
	}
	return model.AppendCanonical(nil, v)
}

// Same reports whether two models are the same for all their data.
func (w *Written) Same(other *Written) bool {
	a, b := *w, *other
	a.Unfit, b.Unfit, a.UnfitDeleted, b.UnfitDeleted = 0, 0, 0, 0
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// chain are the migrations that content of a version is read through. certain is
// false when a function is among them.
func (w *Written) chain(version string) (patches []string, certain bool) {
	if version == w.Version {
		return nil, true
	}
	certain = true
	i := slices.IndexFunc(w.Migrations, func(s step) bool { return s.From == version })
	if i < 0 {
		return nil, true
	}
	for _, s := range w.Migrations[i:] {
		patches = append(patches, string(s.Patch))
		certain = certain && s.Patch != nil
	}
	return patches, certain
}

// readsAlike reports whether content of a version is certainly read as the same by
// two models.
func (w *Written) readsAlike(other *Written, version string) bool {
	a, sure := w.chain(version)
	b, also := other.chain(version)
	return sure && also && slices.Equal(a, b)
}

// readsAllAlike is readsAlike for every version.
func (w *Written) readsAllAlike(other *Written) bool {
	versions := []string{w.Version, other.Version}
	for _, s := range slices.Concat(w.Migrations, other.Migrations) {
		versions = append(versions, s.From)
	}
	return !slices.ContainsFunc(versions, func(v string) bool { return !w.readsAlike(other, v) })
}

// Marks reports whether resources that do not fit the model may be there.
func (w *Written) Marks() bool { return w.Unfit+w.UnfitDeleted > 0 }

// Recorder is the part of a log that models are recorded in.
type Recorder interface {
	Append(ctx context.Context, unit []storage.Record) (uint64, error)
}

// subject is where the model of one version is recorded. A version may have dots,
// which would divide it there.
func subject(typ, version string) string {
	return storage.SystemSubject(recordedUnder + typ + "." + strings.ReplaceAll(version, ".", "~"))
}

// every is the subject of all recorded models of a type, whose newest entry is the
// one that is in force.
func every(typ string) string { return storage.SystemSubject(recordedUnder + typ + ".>") }

const recordedUnder = "model."

// EveryRecord is the subject of all recorded models.
var EveryRecord = storage.SystemSubject(recordedUnder + ">")

// Recorded is a model that data was written by, and its place in the log.
type Recorded struct {
	*Written
	Seq uint64
}

// ReadRecorded finds the models that the data of each type was written by, the newest
// that is recorded.
func ReadRecorded(ctx context.Context, log Log) (map[string]Recorded, error) {
	out, newest := map[string]Recorded{}, map[string]storage.Entry{}
	last, err := log.Last(ctx, EveryRecord)
	if errors.Is(err, storage.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	feed, err := log.Follow(ctx, 1, EveryRecord)
	if err != nil {
		return nil, err
	}
	defer feed.Close()
	for at := uint64(0); at < last.Seq; {
		entry, err := await(ctx, feed, func() (uint64, error) { return last.Seq, nil })
		if err != nil {
			return nil, err
		}
		rest, _ := strings.CutPrefix(entry.Subject, storage.SystemSubject(recordedUnder))
		typ, _, _ := strings.Cut(rest, ".")
		newest[typ], at = entry, entry.Seq
	}
	for typ, entry := range newest {
		w, err := decodeWritten(entry)
		if err != nil {
			return nil, fmt.Errorf("the recorded model of %s: %w", typ, err)
		}
		out[typ] = Recorded{w, entry.Seq}
	}
	return out, nil
}

func decodeWritten(entry storage.Entry) (*Written, error) {
	w := &Written{}
	if err := json.Unmarshal(entry.Data, w); err != nil {
		return nil, fmt.Errorf("entry %d: %w: %w", entry.Seq, storage.ErrCorrupt, err)
	}
	if w.Format < 1 || w.Format > writtenFormat {
		return nil, fmt.Errorf("entry %d: %w: format %d, this build reads up to %d", entry.Seq, errors.ErrUnsupported, w.Format, writtenFormat)
	}
	w.Job = canonical(w.Job)
	for i, s := range w.Migrations {
		w.Migrations[i].Patch = canonical(s.Patch)
	}
	return w, nil
}

// unitSize is how many models are recorded at once.
const unitSize = 200

// Record writes down the models that data is written by from now on, each after the
// place of the one before it. ErrConflict: another process recorded one meanwhile.
func Record(ctx context.Context, log Recorder, models []Recorded) error {
	for chunk := range slices.Chunk(models, unitSize) {
		unit := make([]storage.Record, len(chunk))
		for i, w := range chunk {
			data, err := json.Marshal(w.Written)
			if err != nil {
				return err
			}
			unit[i] = storage.Record{Subject: subject(w.Type, w.Version), ID: uuid.NewString(), Guard: every(w.Type), Expected: w.Seq, Data: data}
		}
		if _, err := log.Append(ctx, unit); err != nil {
			return err
		}
	}
	return nil
}
