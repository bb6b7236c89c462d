// Package cli is the command line. Bad settings are one clear line and exit 2,
// before anything is started.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/autocrud-go/autocrud/internal/cli/grammar"
	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/resources"
	"github.com/autocrud-go/autocrud/internal/memory"
	"github.com/autocrud-go/autocrud/internal/wiring"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// commands is the grammar of the command line.
type commands struct {
	Init       initCmd       `cmd:"" help:"Make a folder that runs: a model with comments, seed data, .gitignore. Nothing is written over."`
	Up         upCmd         `cmd:"" help:"Run everything in one process: API, indexer and worker, with an embedded log."`
	Dev        devCmd        `cmd:"" help:"Run everything in one process, as up does, and follow the models folder: an edit that the data fits is served at once."`
	API        apiCmd        `cmd:"" name:"api" help:"Run one of several API processes beside indexers and workers."`
	Indexer    indexerCmd    `cmd:"" help:"Run one of several indexers, of which one is active."`
	Worker     workerCmd     `cmd:"" help:"Run one of several workers."`
	Provision  provisionCmd  `cmd:"" help:"Make or check the streams, the bucket and the database schema that services need. Can be repeated."`
	Health     healthCmd     `cmd:"" help:"Ask a running service whether it is ready; exit 1 if not. For containers, which have no shell."`
	Import     importCmd     `cmd:"" help:"Bring rows from a file into a type of a running server. Can be repeated: rows that are there are not made twice."`
	Export     exportCmd     `cmd:"" help:"Write every resource of a type of a running server to a file, one JSON document a line."`
	Reindex    reindexCmd    `cmd:"" help:"Build the index of a type, or of all, anew from the log; the old index answers until the new one is complete."`
	Verify     verifyCmd     `cmd:"" help:"Check log, blobs and index against each other; exit 1 if anything differs."`
	GC         gcCmd         `cmd:"" name:"gc" help:"Remove binaries and revision objects that nothing refers to and that are older than a day."`
	Migrate    migrateCmd    `cmd:"" help:"Bring the resources of a type to its schema version."`
	Backup     backupCmd     `cmd:"" help:"Write everything of a running server, or of a stopped one, to one file."`
	Restore    restoreCmd    `cmd:"" help:"Fill an empty server, running or stopped, from a backup."`
	RebuildLog rebuildLogCmd `cmd:"" help:"Make a lost log again from its archive in the bucket; no service may run."`
	Models     modelsCmd     `cmd:"" help:"Work with model files."`
	Policies   policiesCmd   `cmd:"" help:"Work with policy files."`
	Openapi    openapiCmd    `cmd:"" help:"Print the OpenAPI document of the models."`
	Asyncapi   asyncapiCmd   `cmd:"" help:"Print the AsyncAPI document of the models' events."`
	Client     clientCmd     `cmd:"" help:"Write a client for the types, in Go or TypeScript."`
	Version    versionCmd    `cmd:"" help:"Print the version."`

	resourceCommands
}

