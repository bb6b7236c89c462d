package wiring

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/audit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/api/people"
	"github.com/autocrud-go/autocrud/services/indexer"
	"github.com/autocrud-go/autocrud/services/worker/webhook"
)

// Running is a program that takes requests.
type Running struct {
	URL     string
	Manager *resource.Manager
	// Domain is the Manager and what only the program itself does: jobs, upkeep,
	// watches, backups.
	Domain *resource.Domain
	reload func(context.Context) (*plan.Report, error)
	stop   context.CancelFunc
	done   chan struct{}
	err    error
}

// Stop ends it and waits until what is under way is finished.
func (r *Running) Stop() error {
	r.stop()
	<-r.done
	return r.err
}

// Wait returns when it ends by itself or its context is cancelled.
func (r *Running) Wait() error {
	<-r.done
	return r.err
}

// keptHeads is how many bytes of what was read and written last are kept.
const keptHeads = 64 << 20

// Logger as the settings ask, to stderr.
func (s *Settings) Logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // one of the enum, or info
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: s.scrubAttr()}
	if s.LogFormat == "json" {
		return slog.New(contextual{slog.NewJSONHandler(os.Stderr, o)})
	}
	return slog.New(contextual{slog.NewTextHandler(os.Stderr, o)})
}

// roles are the services of a process.
type roles struct{ api, indexer, worker bool }

// Start starts the service that the settings name and returns when requests are
// taken. It ends when ctx does.
func Start(ctx context.Context, set Settings, app App) (_ *Running, err error) {
	defer func() { err = set.scrubbed(err) }()
	switch set.Service {
	case "api":
		return launch(ctx, set, app, roles{api: true})
	case "indexer":
		return launch(ctx, set, app, roles{indexer: true})
	case "worker":
		return launch(ctx, set, app, roles{worker: true})
	}
	return launch(ctx, set, app, roles{true, true, true})
}

func launch(ctx context.Context, set Settings, app App, has roles) (_ *Running, err error) {
	if err := set.check(); err != nil {
		return nil, err
	}
	nets, err := set.webhookNets()
	if err != nil {
		return nil, err
	}
	types, err := ServedTypes(set.Models, app, nets...)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", set.Addr)
	if err != nil {
		return nil, wrong("--addr %s cannot be listened on: %v", set.Addr, err)
	}
	logger := set.Logger()
	registry := prometheus.NewRegistry()
	observer := newObserver(registry)
	certificate, err := openCertificate(&set, logger, registry)
	if err != nil {
		listener.Close()
		return nil, err
	}
	st, err := openStores(ctx, &set, observer, logger)
	if err != nil {
		listener.Close()
		return nil, err
	}
	p := &program{set: &set, app: app, types: types, st: st, has: has, listener: listener, logger: logger, nets: nets,
		registry: registry, observer: observer, progress: states.NewProgress(), front: front{set: &set, logger: logger, certificate: certificate}}
	var stopTelemetry func()
	if p.tracer, stopTelemetry, err = telemetry(ctx, &set, app.Version, registry, logger); err == nil {
		st.onClose(stopTelemetry)
		p.listener, err = limitConnections(listener, &set, registry)
	}
	if err != nil {
		listener.Close()
		st.close()
		return nil, err
	}
	r, err := p.start(ctx)
	if err != nil {
		listener.Close()
		st.close()
		return nil, err
	}
	return r, nil
}

// program holds the parts while they are put together.
type program struct {
	set      *Settings
	app      App
	types    []*model.Type
	st       *stores
	has      roles
	listener net.Listener
	logger   *slog.Logger
	registry *prometheus.Registry
	observer *observer
	tracer   trace.Tracer // nil: no spans are made
	progress *states.Progress
	front    front

	begun    uint64 // last sequence of the log at the start
	manager  *resource.Domain
	indexing *indexing
	live     *states.Live
	jobs     *jobParts
	archiver *indexer.Archiver // nil: there is no archive
	nets     []netip.Prefix    // where webhooks may lead to
	webhooks *webhook.Dispatcher
	access   *policy.Access // nil: every caller may do everything

	reloading sync.Mutex      // one at a time
	changed   []plan.Recorded // models that are to be recorded at the start
	ending    <-chan struct{} // closed when the program ends
	recorded  uint64          // last sequence of the recorded models that this process begins with
	api       *api.API        // nil: it is not served here
}

