// Package api serves the resources over HTTP: routing, conditions, envelopes,
// problem+json and the OpenAPI document. It decides nothing about resources;
// the Manager does.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// Options of an API. The zero value serves without metrics to anyone.
type Options struct {
	Version string
	// URL is where clients reach it, for the OpenAPI document.
	URL string
	// Namespace and NATS, a host:port, are for the AsyncAPI document.
	Namespace, NATS string
	// Hosts are the Host headers that are answered; empty: any. Set on
	// loopback, so that a page of another site cannot reach it by a name that
	// it lets point here.
	Hosts []string
	// Origins are those whose pages may use the API (CORS), as browsers write
	// them; "*": all, without credentials. None by default.
	Origins []string
	// Proxies are the nets of those whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// AddressRate is how many requests a second an address may send; 0: any.
	AddressRate float64
	// PrincipalRate is how many requests a second who authenticates may send; 0:
	// any.
	PrincipalRate float64
	Limits        Limits // how much of the API one client may take at the same time
	// HideDocs and HideMetrics show the documents, and the metrics, to nobody
	// without a credential; the metrics need that of an admin.
	HideDocs, HideMetrics bool
	TLS                   bool // clients reach it by HTTPS
	// Ready tells why requests cannot be taken, or nil.
	Ready    func(context.Context) error
	Registry *prometheus.Registry
	// Auth finds who asks; nil: nobody is asked for a credential.
	Auth     Authenticator
	Webhooks Webhooks // nil: they are not served
	Actions  []*resource.Action
	Logger   *slog.Logger
	Tracer   trace.Tracer // of requests; nil: no spans are made
}

// API implements http.Handler.
type API struct {
	m            *resource.Manager
	o            Options
	logger       *slog.Logger
	router       http.Handler
	metrics      *metrics
	asking       *room
	watching     *room // for requests whose answer goes on
	perAddress   *limiter
	perPrincipal *limiter
	telling      *telling                      // of refusals, to the audit
	running      context.Context               // ends those
	end          context.CancelFunc            // of running
	routes       map[string]map[string]handler // shape and verb -> method -> handler
	actions      map[string]handler            // type and shape -> handler of a custom action
	openapi      []byte
	events       []byte // the AsyncAPI document
}

// The limits of a request, besides the size of its body.
const (
	requestTimeout = 30 * time.Second
	maxRequestLine = 64 << 10
	maxConcurrent  = 2048
	maxStreams     = 10_000
)

// call is a request to one type.
type call struct {
	w  http.ResponseWriter
	r  *http.Request
	t  *resource.Type
	id string // of a resource
	n  string // of a revision
	conditions
}

type handler func(*API, call) error

