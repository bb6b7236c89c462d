package model

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/reshape"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Type is one kind of resource: what its data looks like and what is promised
// about it. It is made by LoadTypes, TypeOf or NewType and not changed
// afterwards; its methods are safe for concurrent use.
type Type struct {
	Name        string `json:"name"` // path segment and subject token
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	// Schema is the effective JSON Schema 2020-12: unknown properties refused
	// where the model does not allow them, integers within 64 bits.
	Schema json.RawMessage `json:"schema"`
	Index  []string        `json:"index,omitempty"` // dotted paths
	// Composite are indexes over several fields: paths, those after which lists are
	// ordered the other way round with a minus.
	Composite      [][]string          `json:"composite,omitempty"`
	FullText       []string            `json:"fulltext,omitempty"`
	Unique         [][]string          `json:"unique,omitempty"`
	Refs           map[string]Ref      `json:"refs,omitempty"`   // by dotted path
	Access         string              `json:"access,omitempty"` // owner: every caller may create resources and use its own
	DefaultStatus  storage.Status      `json:"defaultStatus"`
	RequireIfMatch bool                `json:"requireIfMatch"`
	AuditReads     bool                `json:"auditReads,omitempty"` // the audit records reads
	Version        string              `json:"version"`
	Migrations     []Migration         `json:"migrations,omitempty"`
	Retention      Retention           `json:"retention"`
	Job            *JobSpec            `json:"job,omitempty"`
	Binaries       map[string]Binaries `json:"binaries,omitempty"` // by dotted path, "*" for the names of a map; made from the schema
	// Builtin marks the types of the program itself, which may have the names
	// that are reserved for them.
	Builtin bool `json:"-"`
	// Secret names a property that is written, kept sealed and never read.
	Secret string `json:"-"`
	// Runs is the custom action that the type's jobs run; nil: it is no such type.
	Runs *ActionRef `json:"-"`
	// State names a property of a built-in type that the program changes, and
	// writes keep.
	State string `json:"-"`
	// Hashed: of the secret only a hash is kept.
	Hashed bool `json:"-"`
	// Hash makes what is kept of the text of the secret; nil: it is sealed.
	Hash func(text string) (string, error) `json:"-"`
	// ServerIDs tells that no client chooses the id of a resource.
	ServerIDs bool `json:"-"`
	// Check looks at valid data beyond its schema; its error is one of
	// validation.
	Check func(data any) error `json:"-"`

	src                  Source
	plain                *Type // of a type that marks what does not fit it
	superseded           bool
	indexAt, compositeAt []int          // places of Index and Composite in the file
	tree                 map[string]any // Schema, decoded
	validator            *jsonschema.Schema
	filler               *filler
	places               *places  // of the binaries; nil when there are none
	writeOnly            *marks   // what is never shown; nil: nothing
	readOnly             *marks   // what clients never set; nil: nothing
	properties           []string // every property name of the schema, for hints
	definition           storage.Definition
	claimSet             string      // names what Unique and the kinds of its fields are; empty: there is nothing unique
	fields               []fieldPath // in the order of definition.Fields
	text                 []fieldPath // in the order of definition.FullText
}

// ActionRef names a custom action of a type.
type ActionRef struct{ Type, Name string }

// ClaimSet names what Unique and the kinds of its fields are; empty: there is
// nothing unique.
func (t *Type) ClaimSet() string { return t.claimSet }

// Ref is a reference from a field to resources of a type.
type Ref struct {
	Type     string   `json:"type"`
	OnDelete OnDelete `json:"onDelete"`
	// Revision: the field holds a revision id, "<id>:<number>", instead of an
	// id.
	Revision bool `json:"revision,omitempty"`
}

// OnDelete says what the delete of a target does to those that refer to it.
type OnDelete string

// Restrict refuses the delete, exactly; Cascade and SetNull follow it within
// seconds; Dangling leaves the reference.
const (
	Restrict OnDelete = "restrict"
	Cascade  OnDelete = "cascade"
	SetNull  OnDelete = "set_null"
	Dangling OnDelete = "dangling"
)