// resourceCommands are those that work with resources of a running server.
type resourceCommands struct {
	Get        resources.Get          `cmd:"" help:"List resources of a type, or read some."`
	Describe   resources.Describe     `cmd:"" help:"Tell everything about a resource: fields, history, referrers, job."`
	Create     resources.Create       `cmd:"" help:"Make resources, from files or from --data."`
	Apply      resources.Apply        `cmd:"" help:"Make resources be as files declare them; a second time changes nothing."`
	Diff       resources.Diff         `cmd:"" help:"Compare files with what is served, or two revisions; exit 1 if anything differs."`
	Edit       resources.Edit         `cmd:"" help:"Edit a resource as YAML; a change by another is joined with yours."`
	Patch      resources.Patch        `cmd:"" help:"Change parts of resources."`
	Delete     resources.Delete       `cmd:"" help:"Delete resources; they can be restored."`
	Undelete   resources.Undelete     `cmd:"" help:"Restore resources that are deleted."`
	History    resources.History      `cmd:"" help:"List what happened to a resource."`
	Rollback   resources.Rollback     `cmd:"" help:"Make an earlier revision the current one."`
	Publish    resources.Publish      `cmd:"" help:"Publish resources, or take them back."`
	Watch      resources.Watch        `cmd:"" help:"Follow what happens; a connection that breaks is taken up where it was."`
	Run        resources.Run          `cmd:"" help:"Queue a job and wait for its end; exit 1 if it fails."`
	Logs       resources.Logs         `cmd:"" help:"Read what the handler of a job wrote."`
	Cancel     resources.Cancel       `cmd:"" help:"Cancel jobs."`
	Rerun      resources.Rerun        `cmd:"" help:"Queue jobs again that are finished."`
	Can        resources.Can          `cmd:"" help:"Ask whether something is allowed; exit 1 if not."`
	Explain    resources.ExplainField `cmd:"" help:"Tell what a type or a field of it is."`
	Types      resources.Types        `cmd:"" help:"List the types of the server."`
	Login      resources.Login        `cmd:"" help:"Keep a credential for a server, as a context."`
	Logout     resources.Logout       `cmd:"" help:"Forget the credential of a context."`
	Use        resources.Use          `cmd:"" help:"Make a context the current one."`
	Context    resources.Contexts     `cmd:"" help:"Work with the names of servers."`
	Completion resources.Completion   `cmd:"" help:"Print the completion of words for a shell."`
}

// env is the environment of a command.
type env struct {
	ctx context.Context
	Streams
	app wiring.App
}

// The exit codes besides 0.
const (
	exitFailed = 1 // it was tried
	exitUsage  = 2 // nothing was started
)

// exitError ends the program with a code; its text, if any, goes to stderr.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// Run does what the arguments say and returns the exit code.
func Run(ctx context.Context, args []string, s Streams, app wiring.App) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 && args[0] == completeCommand {
		complete(ctx, args[1:], s)
		return 0
	}
	var c commands
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, help, err := program.Parse(&c, args)
	if help != "" {
		fmt.Fprint(s.Out, help)
		return 0
	}
	if err != nil {
		fmt.Fprintln(s.Err, "autocrud:", err)
		return exitUsage
	}
	if c, ok := chosen.(resources.Command); ok {
		return report(s.Err, c.Run(&resources.Env{Ctx: ctx, In: s.In, Out: s.Out, Err: s.Err}))
	}
	return report(s.Err, chosen.(runner).Run(&env{ctx: ctx, Streams: s, app: app}))
}

var program = grammar.Program{Name: "autocrud", Prefix: "AUTOCRUD_", Lookup: os.LookupEnv,
	About: "Define a model once; get its API, documentation, history, search and jobs.\nEvery flag is also an environment variable: --data-dir is AUTOCRUD_DATA_DIR."}

// runner is every command.
type runner interface{ Run(*env) error }

func report(w io.Writer, err error) int {
	var setting *wiring.SettingError
	var model model.ModelErrors
	var exit *exitError
	var failure *resources.Failure
	var problem *remote.Problem
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failure):
		if err.Error() != "" {
			fmt.Fprintln(w, "autocrud:", resources.Explain(err))
		}
		return failure.Code
	case errors.As(err, &problem):
		fmt.Fprintln(w, "autocrud:", resources.Explain(err))
		return exitFailed
	case errors.As(err, &exit):
		if exit.text != "" {
			fmt.Fprintln(w, "autocrud:", exit.text)
		}
		return exit.code
	case errors.As(err, &model):
		for _, line := range strings.Split(strings.TrimSpace(model.Error()), "\n") {
			fmt.Fprintln(w, "autocrud:", line)
		}
		return exitUsage
	case errors.As(err, &setting):
		fmt.Fprintln(w, "autocrud:", setting.Reason)
		return exitUsage
	}
	fmt.Fprintln(w, "autocrud:", err)
	return exitFailed
}

type upCmd struct {
	wiring.Settings `embed:""`
}

// Run serves until a signal.
func (c *upCmd) Run(e *env) error {
	return serve(e, "up", c.Settings, " (documentation: %s/docs)")
}

type apiCmd struct {
	wiring.Settings `embed:""`
}

// Run serves until a signal.
func (c *apiCmd) Run(e *env) error {
	return serve(e, "api", c.Settings, " (documentation: %s/docs)")
}