// New makes the API of a manager.
func New(m *resource.Manager, o Options) *API {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	o.Limits = o.Limits.withDefaults()
	a := &API{m: m, o: o, logger: o.Logger, metrics: newMetrics(o.Registry),
		asking:     newRoom(maxConcurrent, o.Limits.RequestsPerAddress, o.Limits.RequestsPerPrincipal),
		watching:   newRoom(maxStreams, o.Limits.WatchesPerAddress, o.Limits.WatchesPerPrincipal),
		perAddress: newLimiter(o.AddressRate), perPrincipal: newLimiter(o.PrincipalRate), telling: newTelling()}
	a.running, a.end = context.WithCancel(context.Background())
	a.metrics.gauges(a.o.Registry, m.Watches, func() int { return len(a.asking.slots) })
	a.openapi = OpenAPI(m.Types(), openapi.Options{Version: o.Version, ServerURL: o.URL, Actions: o.Actions, Auth: o.Auth != nil})
	a.events = openapi.AsyncAPI(m.Types(), openapi.AsyncAPIOptions{Version: o.Version, Namespace: o.Namespace, Host: o.NATS, ServerURL: o.URL})
	a.actions = map[string]handler{}
	for _, x := range o.Actions {
		a.actions[x.Type+actionShape(x)] = a.action(x)
	}
	a.routes = map[string]map[string]handler{
		"/{type}":                    {"GET": (*API).list, "POST": (*API).create},
		"/{type}/{id}":               {"GET": (*API).read, "PUT": (*API).replace, "PATCH": (*API).patch, "DELETE": (*API).delete},
		"/{type}:count":              {"GET": (*API).count},
		"/{type}:aggregate":          {"GET": (*API).aggregate},
		"/{type}:search":             {"POST": (*API).search},
		"/{type}:watch":              {"GET": (*API).watch},
		"/{type}/{id}:watch":         {"GET": (*API).watch},
		"/{type}:migrate":            {"POST": (*API).migrate},
		"/{type}:bulk":               {"POST": (*API).bulk},
		"/{type}:reindex":            {"POST": (*API).reindexType},
		"/{type}/{id}:restore":       {"POST": (*API).restore},
		"/{type}/{id}:switch":        {"POST": (*API).switchHead},
		"/{type}/{id}:purge":         {"POST": (*API).purge},
		"/{type}/{id}:status":        {"POST": (*API).setStatus},
		"/{type}/{id}/revisions":     {"GET": (*API).revisions},
		"/{type}/{id}/revisions/{n}": {"GET": (*API).revision},
		"/{type}/{id}/history":       {"GET": (*API).history},
		"/{type}/{id}/referrers":     {"GET": (*API).referrers},
		"/{type}/{id}/blobs/{n}":     {"GET": (*API).getBlob},
		"/{type}/{id}:diff":          {"GET": (*API).diff},
		"/{type}/{id}:pause":         {"POST": (*API).pauseWebhook},
		"/{type}/{id}:resume":        {"POST": (*API).resumeWebhook},
		"/{type}/{id}:replay":        {"POST": (*API).replayWebhook},
		"/{type}/{id}:test":          {"POST": (*API).testWebhook},
		"/{type}/{id}/deliveries":    {"GET": (*API).deliveries},
		"/{type}/{id}:rotate":        {"POST": (*API).rotateKey},
		"/{type}/{id}:cancel":        {"POST": (*API).cancelJob},
		"/{type}/{id}:rerun":         {"POST": (*API).rerunJob},
		"/{type}/{id}/logs":          {"GET": (*API).jobLogs},
	}
	a.router = a.build()
	return a
}

// End ends the answers that would go on for ever, so that a server can shut down.
func (a *API) End() { a.end() }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

func (a *API) build() http.Handler {
	r := chi.NewRouter()
	r.Use(a.traced, a.guard, newEncoders().compressed, routing)
	r.HandleFunc("/v1:batch", only("POST", a.batch))
	r.HandleFunc("/v1:watch", only("GET", a.watchAll))
	r.HandleFunc("/v1:verify", only("POST", a.verify))
	r.HandleFunc("/v1:gc", only("POST", a.sweep))
	r.HandleFunc("/v1:backup", only("GET", a.backup))
	r.HandleFunc("/v1:restore", only("POST", a.restoreBackup))
	r.HandleFunc("/v1:reindex", a.reindex)
	r.HandleFunc("/v1:can", only("POST", a.can))
	r.HandleFunc("/v1/blobs", only("POST", a.putBlob))
	r.HandleFunc("/v1/audit", only("GET", a.audit))
	r.HandleFunc("/v1/queues", only("GET", a.listQueues))
	r.HandleFunc("/v1/queues/{queue}", a.onQueue)
	r.HandleFunc("/v1/types", only("GET", a.listTypes))
	r.HandleFunc("/v1/types/{type}", only("GET", a.readType))
	for _, pattern := range []string{"/v1/{type}", "/v1/{type}/{id}", "/v1/{type}/{id}/{part}", "/v1/{type}/{id}/{part}/{n}"} {
		r.HandleFunc(pattern, a.dispatch)
	}
	a.health(r)
	r.HandleFunc("/openapi.json", only("GET", serveDocument(a.openapi)))
	r.HandleFunc("/asyncapi.json", only("GET", serveDocument(a.events)))
	docs := docsHandler()
	r.Handle("/docs", docs)
	r.Handle("/docs/*", docs)
	r.HandleFunc("/", only("GET", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/docs", http.StatusFound)
	}))
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, a.nothingAt(r))
	})
	return r
}