// start wires the parts. The order of Add is the order of shutdown: first no
// more requests and jobs, then the index, then the stores.
func (p *program) start(ctx context.Context) (_ *Running, err error) {
	if err := p.wire(ctx); err != nil {
		return nil, err
	}
	for _, what := range leftOut(p.types, p.app.Actions) {
		p.logger.WarnContext(ctx, "left out, because the application uses its name", "what", what)
	}
	if err := p.readIndex(ctx); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			stop()
		}
	}()
	stopTelling, err := p.jobs.hear()
	if err != nil {
		return nil, err
	}
	p.st.onClose(stopTelling)
	listening := begin(ctx, p.indexing.listen)
	indexing := begin(ctx, p.index)
	if p.has.api {
		err := p.enforce(ctx)
		p.ending = ctx.Done()
		p.judgeLater(p.changed, p.begun+1)
		if err != nil {
			indexing.interrupt(nil)
			listening.interrupt(nil)
			return nil, err
		}
	}
	out := &Running{URL: p.front.scheme() + "://" + p.listener.Addr().String(), Manager: p.manager.Manager, Domain: p.manager, reload: p.reload, stop: stop, done: make(chan struct{})}
	door, err := p.openDoor(out.URL)
	if err != nil {
		indexing.interrupt(nil)
		listening.interrupt(nil)
		return nil, err
	}
	p.tellSetup(door)
	var g run.Group
	g.Add(both(p.front.serve(p.listener, p.handler(out.URL, door)))(until(ctx, p.jobs.work)))
	if p.has.worker {
		p.adoptSubscriptions(ctx)
		g.Add(until(ctx, p.maintain))
		g.Add(until(ctx, p.policeEvents))
		g.Add(until(ctx, p.webhooks.Run))
		g.Add(until(ctx, func(ctx context.Context) error { return p.manager.AfterHooks.RunAfterHooks(ctx, p.st.outward) }))
	}
	if p.has.api || p.has.worker {
		g.Add(until(ctx, p.manager.Watches.RunWatches))
	}
	if !p.st.sole {
		g.Add(until(ctx, p.followModels))
	}
	if p.access != nil {
		g.Add(until(ctx, p.followAccess))
		if p.has.api {
			g.Add(until(ctx, p.recordUse))
			g.Add(until(ctx, p.keepSessions))
		}
	}
	g.Add(indexing.execute, indexing.interrupt)
	g.Add(listening.execute, listening.interrupt)
	g.Add(func() error { <-ctx.Done(); return nil }, func(error) { stop() })
	if !p.set.AcceptDamage {
		go p.st.inspectRest(ctx, p.logger)
	}
	ballast := loadBallast()
	go releaseWhenIdle(ctx)
	go func() {
		defer ballast()
		defer close(out.done)
		defer stop()
		defer p.st.close()
		out.err = g.Run()
	}()
	return out, nil
}

// enforce has the models in force: they are recorded, and new unique values and references
// are taken over. Where other processes serve the same log the record comes first: the
// index is made by it, and nothing is written by the models before.
func (p *program) enforce(ctx context.Context) error {
	if p.st.sole {
		if err := adopt(ctx, p.manager.Admin, p.indexing, p.begun); err != nil {
			return err
		}
		return p.judging().record(ctx, p.st.log, p.changed)
	}
	before, err := plan.ReadRecorded(ctx, p.st.log)
	if err != nil {
		return err
	}
	if err := p.judging().record(ctx, p.st.log, p.changed); err != nil {
		return err
	}
	return p.adoptShared(ctx, before)
}

