package admin

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// MigrationReport is what a migration did, or with a dry run would do.
type MigrationReport struct {
	Done     bool             `json:"done"`     // nothing is left
	Migrated int              `json:"migrated"` // or would be
	Failed   int              `json:"failed"`
	Failures []MigrationError `json:"failures"` // the first of them
	Next     string           `json:"next"`     // where to go on, when not done
}

// MigrationError is a resource that the migration does not fit.
type MigrationError struct {
	ID     string `json:"id"`
	Detail string `json:"detail"`
}

// migrationPage is how many resources one call of MigrateAll treats.
const (
	migrationPage = 500
	maxFailures   = 20
)

// MigrateAll brings live resources of a type to its schema version, each as a
// new revision with the action migrated. One call treats a page, beginning
// after an id; call it until Done. What is migrated is passed over, so it can be
// interrupted and begun again.
func (ad *Admin) MigrateAll(ctx context.Context, typ, after string, dryRun bool) (*MigrationReport, error) {
	t, err := ad.States.Type(typ)
	if err != nil {
		return nil, err
	}
	if err := ad.Guard.May(ctx, t, "migrate"); err != nil {
		return nil, err
	}
	if err := ad.States.Freshen(ctx, states.Default, 0); err != nil {
		return nil, err
	}
	version, _ := t.Definition().QueryFields().Lookup("meta.schema_version")
	q := storage.Search{Type: typ, Filter: ad.Guard.Narrow(ctx, t, "migrate", query.Compare{Field: version, Op: query.NotEqual, Value: t.Version}), Order: ad.States.ByID(t), Limit: migrationPage, Bare: true}
	if after != "" {
		q.After = &query.Cursor{Values: []query.Value{after}, ID: after}
	}
	page, err := ad.index.Search(ctx, q)
	if err != nil {
		return nil, states.StoreError(err)
	}
	out := &MigrationReport{Done: page.Next == nil, Failures: []MigrationError{}}
	if page.Next != nil {
		out.Next = page.Next.ID
	}
	for _, row := range page.Rows {
		changed, err := ad.migrateOne(ctx, t, row.ID, dryRun)
		switch fault.CodeOf(err) {
		case "":
			if err != nil {
				return nil, err
			}
		case fault.Unavailable, fault.OutcomeUnknown, fault.IndexLag, fault.Conflict:
			return nil, err
		case fault.NotFound, fault.Deleted:
			continue
		default:
			out.Failed++
			if len(out.Failures) < maxFailures {
				out.Failures = append(out.Failures, MigrationError{row.ID, model.Reason(err)})
			}
			continue
		}
		if changed {
			out.Migrated++
		}
	}
	return out, nil
}

func (ad *Admin) migrateOne(ctx context.Context, t *model.Type, id string, dryRun bool) (bool, error) {
	would := false
	out, err := ad.Writer.Write(ctx, t, id, commit.Plan{Action: "migrate", Make: func(ctx context.Context, w *commit.Mutation, s states.State) (commit.Step, error) {
		if err := states.RequireLive(t, id, s); err != nil {
			return commit.Step{}, err
		}
		from := s.Event.Revision.SchemaVersion
		if from == t.Version {
			return commit.Step{}, nil
		}
		if !t.Migrates(from) {
			return commit.Step{}, fault.Errorf(fault.InvalidState, "no migration begins with schema version %q", from)
		}
		raw, err := ad.States.Content(ctx, s.Event)
		if err != nil {
			return commit.Step{}, err
		}
		doc, err := model.DecodeJSON(raw)
		if err != nil {
			return commit.Step{}, err
		}
		if doc, err = t.Migrate(doc, from); err != nil {
			return commit.Step{}, fault.Errorf(fault.ValidationFailed, "%v", err)
		}
		prepared, err := ad.Writer.Prepare(ctx, w, t, doc)
		if err != nil {
			return commit.Step{}, err
		}
		if would = true; dryRun {
			return commit.Step{}, nil
		}
		next := ad.Writer.NextRevision(t, s, prepared.Content, s.Event.Revision.Status, "")
		next.Event.Action = storage.Migrated
		return next, nil
	}})
	return out.Changed || would, err
}