// only answers other methods with 405.
func only(method string, fn http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && !(method == "GET" && r.Method == "HEAD") {
			notAllowed(w, r, method)
			return
		}
		fn(w, r)
	}
}

func notAllowed(w http.ResponseWriter, r *http.Request, allowed ...string) {
	methods := slices.Clone(allowed)
	if i := slices.Index(methods, http.MethodGet); i >= 0 {
		methods = slices.Insert(methods, i+1, http.MethodHead)
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	writeProblem(w, problem{Type: "urn:autocrud:problem:invalid_request", Title: http.StatusText(http.StatusMethodNotAllowed),
		Status: http.StatusMethodNotAllowed, Code: fault.InvalidRequest,
		Detail: r.Method + " is not possible here; " + strings.Join(allowed, " and ") + " is"})
}

// dispatch answers a request below /v1.
func (a *API) dispatch(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	h, c, name, err := a.route(rec, r)
	if name != unrouted {
		nameSpan(w, r, name)
	}
	if err == nil && h != nil {
		err = h(a, c)
	}
	if err != nil {
		a.fail(rec, r, err)
	}
	if !streams(r) || rec.status >= 300 { // how long somebody watches is no measure
		a.metrics.observe(name, rec.sent(), time.Since(begun))
	}
}

// unrouted is the name of a request that has no handler.
const unrouted = "unknown"

// route finds the handler of a request, nil when it was answered already. The
// checks run in the promised order: the type, then the method, then what the
// handler checks.
func (a *API) route(rec *recorder, r *http.Request) (h handler, c call, name string, err error) {
	name = unrouted
	c, shape, err := a.resolve(rec, r)
	if err != nil {
		return nil, c, name, err
	}
	methods, ok := a.routes[shape]
	if custom := a.actions[c.t.Name+shape]; !ok && custom != nil {
		methods, ok = map[string]handler{"POST": custom}, true
	}
	if !ok || c.t.Job == nil && jobShapes[shape] || c.t.Name != resource.APIKeys && shape == "/{type}/{id}:rotate" || (c.t.Name != resource.Webhooks || a.o.Webhooks == nil) && webhookShapes[shape] {
		return nil, c, name, a.nothingAt(r)
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if h, ok = methods[method]; !ok {
		notAllowed(rec, r, keys(methods)...)
		return nil, c, name, nil
	}
	name = method + " " + shape
	if c.id != "" || strings.Contains(shape, "{id}") {
		if err := resource.CheckID(c.id); err != nil {
			return nil, c, name, err
		}
	}
	if (method == http.MethodGet || method == http.MethodDelete) && r.ContentLength != 0 {
		return nil, c, name, fault.Errorf(fault.InvalidRequest, "%s takes no body", method)
	}
	if method == http.MethodGet {
		if c.conditions, err = readConditions(r); err != nil {
			return h, c, name, err
		}
	}
	if err := a.mayBegin(c, name); err != nil {
		return nil, c, name, err
	}
	c.r, err = withKey(rec, c.r)
	return h, c, name, err
}

func keys(m map[string]handler) (out []string) {
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if m[method] != nil {
			out = append(out, method)
		}
	}
	return out
}

func (a *API) ready(w http.ResponseWriter, r *http.Request) {
	if a.o.Ready != nil {
		if err := a.o.Ready(r.Context()); err != nil {
			w.Header().Set("Retry-After", "1")
			writeProblem(w, asProblem(err)) // asked for every second: not worth a line of the log
			return
		}
	}
	plain(w, http.StatusOK, "ready\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// requestID takes a sane one from the client, so that it can be followed
// through several systems.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) == 0 || len(id) > 100 {
		return uuid.NewString()
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return uuid.NewString()
		}
	}
	return id
}