// wire makes the parts, none of which runs yet.
func (p *program) wire(ctx context.Context) error {
	if err := checkLog(ctx, p.st); err != nil {
		return err
	}
	if err := p.st.fit(ctx, p.set, p.logger); err != nil {
		return err
	}
	if err := p.judgeModels(ctx); err != nil {
		return err
	}
	claimKey, err := p.st.claimKey(ctx, p.logger)
	if err != nil {
		return err
	}
	if p.judges() {
		if p.access, err = p.set.access(p.types, p.app.Actions); err != nil {
			return err
		}
	}
	if err := p.admit(ctx); err != nil {
		return err
	}
	if err := p.protectEvents(ctx, claimKey); err != nil {
		return err
	}
	keyOfAudit, err := p.st.auditKey(ctx, p.logger)
	if err != nil {
		return err
	}
	secret, err := p.set.secret(claimKey)
	if err != nil {
		return err
	}
	state, err := p.st.log.State(ctx)
	if err != nil {
		return err
	}
	p.begun = state.Last
	blobs := measureBlobs(p.st.blobs, p.registry, p.tracer)
	p.live = states.NewLive()
	p.jobs = &jobParts{program: p}
	p.indexing = newIndexing(p.st, p.types, p.progress, p.logger)
	var heads *states.Heads
	if p.has.indexer && p.st.sole {
		heads = states.NewHeads(keptHeads)
	}
	if p.has.indexer {
		o := indexer.Options{Heads: heads, Logger: p.logger, Tracer: p.tracer, Outward: p.st.outward, Applied: p.jobs.applied}
		if p.has.api {
			o.Known = func(seq uint64) (*storage.Event, *model.Document) { return p.manager.States.Known(seq) }
		} else {
			o.Gather = remoteGather
		}
		p.indexing.indexer = indexer.New(p.types, p.st.log, blobs, p.st.index, p.progress, o)
	}
	p.manager = resource.NewDomain(p.types, p.st.log, blobs, p.st.index, resource.Options{
		LogSyncsBlobs: p.st.grouped, Sole: p.st.sole, NoErase: !p.has.worker && !p.set.maintenance, Last: state.Last, Secret: secret, ClaimKey: claimKey, Uploads: resource.UploadQuota{Principal: p.set.UploadQuotaPrincipal, All: p.set.UploadQuota}, Access: p.access, Outward: p.st.outward, Archive: p.st.archive, Deliveries: p.st.sent, Recorder: audit.NewRecorder(p.st.audit, keyOfAudit), Hooks: p.app.Hooks, HooksApart: !p.st.sole,
		Progress: p.progress, Heads: heads, Live: p.live, JobLogs: p.st.jobLogs, Committed: p.jobs.committed(), Observer: p.observer, Tracer: p.tracer, Logger: p.logger})
	p.jobs.own()
	p.measure()
	p.jobs.measureQueues()
	p.archiver = newArchiver(p)
	p.webhooks = webhook.New(p.manager, p.st.outward, p.st.sent, webhook.NewSender(p.nets, "AutoCRUD-Webhooks/"+p.app.Version),
		webhook.Options{PauseAfter: p.set.WebhookPauseAfter, Logger: p.logger})
	for _, x := range p.app.Actions {
		if _, err := p.manager.States.Type(x.Type); err != nil {
			return wrong("action %s:%s is on a type without a model", x.Type, x.Name)
		}
	}
	return nil
}

// remoteGather is shorter than usual: a request that waits in another process cannot
// say so.
const remoteGather = 5 * time.Millisecond

// index writes the index and hands out jobs, where this process does.
func (p *program) index(ctx context.Context) error {
	if !p.has.indexer {
		<-ctx.Done()
		return nil
	}
	return p.indexing.index(ctx, p.jobs.dispatch, p.archiving, p.noting)
}

// noting writes down how far the log goes.
func (p *program) noting(ctx context.Context) error {
	every, err := p.set.sync()
	if err != nil {
		return err
	}
	return p.st.notebook.follow(ctx, p.progress.Applied, every)
}

// maintain finishes what writes began and sweeps, on one process of all.
func (p *program) maintain(ctx context.Context) error {
	return p.st.lead(ctx, "upkeep", p.logger, func(ctx context.Context) error {
		var g errgroup.Group
		g.Go(func() error { return p.manager.Upkeep.Upkeep(ctx) })
		g.Go(func() error { return p.manager.Upkeep.PruneEvery(ctx) })
		g.Go(func() error { return p.manager.Publisher.Run(ctx) })
		g.Go(func() error { return p.manager.Upkeep.Retention.Run(ctx) })
		if p.access != nil {
			g.Go(func() error { return p.sweepSessions(ctx) })
		}
		g.Go(func() error { return p.manager.Upkeep.SweepEvery(ctx, upkeep.SweepAge) })
		return g.Wait()
	})
}