// Migration turns data of schema version From into the next one: that of the
// migration after it, or the type's Version. It is a patch or a function.
type Migration struct {
	From     string                      `json:"from"`
	Patch    json.RawMessage             `json:"patch,omitempty"`    // operations of package reshape
	Function string                      `json:"function,omitempty"` // names Func in a model file
	Func     func(tree any) (any, error) `json:"-"`

	ops *reshape.Shape // Patch, read
}

// Retention limits what is kept of a resource. A revision beyond either is pruned,
// unless something needs it: HEAD and the newest stable one are always kept.
type Retention struct {
	Revisions int `json:"revisions"`      // newest ones kept; 0 keeps all
	Days      int `json:"days,omitempty"` // older ones are not kept; 0 keeps all
}

// Prunes reports whether anything is not kept.
func (r Retention) Prunes() bool { return r.Revisions > 0 || r.Days > 0 }

// maxDays is the longest that revisions can be kept by their age: a century.
const maxDays = 36_525

// Binaries describes the values of one x-binary property.
type Binaries struct {
	MaxBytes     int64    `json:"maxBytes,omitempty"`     // 0: the server's limit
	ContentTypes []string `json:"contentTypes,omitempty"` // "image/png", "image/*"; empty: any
}

// JobSpec makes the resources of a type jobs.
type JobSpec struct {
	Queue          string        // default "default"
	MaxAttempts    int           // default 5
	Timeout        time.Duration // of one attempt; default a minute
	Backoff        Backoff
	Handler        Handler
	ConcurrencyKey string        // path; jobs with one value run one at a time
	Schedule       []string      // cron expressions
	Keep           time.Duration // finished jobs; 0 keeps them
	Role           string        // besides whose rules handlers may do nothing; empty: what the job's creator may
}

// Backoff is the wait between attempts, doubling from Initial (default a
// second) up to Max (default an hour).
type Backoff struct {
	Initial, Max time.Duration
}

// Handler is what runs a job outside of this program. Without one a function
// in Go does.
type Handler struct {
	HTTP string
	Exec []string
	// Of Exec: the working directory (default that of the program),
	// more variables of the environment, and how long the command may
	// go on after SIGTERM (default 3 s).
	Dir   string
	Env   map[string]string
	Grace time.Duration
}

// MarshalJSON writes the spec as a model file has it, without the handler,
// which only the operator may see.
func (j JobSpec) MarshalJSON() ([]byte, error) {
	type backoff struct {
		Initial string `json:"initial"`
		Max     string `json:"max"`
	}
	out := struct {
		Queue          string   `json:"queue"`
		MaxAttempts    int      `json:"maxAttempts"`
		Timeout        string   `json:"timeout"`
		Backoff        backoff  `json:"backoff"`
		ConcurrencyKey string   `json:"concurrencyKey,omitempty"`
		Schedule       []string `json:"schedule,omitempty"`
		Keep           string   `json:"keep,omitempty"`
		Role           string   `json:"role,omitempty"`
	}{j.Queue, j.MaxAttempts, j.Timeout.String(), backoff{j.Backoff.Initial.String(), j.Backoff.Max.String()},
		j.ConcurrencyKey, j.Schedule, "", j.Role}
	if j.Keep > 0 {
		out.Keep = j.Keep.String()
	}
	return json.Marshal(out)
}

func (j *JobSpec) fillDefaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if j.Queue == "" {
		j.Queue = "default"
	}
	if j.MaxAttempts == 0 {
		j.MaxAttempts = 5
	}
	set(&j.Timeout, time.Minute)
	set(&j.Backoff.Initial, time.Second)
	set(&j.Backoff.Max, max(time.Hour, j.Backoff.Initial))
}

