// Package autocrud turns models into a service: define a type once, as a Go
// struct or a file, and get its API, documentation, history, search and jobs.
//
//	app := autocrud.New()
//	autocrud.Register[Movie](app, "movies")
//	app.Main()
package autocrud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/autocrud-go/autocrud/internal/cli"
	"github.com/autocrud-go/autocrud/internal/wiring"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/api/people"
	"github.com/autocrud-go/autocrud/services/worker"
)

// Version of the program.
const Version = "0.1.0"

// Running is a started App.
type Running = wiring.Running

// App collects what an application adds: types, hooks and job handlers.
type App struct {
	inner wiring.App
	errs  []error
}

// New makes an App that serves only the models of a folder.
func New() *App {
	return &App{inner: wiring.App{Version: Version, Hooks: resource.NewHooks(), Handlers: map[string]worker.Handler{}}}
}

// Register adds a type whose data is a T. When T or *T has a method
// Validate() error, every write is checked with it besides the schema.
func Register[T any](a *App, name string, opts ...model.TypeOption) {
	t, err := model.TypeOf[T](name, opts...)
	if err != nil {
		a.errs = append(a.errs, err)
		return
	}
	a.inner.Types = append(a.inner.Types, t)
	if _, ok := any(new(T)).(interface{ Validate() error }); ok {
		Validate(a, name, func(_ context.Context, data T) error {
			return any(&data).(interface{ Validate() error }).Validate()
		})
	}
}

// Validate adds a check for every write of content of a type. Its error is
// answered as validation_failed, a *resource.Error as it is.
func Validate[T any](a *App, typ string, fn func(ctx context.Context, data T) error) {
	a.inner.Hooks.Validate(typ, func(ctx context.Context, raw json.RawMessage) error {
		var data T
		if err := json.Unmarshal(raw, &data); err != nil {
			return fmt.Errorf("the data does not fit its Go type: %w", err)
		}
		return fn(ctx, data)
	})
}

// Change is what a typed hook sees of a write.
type Change[T any] struct {
	resource.Change
	Old *T // before; nil for a new resource
	New *T // after; nil when the content stays
}

// What a write does to a resource, for Before and After.
const (
	Created       = storage.Created       // a resource was made
	Updated       = storage.Updated       // a new revision
	Modified      = storage.Modified      // a draft was edited in place
	Switched      = storage.Switched      // HEAD moved to another revision
	StatusChanged = storage.StatusChanged // a draft was published, or a draft made of a stable revision
	Deleted       = storage.Deleted       // marked as deleted; Restored undoes it
	Restored      = storage.Restored      // no longer deleted
	Purged        = storage.Purged        // erased for good
	Published     = storage.MadePublic    // what was taken back is published again, or a revision that HEAD is not
	Unpublished   = storage.TakenBack     // what was published is taken back
	Scheduled     = storage.Planned       // it is to be published, or taken back, at a time
	Unscheduled   = storage.Unplanned     // it is not any more
	Migrated      = storage.Migrated      // content of an older version was written anew
	JobStarted    = storage.JobStarted    // a worker began an attempt
	JobSucceeded  = storage.JobSucceeded  // the job ended well
	JobFailed     = storage.JobFailed     // an attempt failed; the job may be due again
	JobCancelled  = storage.JobCancelled  // the job ended because a caller cancelled it
	JobRerun      = storage.JobRerun      // a job that had ended is due again
	JobSnoozed    = storage.JobSnoozed    // an attempt ended that does not count
)

// Actions are several of them: autocrud.Actions{autocrud.Created, autocrud.Updated}.
type Actions []storage.Action

// OneOrMore is one action, or Actions.
type OneOrMore interface{ storage.Action | Actions }

func each[A OneOrMore](on A) Actions {
	if one, ok := any(on).(storage.Action); ok {
		return Actions{one}
	}
	return any(on).(Actions)
}

// Before adds a hook that can refuse a write, by returning an error, with
// nothing written. Hooks run in the order in which they were added.
func Before[T any, A OneOrMore](a *App, typ string, on A, fn func(ctx context.Context, c Change[T]) error) {
	for _, action := range each(on) {
		a.inner.Hooks.Before(typ, action, typed(fn))
	}
}

// After adds a hook that runs once a write is certain and cannot undo it. One that
// returns an error runs again later.
func After[T any, A OneOrMore](a *App, typ string, on A, fn func(ctx context.Context, c Change[T]) error) {
	for _, action := range each(on) {
		a.inner.Hooks.After(typ, action, typed(fn))
	}
}

func typed[T any](fn func(context.Context, Change[T]) error) resource.Hook {
	return func(ctx context.Context, c resource.Change) error {
		out := Change[T]{Change: c}
		for _, x := range []struct {
			raw json.RawMessage
			to  **T
		}{{c.Old, &out.Old}, {c.New, &out.New}} {
			if x.raw == nil {
				continue
			}
			v := new(T)
			if err := json.Unmarshal(x.raw, v); err != nil {
				return fmt.Errorf("the data does not fit its Go type: %w", err)
			}
			*x.to = v
		}
		return fn(ctx, out)
	}
}

// HandleJob runs the jobs of a job type. The type is registered with
// resource.WithJob or comes from a file with a job section.
func HandleJob[T any](a *App, typ string, fn func(ctx context.Context, j *job.Job[T]) error) {
	a.inner.Handlers[typ] = func(ctx context.Context, attempt *job.Attempt) (json.RawMessage, error) {
		j, err := job.New[T](attempt)
		if err != nil {
			return nil, err
		}
		err = fn(ctx, j)
		return j.Result(), err
	}
}

// Migration gives the function to migrations of model files that name it: {from: "1",
// function: NAME}. It gets the data as encoding/json would decode it, but integers as
// int64, and returns that of the next schema version.
func Migration(a *App, name string, fn func(tree any) (any, error)) {
	if a.inner.Migrations == nil {
		a.inner.Migrations = map[string]model.MigrationFunc{}
	}
	a.inner.Migrations[name] = fn
}

// Mail is an invitation, or the reset of a password, for a person.
type Mail = people.Mail

// SendMail gives the function that sends invitations and resets to people, in the place of
// --mail-exec. It runs beside the request, for a minute at most.
func (a *App) SendMail(fn func(ctx context.Context, m Mail) error) { a.inner.Mail = fn }

// Start runs the service that the settings name, by default api, indexer and
// worker in one, and returns when requests are taken. It ends when ctx does, or
// by Stop.
func (a *App) Start(ctx context.Context, s Settings) (*Running, error) {
	if err := errors.Join(a.errs...); err != nil {
		return nil, err
	}
	return wiring.Start(ctx, s.wired().WithDefaults(), a.inner)
}

// Provision makes the streams, the bucket and the database schema that services
// beside each other need, and checks those that are there.
func (a *App) Provision(ctx context.Context, s Settings) error {
	return wiring.Provision(ctx, s.wired().WithDefaults(), a.inner)
}

// Main is the whole program: it reads the command line and the environment,
// does what they say and ends the process.
func (a *App) Main() {
	if err := errors.Join(a.errs...); err != nil {
		fmt.Fprintln(os.Stderr, "autocrud:", err)
		os.Exit(2)
	}
	os.Exit(cli.Run(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, a.inner))
}