type indexerCmd struct {
	wiring.Settings `embed:""`
}

// Run indexes until a signal.
func (c *indexerCmd) Run(e *env) error {
	return serve(e, "indexer", c.Settings, " (metrics: %s/metrics)")
}

type workerCmd struct {
	wiring.Settings `embed:""`
}

// Run works until a signal.
func (c *workerCmd) Run(e *env) error {
	return serve(e, "worker", c.Settings, " (metrics: %s/metrics)")
}

// serve starts a service, says where it is in one line, and waits for its end.
// Beside it run tasks, and a SIGHUP has it read its models again.
func serve(e *env, service string, s wiring.Settings, more string, tasks ...func(context.Context, *wiring.Running)) error {
	s.Service = service
	memory.Heed()
	r, err := wiring.Start(e.ctx, s, e.app)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Out, "autocrud is ready at %s"+more+"\n", r.URL, r.URL)
	return beside(e.ctx, e, r, tasks...)
}

type provisionCmd struct {
	wiring.Settings `embed:""`
}

// Run makes what is missing.
func (c *provisionCmd) Run(e *env) error {
	if err := wiring.Provision(e.ctx, c.Settings, e.app); err != nil {
		return err
	}
	_, err := fmt.Fprintln(e.Out, "everything is there")
	return err
}

type modelsCmd struct {
	Check  modelsCheckCmd  `cmd:"" help:"Check model files; every problem with its file and line."`
	Plan   modelsPlanCmd   `cmd:"" help:"Say what changed models would do to the data that is there, and which resources do not fit them; exit 2 if any does not."`
	Infer  modelsInferCmd  `cmd:"" help:"Write a first model of the rows of a file: NDJSON, JSON or CSV."`
	Schema modelsSchemaCmd `cmd:"" help:"Print the JSON Schema of model files, for editors."`
}

type modelsCheckCmd struct {
	Models string `default:"models" help:"Folder with the model files."`
	Dir    string `arg:"" optional:"" help:"The same, as an argument."`
}

// Run prints the types that are right.
func (c *modelsCheckCmd) Run(e *env) error {
	dir := c.Models
	if c.Dir != "" {
		dir = c.Dir
	}
	types, err := wiring.LoadTypes(dir, e.app)
	if err != nil {
		return err
	}
	for _, t := range types {
		fmt.Fprintf(e.Out, "%s: ok (%d indexed fields)\n", t.Name, len(t.Definition().Fields))
	}
	return nil
}

type openapiCmd struct {
	Models string `default:"models" help:"Folder with the model files."`
	Auth   string `default:"off" enum:"off,required" help:"Whether the server asks for a credential."`
	Spec   string `default:"3.1" enum:"3.1,3.0" help:"Version of OpenAPI: 3.1, or 3.0 for tools that know no other."`
	Types  string `help:"Only these types, separated by commas, and what belongs to none."`
}

// Run prints the document.
func (c *openapiCmd) Run(e *env) error {
	types, err := wiring.ServedTypes(c.Models, e.app)
	if err != nil {
		return err
	}
	if c.Types != "" {
		var unknown error
		types = openapi.Named(types, strings.Split(c.Types, ","), func(format string, args ...any) { unknown = fmt.Errorf(format, args...) })
		if unknown != nil {
			return &exitError{exitUsage, unknown.Error()}
		}
	}
	doc := api.OpenAPI(types, openapi.Options{Version: e.app.Version, Actions: e.app.Actions, Auth: c.Auth == "required"})
	if c.Spec == "3.0" {
		doc = openapi.Older(doc)
	}
	_, err = e.Out.Write(append(doc, '\n'))
	return err
}

type asyncapiCmd struct {
	Models    string `default:"models" help:"Folder with the model files."`
	Namespace string `default:"main" help:"Name of the log."`
}

// Run prints the document.
func (c *asyncapiCmd) Run(e *env) error {
	types, err := wiring.ServedTypes(c.Models, e.app)
	if err != nil {
		return err
	}
	_, err = e.Out.Write(openapi.AsyncAPI(types, openapi.AsyncAPIOptions{Version: e.app.Version, Namespace: c.Namespace}))
	return err
}
