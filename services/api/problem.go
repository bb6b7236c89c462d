package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// statusOf is the one table from codes to HTTP.
var statusOf = map[fault.Code]int{
	fault.InvalidRequest:       http.StatusBadRequest,
	fault.InvalidFilter:        http.StatusBadRequest,
	fault.InvalidPageToken:     http.StatusBadRequest,
	fault.Unauthenticated:      http.StatusUnauthorized,
	fault.PermissionDenied:     http.StatusForbidden,
	fault.NotFound:             http.StatusNotFound,
	fault.UnknownType:          http.StatusNotFound,
	fault.UnknownRevision:      http.StatusNotFound,
	fault.UniqueConflict:       http.StatusConflict,
	fault.AlreadyExists:        http.StatusConflict,
	fault.Referenced:           http.StatusConflict,
	fault.InvalidState:         http.StatusConflict,
	fault.Conflict:             http.StatusConflict,
	fault.Deleted:              http.StatusGone,
	fault.Pruned:               http.StatusGone,
	fault.Gone:                 http.StatusGone,
	fault.PreconditionFailed:   http.StatusPreconditionFailed,
	fault.PreconditionRequired: http.StatusPreconditionRequired,
	fault.TooLarge:             http.StatusRequestEntityTooLarge,
	fault.UnsupportedMediaType: http.StatusUnsupportedMediaType,
	fault.ValidationFailed:     http.StatusUnprocessableEntity,
	fault.DanglingReference:    http.StatusUnprocessableEntity,
	fault.IdempotencyMismatch:  http.StatusUnprocessableEntity,
	fault.RateLimited:          http.StatusTooManyRequests,
	fault.Unavailable:          http.StatusServiceUnavailable,
	fault.IndexLag:             http.StatusServiceUnavailable,
	fault.OutcomeUnknown:       http.StatusServiceUnavailable,
}

// problem is an answer of RFC 9457.
type problem struct {
	Type          string             `json:"type"`
	Title         string             `json:"title"`
	Status        int                `json:"status"`
	Detail        string             `json:"detail"`
	Code          fault.Code         `json:"code"`
	Field         string             `json:"field,omitempty"`
	ConflictingID string             `json:"conflicting_id,omitempty"`
	Deleted       bool               `json:"deleted,omitempty"`
	RequestID     string             `json:"request_id,omitempty"`
	Errors        []fault.FieldError `json:"errors,omitempty"`
}

// internal is the problem that a client gets for a defect.
const internal fault.Code = "internal"

// asProblem makes the answer of an error. What is no fault.Error is a defect
// and says nothing of itself, but for the end of the time that a request has.
func asProblem(err error) problem {
	var e *fault.Error
	known := errors.As(err, &e)
	if !known && errors.Is(err, context.DeadlineExceeded) {
		e, known = &fault.Error{Code: fault.Unavailable, Detail: "the server is too busy to answer this in time; try again"}, true
	}
	if !known {
		return problem{Type: "urn:autocrud:problem:internal", Title: http.StatusText(http.StatusInternalServerError),
			Status: http.StatusInternalServerError, Code: internal, Detail: "a defect of the server; the request id leads to its log"}
	}
	status, ok := statusOf[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	return problem{Type: "urn:autocrud:problem:" + string(e.Code), Title: http.StatusText(status), Status: status,
		Detail: e.Detail, Code: e.Code, Field: e.Field, ConflictingID: e.ConflictingID, Deleted: e.Deleted, Errors: e.Fields}
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := asProblem(err)
	p.RequestID = policy.ActorOf(r.Context()).RequestID
	a.refused(w, r, err)
	if p.Status >= 500 {
		a.logger.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", p.Status), slog.Any("error", err), slog.Any("cause", errors.Unwrap(err)))
	}
	if p.Status == http.StatusUnsupportedMediaType {
		accepted(w.Header(), r)
	}
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		after := time.Second
		var e *fault.Error
		if errors.As(err, &e) && e.RetryAfter > after {
			after = e.RetryAfter
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	writeProblem(w, p)
}

// accepted says what a body may be that was refused for its form: its coding (RFC
// 9110 section 15.5.16), or the media type of a patch (RFC 5789 section 2.2).
func accepted(h http.Header, r *http.Request) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		h.Set("Accept-Encoding", "identity")
	} else if r.Method == http.MethodPatch {
		h.Set("Accept-Patch", typeMerge+", "+typePatch)
	}
}

func writeProblem(w http.ResponseWriter, p problem) {
	b, err := json.Marshal(p)
	if err != nil { // strings and numbers always marshal
		b = []byte(`{"status":500,"code":"internal"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(b) // a client that went away is no error of ours
}