// handler answers requests: the API, or how a service without one is.
func (p *program) handler(url string, door *people.Door) http.Handler {
	isReady := func(context.Context) error { return p.ready() }
	proxies, _ := p.set.proxies() // they were checked
	loopback, _ := isLoopback(p.set.Addr)
	if !p.has.api {
		return api.Health(api.Options{Ready: isReady, Registry: p.registry, Logger: p.logger})
	}
	p.api = api.New(p.manager, api.Options{Version: p.app.Version, URL: p.set.publicURL(url), Namespace: p.set.Namespace, NATS: p.st.nats, Hosts: loopbackHosts(p.set.Addr, p.set.publicHost()...), People: door, Registry: p.registry,
		Logger: p.logger, Tracer: p.tracer, Actions: p.app.Actions, Webhooks: p.webhooks, Ready: isReady, Auth: p.authenticator(),
		Origins: p.set.CORSOrigins, Public: p.set.PublicURL, Proxies: proxies, AddressRate: p.set.RateLimitAddress, PrincipalRate: p.set.RateLimitPrincipal, PublicRate: p.set.RateLimitPublic, Limits: p.set.limits(), TLS: p.set.TLSCert != "",
		HideDocs: !said(p.set.PublicDocs, p.set.Auth != "required" || loopback), HideMetrics: !said(p.set.PublicMetrics, p.set.Auth != "required"),
		Reload: p.reload})
	return p.api
}

// until runs fn until it is interrupted, and the interrupt waits for it.
func until(ctx context.Context, fn func(context.Context) error) (func() error, func(error)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	return func() error {
			defer close(done)
			return fn(ctx)
		}, func(error) {
			cancel()
			<-done
		}
}

// running is an actor that runs already.
type running struct {
	execute   func() error
	interrupt func(error)
}

// begin starts fn now, not with the others.
func begin(ctx context.Context, fn func(context.Context) error) running {
	execute, interrupt := until(ctx, fn)
	errs := make(chan error, 1)
	go func() { errs <- execute() }()
	return running{func() error { return <-errs }, interrupt}
}

// both runs two actors as one; they are interrupted at the same time, so that
// the time they may take to finish does not add up.
func both(run1 func() error, stop1 func(error)) func(run2 func() error, stop2 func(error)) (func() error, func(error)) {
	return func(run2 func() error, stop2 func(error)) (func() error, func(error)) {
		return func() error {
				errs := make(chan error, 2)
				go func() { errs <- run1() }()
				go func() { errs <- run2() }()
				return <-errs
			}, func(err error) {
				var wg sync.WaitGroup
				wg.Go(func() { stop1(err) })
				wg.Go(func() { stop2(err) })
				wg.Wait()
			}
	}
}

// loopbackHosts are the names a browser on this machine may use; elsewhere any.
func loopbackHosts(addr string, more ...string) []string {
	if local, err := isLoopback(addr); err != nil || !local {
		return nil
	}
	return append([]string{"localhost", "127.0.0.1", "::1", "[::1]"}, more...)
}

// ready tells why requests cannot be answered fully. Where the index is another
// process's, one that is behind does not keep requests away: all but searches
// are answered. A store that is away does not either: it is so for every process, and
// without any that is ready clients would be refused rather than told to come back.
func (p *program) ready() error {
	if p.front.leaving.Load() {
		return &fault.Error{Code: fault.Unavailable, Detail: "the service is stopping"}
	}
	if err := p.st.log.Broken(); err != nil {
		return &fault.Error{Code: fault.Unavailable, Detail: "the log takes no more writes: its disk failed or it is damaged, the log of the service says more; restart the service", Cause: err}
	}
	if applied := p.progress.Applied(); p.st.shared == nil && applied < p.begun {
		return &fault.Error{Code: fault.IndexLag, Detail: fmt.Sprintf("the index is at sequence %d of %d", applied, p.begun)}
	}
	return nil
}
