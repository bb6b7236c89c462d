// Package api serves the resources over HTTP: routing, conditions, envelopes and
// problem+json. What can be asked for is a table of operations (operations.go), of
// which the router and the OpenAPI document are made. It decides nothing about
// resources; the Manager does.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/limit"
	"github.com/autocrud-go/autocrud/services/api/openapi"
	"github.com/autocrud-go/autocrud/services/api/people"
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
	// Public is the origin of URL where a proxy is before it; empty: none is.
	Public string
	// Proxies are the nets of those whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// AddressRate is how many requests a second an address may send; 0: any.
	AddressRate float64
	// PrincipalRate is how many requests a second a principal may send; 0:
	// any.
	PrincipalRate float64
	// PublicRate is how many requests a second without a credential an address may
	// send; 0: any.
	PublicRate float64
	Limits     Limits // how much of the API one client may take at the same time
	// HideDocs and HideMetrics show the documents, and the metrics, only to
	// callers with a credential; the metrics need an admin's.
	HideDocs, HideMetrics bool
	TLS                   bool // clients reach it by HTTPS
	// Ready tells why requests cannot be taken, or nil.
	Ready    func(context.Context) error
	Registry *prometheus.Registry
	// Auth finds the caller; nil: no credential is asked for.
	Auth     Authenticator
	People   *people.Door // where people sign in; nil without Auth
	Webhooks Webhooks     // nil: they are not served
	// Reload reads the models anew and serves them; nil: they stay.
	Reload  func(context.Context) (*plan.Report, error)
	Actions []*resource.Action
	Logger  *slog.Logger
	Tracer  trace.Tracer // of requests; nil: no spans are made

	read func(parameter string) // is told of what handlers read; nil: nothing is
}

// API implements http.Handler.
type API struct {
	m            *resource.Domain
	o            Options
	logger       *slog.Logger
	router       http.Handler
	metrics      *metrics
	asking       *room
	watching     *room // for requests whose answer goes on
	perAddress   *limit.Limiter
	perPrincipal *limit.Limiter
	perAnonymous *limit.Limiter     // by address
	telling      *telling           // of refusals, to the audit
	running      context.Context    // ends those
	end          context.CancelFunc // of running
	types        paths              // what is asked of types, by what follows /v1
	documents    atomic.Pointer[descriptions]
	docs         http.Handler // the page that shows the document
	guide        http.Handler // the guides
}

// The limits of a request, besides the size of its body.
const (
	requestTimeout = 30 * time.Second
	maxRequestLine = 64 << 10
	maxConcurrent  = 2048
	maxStreams     = 10_000
)

// call is a request for an operation.
type call struct {
	w  http.ResponseWriter
	r  *http.Request
	op *operation
	t  *model.Type // nil: the operation is not about a type
	id string      // of a resource; or the name that ends the path
	n  string      // of a revision
	conditions
	repeats *repetition // of a form with a key; nil: of no such request
}

// New makes the API of a manager.
func New(m *resource.Domain, o Options) *API {
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
		perAddress: limit.New(o.AddressRate), perPrincipal: limit.New(o.PrincipalRate), perAnonymous: limit.New(o.PublicRate), telling: newTelling()}
	a.running, a.end = context.WithCancel(context.Background())
	a.metrics.gauges(a.o.Registry, m.Watches.Watches, func() int { return len(a.asking.slots) })
	table := newTable(o.Actions, o.Webhooks != nil)
	table.tell(o.read)
	a.Describe(m.States.Types())()
	a.docs, a.guide = docsHandler(), guideHandler()
	a.router = a.build(table)
	return a
}

// descriptions are the documents about the types of one moment.
type descriptions struct {
	types    []*model.Type
	document func(of []*model.Type) []byte // OpenAPI
	openapi  http.HandlerFunc
	older    func() http.HandlerFunc // the same, in OpenAPI 3.0
	asyncapi http.HandlerFunc        // of the events
}

// Describe makes the documents of types that are about to be served; show answers with
// them from then on.
func (a *API) Describe(types []*model.Type) (show func()) {
	o := a.o
	types = slices.SortedFunc(slices.Values(types), func(a, b *model.Type) int { return strings.Compare(a.Name, b.Name) })
	document := func(of []*model.Type) []byte {
		return openapi.Document(of, newTable(o.Actions, o.Webhooks != nil).operations(of),
			openapi.Options{Version: o.Version, ServerURL: o.URL, Actions: o.Actions, Auth: o.Auth != nil, Cookie: o.People.CookieName()})
	}
	doc := document(types)
	d := &descriptions{
		types: types, document: document,
		openapi:  serveDocument(doc),
		older:    sync.OnceValue(func() http.HandlerFunc { return serveDocument(openapi.Older(doc)) }),
		asyncapi: serveDocument(openapi.AsyncAPI(types, openapi.AsyncAPIOptions{Version: o.Version, Namespace: o.Namespace, Host: o.NATS, ServerURL: o.URL})),
	}
	return func() { a.documents.Store(d) }
}

// End ends the answers that would go on for ever, so that a server can shut down.
func (a *API) End() { a.end() }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

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
