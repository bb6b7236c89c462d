package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/autocrud-go/autocrud/internal/wiring"
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// place is a running server, or the stores of a stopped one.
type place struct {
	server
	DataDir string `help:"Open the data folder of a stopped program instead of asking a running one."`
	Offline bool   `help:"Open the stores of a stopped program, also where it has no data folder, instead of asking a running one."`
	Models  string `default:"models" help:"Folder with the model files, for the stores of a stopped program."`
	Storage string `default:"disk" enum:"disk,s3,postgres" help:"Where the data of a stopped program is: disk, s3 or postgres."`

	Namespace   string `default:"main" group:"stores" help:"Name of the log."`
	NatsURL     string `name:"nats-url" group:"stores" help:"NATS server, when it is not in the data folder."`
	PostgresURL string `name:"postgres-url" group:"stores" help:"Database of the index."`
	S3Endpoint  string `name:"s3-endpoint" group:"stores" help:"HOST:PORT of the S3 server."`
	S3Bucket    string `name:"s3-bucket" group:"stores" help:"Bucket of revisions and binaries."`
	S3AccessKey string `name:"s3-access-key" group:"stores" help:"Access key."`
	S3SecretKey string `name:"s3-secret-key" group:"stores" help:"Secret key."`
	S3Region    string `name:"s3-region" default:"us-east-1" group:"stores" help:"Region."`
	S3UseTLS    *bool  `name:"s3-use-tls" default:"true" group:"stores" help:"Use TLS (true or false)."`
}

func (p place) isOffline() bool { return p.Offline || p.DataDir != "" }

func (p place) offline(e *env, fn func(context.Context, *resource.Domain) error) error {
	return wiring.Offline(e.ctx, p.settings(), e.app, fn)
}

func (p place) settings() wiring.Settings {
	return wiring.Settings{Choices: wiring.Choices{DataDir: p.DataDir, Models: p.Models, Storage: p.Storage, Auth: "off", LogLevel: "warn", Namespace: p.Namespace,
		NatsURL: p.NatsURL, PostgresURL: p.PostgresURL, S3Endpoint: p.S3Endpoint, S3Bucket: p.S3Bucket, S3AccessKey: p.S3AccessKey,
		S3SecretKey: p.S3SecretKey, S3Region: p.S3Region, S3UseTLS: p.S3UseTLS}}.WithDefaults()
}

// ask posts to a running server and decodes the answer.
func (p place) ask(e *env, path string, to any) error {
	a, err := p.long(e.ctx, path)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return &exitError{exitFailed, a.problem()}
	}
	return json.Unmarshal(a.body, to)
}

type verifyCmd struct {
	place `embed:""`
}

// Run prints every difference; there being one is a failure.
func (c *verifyCmd) Run(e *env) error {
	var answer struct {
		Verified admin.Verified  `json:"verified"`
		Findings []admin.Finding `json:"findings"`
	}
	if !c.isOffline() {
		if err := c.ask(e, "/v1:verify", &answer); err != nil {
			return err
		}
	} else if err := c.offline(e, func(ctx context.Context, m *resource.Domain) (err error) {
		answer.Verified, err = m.Admin.Verify(ctx, func(f admin.Finding) { answer.Findings = append(answer.Findings, f) })
		return err
	}); err != nil {
		return err
	}
	for _, f := range answer.Findings {
		if f.Type == "" { // of all
			fmt.Fprintln(e.Out, f.Problem)
			continue
		}
		fmt.Fprintf(e.Out, "%s %s at %d: %s\n", f.Type, f.ID, f.Seq, f.Problem)
	}
	v := answer.Verified
	fmt.Fprintf(e.Out, "%d events, %d resources, %d objects, %d claims: %d differences\n", v.Events, v.Resources, v.Objects, v.Claims, v.Findings)
	if v.Unfit > 0 {
		fmt.Fprintf(e.Out, "%d resources do not fit their model, which is no difference: filter=meta.unfit = true finds them, and a PUT or a PATCH makes each fit\n", v.Unfit)
	}
	if v.Findings > 0 {
		return &exitError{exitFailed, ""}
	}
	return nil
}

type gcCmd struct {
	place `embed:""`
}

// Run removes what nothing refers to and is older than a day.
func (c *gcCmd) Run(e *env) error {
	var out upkeep.Swept
	if !c.isOffline() {
		if err := c.ask(e, "/v1:gc", &out); err != nil {
			return err
		}
	} else if err := c.offline(e, func(ctx context.Context, m *resource.Domain) (err error) {
		out, err = m.Upkeep.Sweep(ctx, upkeep.SweepAge)
		return err
	}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.Out, "removed %d revision objects and %d binaries (%d bytes)\n", out.Objects, out.Binaries, out.Bytes)
	return err
}

type migrateCmd struct {
	place  `embed:""`
	Type   string `arg:"" help:"Type to bring to its schema version."`
	DryRun bool   `help:"Only count what would be migrated and what would fail."`
}

// Run migrates page by page. Interrupted, it can be begun again.
func (c *migrateCmd) Run(e *env) error {
	page := func(after string) (r admin.MigrationReport, err error) {
		q := url.Values{"dry_run": {fmt.Sprint(c.DryRun)}}
		if after != "" {
			q.Set("after", after)
		}
		return r, c.ask(e, "/v1/"+url.PathEscape(c.Type)+":migrate?"+q.Encode(), &r)
	}
	if !c.isOffline() {
		return c.pages(e, page)
	}
	return c.offline(e, func(ctx context.Context, m *resource.Domain) error {
		return c.pages(e, func(after string) (admin.MigrationReport, error) {
			r, err := m.Admin.MigrateAll(ctx, c.Type, after, c.DryRun)
			if err != nil {
				return admin.MigrationReport{}, err
			}
			return *r, nil
		})
	})
}

func (c *migrateCmd) pages(e *env, page func(after string) (admin.MigrationReport, error)) error {
	bar := newProgress(e.Err, -1, "migrating "+c.Type)
	defer bar.finish()
	migrated, failed, shown := 0, 0, 0
	for after := ""; ; {
		r, err := page(after)
		if err != nil {
			return err
		}
		migrated += r.Migrated
		failed += r.Failed
		bar.set(int64(migrated))
		for _, f := range r.Failures {
			if shown++; shown <= maxShown {
				fmt.Fprintf(e.Err, "%s: %s\n", f.ID, f.Detail)
			}
		}
		if r.Done {
			break
		}
		after = r.Next
	}
	what := "migrated"
	if c.DryRun {
		what = "to be migrated"
	}
	fmt.Fprintf(e.Out, "%d %s, %d failed\n", migrated, what, failed)
	if failed > 0 {
		return &exitError{exitFailed, ""}
	}
	return nil
}
