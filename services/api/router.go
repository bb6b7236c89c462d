package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// paths are the rows of the table by the path that they are at. Those of one path
// differ by their method, or by the types that they are for.
type paths map[string][]*operation

// add puts a row at a path.
func (p paths) add(at string, op operation) { p[at] = append(p[at], &op) }

// find is the row that a method of a path asks for, nil when there is none. Served
// tells whether the path has a row for the type at all.
func (p paths) find(at, method string, t *model.Type) (op *operation, served bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, x := range p[at] {
		if !x.isFor(t) {
			continue
		}
		if served = true; x.Method == method {
			return x, true
		}
	}
	return nil, served
}

// methods are those that a path takes for a type.
func (p paths) methods(at string, t *model.Type) (out []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if op, _ := p.find(at, method, t); op != nil {
			out = append(out, method)
		}
	}
	return out
}

// build makes the router of a table.
func (a *API) build(all table) http.Handler {
	r := chi.NewRouter()
	r.Use(a.traced, a.guard, newEncoders().compressed, routing)
	a.serve(r, all.server)
	a.types = paths{}
	for _, op := range all.types {
		a.types.add(op.shape(), op)
	}
	for _, pattern := range []string{"/v1/{type}", "/v1/{type}/{id}", "/v1/{type}/{id}/{part}", "/v1/{type}/{id}/{part}/{n}"} {
		r.HandleFunc(pattern, a.dispatch)
	}
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, nothingAt(r)) })
	return r
}

// serve adds operations that are about no type to a router.
func (a *API) serve(r chi.Router, rows []operation) {
	at := map[string]paths{} // by the router's pattern, then by verb
	for _, op := range rows {
		pattern, verb := op.Path, ""
		if i := strings.LastIndex(op.Path, "}:"); i >= 0 { // the router knows no verb behind a name
			pattern, verb = op.Path[:i+1], op.Path[i+1:]
		}
		if at[pattern] == nil {
			at[pattern] = paths{}
		}
		at[pattern].add(verb, op)
	}
	for pattern, verbs := range at {
		r.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.answer(w, r, verbs) })
	}
}

// answer answers a request at a pattern of the router.
func (a *API) answer(w http.ResponseWriter, r *http.Request, verbs paths) {
	c, verb := call{w: w, r: r, id: lastName(r)}, ""
	if len(verbs) > 1 {
		c.id, verb = verbOf(c.id)
	}
	var served bool
	if c.op, served = verbs.find(verb, r.Method, nil); c.op == nil {
		if served {
			notAllowed(w, r, verbs.methods(verb, nil)...)
		} else {
			a.fail(w, r, nothingAt(r))
		}
		return
	}
	err := c.unasked()
	if err == nil {
		err = c.op.handle(a, c)
	}
	if err != nil {
		a.fail(w, r, err)
	}
}

// lastName is the value of the last name in braces of the request's pattern.
func lastName(r *http.Request) string {
	if values := chi.RouteContext(r.Context()).URLParams.Values; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
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

// dispatch answers a request about a type.
func (a *API) dispatch(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	c, name, err := a.route(rec, r)
	if name != unrouted {
		nameSpan(w, r, name)
	}
	if err == nil && c.op != nil {
		err = c.op.handle(a, c)
	}
	if err != nil {
		a.fail(rec, r, err)
	}
	if !streams(r) || rec.status >= 300 { // how long a client watches is no measure
		a.metrics.observe(name, rec.sent(), time.Since(begun))
	}
}

// unrouted is the name of a request for no operation.
const unrouted = "unknown"

// route finds the operation of a request, none when it was answered already. The
// checks run in the promised order: the type, then the method, then what the
// handler checks.
func (a *API) route(rec *recorder, r *http.Request) (c call, name string, err error) {
	name = unrouted
	c, shape, err := a.resolve(rec, r)
	if err != nil {
		return c, name, err
	}
	op, served := a.types.find(shape, r.Method, c.t)
	if !served {
		return c, name, nothingAt(r)
	}
	if op == nil {
		notAllowed(rec, r, a.types.methods(shape, c.t)...)
		return c, name, nil
	}
	c.op, name = op, op.metric
	if c.id != "" || strings.Contains(shape, "{id}") {
		if err := model.CheckID(c.id); err != nil {
			return c, name, err
		}
	}
	if (op.Method == http.MethodGet || op.Method == http.MethodDelete) && r.ContentLength != 0 {
		return c, name, fault.Errorf(fault.InvalidRequest, "%s takes no body", op.Method)
	}
	if op.Method == http.MethodGet {
		if err = c.readConditions(); err != nil {
			return c, name, err
		}
	}
	if err := a.mayBegin(c); err != nil {
		return c, name, err
	}
	if err = c.withKey(); err != nil {
		return c, name, err
	}
	return c, name, c.unasked()
}

// mayBegin refuses, before its body is read, a request to a type on which the
// caller has no right that could answer it: a caller without rights costs nothing.
func (a *API) mayBegin(c call) error {
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead || c.r.ContentLength == 0 {
		return nil
	}
	var first error
	for _, action := range c.op.rights {
		err := a.m.Guard.MayAsShown(c.r.Context(), c.t, action, storage.HeadView)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return a.m.Guard.MayKnow(c.r.Context(), c.t)
	}
	return first
}