var (
	typeName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	versionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// BuiltinTypes are the names of the program's own types.
var BuiltinTypes = []string{"api-keys", "roles", "bindings", "webhooks", "schedules", "bulk-jobs", "queue-settings", "users"}

// Yields reports whether a built-in type gives way to an application's own type of its
// name: that was not always one of the program's.
func Yields(name string) bool { return name == "users" }

// reservedNames are words of the paths.
var reservedNames = []string{"types", "blobs", "audit", "queues"}

// NewType makes a type from its model: the exported fields, Schema being the
// JSON Schema as its author wrote it. Its error is a ModelErrors.
func NewType(model Type) (*Type, error) {
	t := &model
	t.Refs = maps.Clone(t.Refs) // defaults are filled in
	p := &Problems{Source: Source{File: "type " + t.Name}}
	var schema any
	if len(t.Schema) > 0 {
		var err error
		if schema, err = DecodeJSON(t.Schema); err != nil {
			p.Add("/schema", "schema: %v", err)
			return nil, p.List.Sorted()
		}
	}
	t.compile(schema, p)
	if err := p.List.Sorted(); err != nil {
		return nil, err
	}
	return t, nil
}

// compile checks the model and makes everything that is made from it.
func (t *Type) compile(schema any, p *Problems) {
	t.src = p.Source
	switch {
	case !typeName.MatchString(t.Name):
		p.Add("/name", "name %q does not match [a-z][a-z0-9-]{0,62}", t.Name)
	case slices.Contains(reservedNames, t.Name):
		p.Add("/name", "name %q is reserved", t.Name)
	case IsBuiltin(t.Name) && !Yields(t.Name) && !t.Builtin:
		p.Add("/name", "name %q is that of a built-in type", t.Name)
	}
	t.compileOptions(p)
	t.compileJob(p)
	if !t.compileSchema(schema, p) {
		return
	}
	if t.Job != nil && len(t.Job.Schedule) > 0 && len(p.List) == 0 && t.Validate(t.Defaults(map[string]any{})) != nil {
		p.Add("/job/schedule", "job.schedule makes jobs without a payload, which the schema does not allow; give defaults, or make a resource of the type schedules")
	}
	if t.Job != nil && t.Job.ConcurrencyKey != "" && !t.HasPath(t.Job.ConcurrencyKey) {
		p.Add("/job/concurrencyKey", "job.concurrencyKey: the schema has no field %q", t.Job.ConcurrencyKey)
	}
	t.compileFields(p)
	t.checkMarks(p)
	t.claimSet = t.claimSetOf()
}

func (t *Type) compileOptions(p *Problems) {
	switch t.DefaultStatus {
	case "":
		t.DefaultStatus = storage.Stable
	case storage.Stable, storage.Draft:
	default:
		p.Add("/defaultStatus", "defaultStatus %q is neither draft nor stable", t.DefaultStatus)
	}
	if t.Access != "" && t.Access != OwnerAccess {
		p.Add("/access", "access is owner or nothing, not %q", t.Access)
	}
	if t.Version == "" {
		t.Version = "1"
	}
	if !versionName.MatchString(t.Version) {
		p.Add("/version", "version %q: 1 to 64 letters, digits, dots, dashes and underscores", t.Version)
	}
	if t.Retention.Revisions < 0 {
		p.Add("/retention/revisions", "retention.revisions must not be negative")
	}
	if t.Retention.Days < 0 || t.Retention.Days > maxDays {
		p.Add("/retention/days", "retention.days must be from 0 to %d", maxDays)
	}
	seen := map[string]bool{t.Version: true}
	t.Migrations = slices.Clone(t.Migrations)
	for i, m := range t.Migrations {
		at := PointerTo("/migrations", i)
		if err := t.Migrations[i].compile(); err != nil {
			var e *jsonpatch.Error
			place := at + "/patch"
			if errors.As(err, &e) {
				place += e.Pointer
			}
			p.Add(place, "migration from %q: patch: %v", m.From, err)
		}
		if seen[m.From] {
			p.Add(at+"/from", "migration from %q: another one, or the type itself, has this version", m.From)
		}
		seen[m.From] = true
		if !versionName.MatchString(m.From) {
			p.Add(at+"/from", "version %q: 1 to 64 letters, digits, dots, dashes and underscores", m.From)
		}
		if (m.Func == nil && m.Function == "") == (len(m.Patch) == 0) {
			p.Add(at, "a migration needs a patch or a function")
		}
	}
}

// DraftFirst reports whether what becomes stable in a type is published.
func (t *Type) DraftFirst() bool { return t.DefaultStatus == storage.Draft }

// OwnerAccess is the access of a type whose resources are their creators' own.
const OwnerAccess = "owner"
