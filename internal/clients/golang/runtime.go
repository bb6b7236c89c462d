// Package golang is the part of a client in Go that is the same for all models.
// `autocrud client go` copies it beside what it makes of the models; it needs nothing
// but the standard library.
package golang

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client is a server and how it is asked. Its methods are safe for concurrent use.
type Client struct {
	url, token string
	http       *http.Client
	attempts   int
	keys       bool
}

// Option changes how a Client asks.
type Option func(*Client)

// WithToken sends an API key, or another token, with each request.
func WithToken(token string) Option { return func(c *Client) { c.token = token } }

// WithHTTPClient uses another HTTP client. Its Timeout would end watches.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithAttempts is how often a request is sent at most while the server does not
// answer, or answers 503 or 429. Default: 8.
func WithAttempts(n int) Option { return func(c *Client) { c.attempts = n } }

// WithoutKeys sends no idempotency keys, which callers without a credential cannot
// have where the server asks for credentials. Creates are then sent once only.
func WithoutKeys() Option { return func(c *Client) { c.keys = false } }

// New makes the client of a server.
func New(address string, options ...Option) *Client {
	c := &Client{url: strings.TrimRight(address, "/"), http: &http.Client{}, attempts: 8, keys: true}
	for _, o := range options {
		o(c)
	}
	return c
}

// Problem is why the server refused a request (RFC 9457).
type Problem struct {
	Title         string       `json:"title"`
	Status        int          `json:"status"`
	Code          string       `json:"code"` // stable: "not_found", "validation_failed", ...
	Detail        string       `json:"detail"`
	Errors        []FieldError `json:"errors"`
	Field         string       `json:"field"`          // unique_conflict: the field
	ConflictingID string       `json:"conflicting_id"` // unique_conflict: who has the value
	Deleted       bool         `json:"deleted"`        // already_exists: what exists is deleted
	RequestID     string       `json:"request_id"`
}

// FieldError is one place that is wrong (RFC 6901).
type FieldError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error implements error.
func (p *Problem) Error() string {
	text := fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail)
	for _, e := range p.Errors {
		text += "; " + e.Pointer + ": " + e.Detail
	}
	return text
}

// HasCode tells whether err is a Problem with this code.
func HasCode(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

// Meta is what the server keeps about a resource.
type Meta struct {
	Type            string    `json:"type"`
	ID              string    `json:"id"`
	CurrentRevision string    `json:"current_revision"`
	RevisionCount   int       `json:"revision_count"`
	Status          string    `json:"status"` // draft or stable
	SchemaVersion   string    `json:"schema_version"`
	Seq             uint64    `json:"seq"` // place of the last change in the log
	CreatedAt       time.Time `json:"created_at"`
	CreatedBy       string    `json:"created_by"`
	UpdatedAt       time.Time `json:"updated_at"`
	UpdatedBy       string    `json:"updated_by"`
	Deleted         bool      `json:"deleted"`
	Published       *int      `json:"published"` // number of the revision; nil: none
	Unfit           bool      `json:"unfit"`     // it does not fit the model as it is now
	Job             *JobState `json:"job"`
}

// JobState is how a job stands.
type JobState struct {
	State       string          `json:"state"` // pending, scheduled, running, succeeded, failed or cancelled
	Queue       string          `json:"queue"`
	Attempts    int             `json:"attempts"`
	MaxAttempts int             `json:"max_attempts"`
	Progress    *Progress       `json:"progress"`
	Error       string          `json:"error"`
	Result      json.RawMessage `json:"result"`
}

// Done tells whether the job has ended.
func (s JobState) Done() bool {
	return s.State == "succeeded" || s.State == "failed" || s.State == "cancelled"
}

// Progress is how far a job has got.
type Progress struct {
	Done    int64  `json:"done"`
	Total   int64  `json:"total"`
	Message string `json:"message"`
}

// JobError is a job that failed or was cancelled.
type JobError struct {
	ID    string
	State JobState
}

// Error implements error.
func (e *JobError) Error() string {
	return fmt.Sprintf("job %s %s: %s", e.ID, e.State.State, e.State.Error)
}

// Revision is one content of a resource.
type Revision struct {
	ID        string    `json:"id"`
	Number    int       `json:"number"`
	Parent    *string   `json:"parent"`
	Status    string    `json:"status"`
	Hash      string    `json:"hash"`
	Size      int64     `json:"size"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	Message   *string   `json:"message"`
}

// Resource is data with what the server keeps about it.
type Resource[T any] struct {
	Data     T         `json:"data"`
	Meta     Meta      `json:"meta"`
	Revision *Revision `json:"revision"` // nil in lists and events
	Problem  *Problem  `json:"problem"`  // in lists: why there is no data
	ETag     string    `json:"-"`        // names this state; empty in lists and events
}

// Binary refers to a file that was uploaded.
type Binary struct {
	Digest      string `json:"digest"`
	Size        int64  `json:"size,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Name        string `json:"name,omitempty"`
}

// request is one that may be sent several times.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         func() (io.Reader, error) // nil: none
	repeat       bool                      // a second one does no harm
}

// sent is the body of JSON, sent as a media type.
func (r request) sent(media string, v any) (request, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return r, err
	}
	r.header.Set("Content-Type", media)
	r.body = func() (io.Reader, error) { return bytes.NewReader(b), nil }
	return r, nil
}

// open sends a request, again where that makes sense, until it is answered well.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		resp, wait, err := c.once(ctx, r)
		if err == nil || wait < 0 || attempt >= c.attempts || ctx.Err() != nil {
			return resp, err
		}
		if err := pause(ctx, max(wait, backoff(attempt))); err != nil {
			return nil, err
		}
	}
}

// once sends a request. A negative wait says not to send it again.
func (c *Client) once(ctx context.Context, r request) (resp *http.Response, wait time.Duration, err error) {
	var body io.Reader
	if r.body != nil {
		if body, err = r.body(); err != nil {
			return nil, -1, err
		}
	}
	target := c.url + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, -1, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if !r.repeat {
		wait = -1
	}
	if resp, err = c.http.Do(req); err != nil {
		return nil, wait, err
	}
	if resp.StatusCode < 300 {
		return resp, 0, nil
	}
	defer resp.Body.Close()
	p := &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what cannot be read explains nothing
	if json.Unmarshal(b, p) != nil || p.Detail == "" {
		p.Detail = "the server answered " + resp.Status
	}
	p.Status = resp.StatusCode
	if resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusTooManyRequests {
		return nil, -1, p
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // absent: the pause is ours
	return nil, max(wait, time.Duration(seconds)*time.Second), p
}

// backoff is a pause that grows with the attempts.
func backoff(attempt int) time.Duration {
	return min(50*time.Millisecond<<min(attempt, 10), 5*time.Second)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// into sends a request and reads its answer.
func (c *Client) into(ctx context.Context, r request, out any) (http.Header, error) {
	resp, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && out != nil && len(b) > 0 {
		err = json.Unmarshal(b, out)
	}
	return resp.Header, err
}

// Call sends a request that no other method is for, such as a custom action:
// Call(ctx, "POST", "/v1/articles/a1:publish", nil, input, &output). What changes
// something has an idempotency key and is repeated as others are.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	r := request{method: method, path: path, query: query, header: http.Header{}, repeat: method == http.MethodGet}
	if method != http.MethodGet {
		r = c.keyed(r, "")
	}
	if body != nil {
		var err error
		if r, err = r.sent("application/json", body); err != nil {
			return err
		}
	}
	_, err := c.into(ctx, r, out)
	return err
}

// keyed gives a write a key, under which it is done once however often it is sent.
func (c *Client) keyed(r request, key string) request {
	if key == "" && c.keys {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		key = hex.EncodeToString(b[:])
	}
	if key != "" {
		r.header.Set("Idempotency-Key", key)
		r.repeat = true
	}
	return r
}

// Upload stores a file and tells how to refer to it. It is read while it is sent; one
// that can be read from its beginning again is sent again where that helps.
func (c *Client) Upload(ctx context.Context, file io.Reader, contentType string) (*Binary, error) {
	r := request{method: http.MethodPost, path: "/v1/blobs", header: http.Header{"Content-Type": {contentType}}}
	seeker, again := file.(io.Seeker)
	r.repeat = again
	r.body = func() (io.Reader, error) {
		if again {
			if _, err := seeker.Seek(0, io.SeekStart); err != nil {
				return nil, err
			}
		}
		return io.NopCloser(file), nil // the transport would close it
	}
	var b Binary
	_, err := c.into(ctx, r, &b)
	return &b, err
}

// Collection is the resources of one type.
type Collection[T any] struct {
	client *Client
	path   string
}

// Of is the collection of a type whose data is read into T.
func Of[T any](c *Client, typ string) *Collection[T] {
	return &Collection[T]{c, "/v1/" + url.PathEscape(typ)}
}

func (s *Collection[T]) at(id string) string { return s.path + "/" + url.PathEscape(id) }

// CreateOptions say more of a create; the zero value is right.
type CreateOptions struct {
	ID      string // made by the server when empty
	Status  string // draft or stable; the type's default when empty
	Message string // why, kept with the revision
	Key     string // idempotency key; a new one when empty

	RunAt     time.Time // of a job; at once when zero
	UniqueKey string    // of a job: another one with it is refused until this one has ended
}

// Create makes a resource.
func (s *Collection[T]) Create(ctx context.Context, data T, options ...CreateOptions) (*Resource[T], error) {
	o := only(options)
	q := url.Values{}
	set(q, "id", o.ID)
	set(q, "status", o.Status)
	set(q, "message", o.Message)
	set(q, "unique_key", o.UniqueKey)
	if !o.RunAt.IsZero() {
		q.Set("run_at", o.RunAt.Format(time.RFC3339Nano))
	}
	return s.write(ctx, request{method: http.MethodPost, path: s.path, query: q}, o.Key, data)
}

// WriteOptions say more of a write; the zero value is right.
type WriteOptions struct {
	IfMatch string // an ETag; default: that of the resource that is given
	Force   bool   // write whatever the state is now
	Status  string // draft or stable
	Message string
	Key     string // idempotency key; a new one when empty
}

// Replace writes the data of a resource that was read. If another write came between,
// it is refused with the code precondition_failed.
func (s *Collection[T]) Replace(ctx context.Context, r *Resource[T], options ...WriteOptions) (*Resource[T], error) {
	return s.change(ctx, http.MethodPut, "application/json", r, r.Data, only(options))
}

// Patch changes parts of a resource that was read: a merge patch (RFC 7396). If another
// write came between, it is refused with the code precondition_failed.
func (s *Collection[T]) Patch(ctx context.Context, r *Resource[T], patch any, options ...WriteOptions) (*Resource[T], error) {
	return s.change(ctx, http.MethodPatch, "application/merge-patch+json", r, patch, only(options))
}

// PatchID changes parts of a resource, whatever its state is.
func (s *Collection[T]) PatchID(ctx context.Context, id string, patch any, options ...WriteOptions) (*Resource[T], error) {
	o := only(options)
	o.Force = o.IfMatch == ""
	return s.Patch(ctx, &Resource[T]{Meta: Meta{ID: id}}, patch, o)
}

// Delete deletes a resource that was read; it can be restored.
func (s *Collection[T]) Delete(ctx context.Context, r *Resource[T], options ...WriteOptions) error {
	_, err := s.change(ctx, http.MethodDelete, "", r, nil, only(options))
	return err
}

// DeleteID deletes a resource, whatever its state is.
func (s *Collection[T]) DeleteID(ctx context.Context, id string) error {
	return s.Delete(ctx, &Resource[T]{Meta: Meta{ID: id}}, WriteOptions{Force: true})
}

// Restore undoes a delete.
func (s *Collection[T]) Restore(ctx context.Context, id string) (*Resource[T], error) {
	return s.write(ctx, request{method: http.MethodPost, path: s.at(id) + ":restore"}, "", struct{}{})
}

// Publish makes what a resource is now the published state of it.
func (s *Collection[T]) Publish(ctx context.Context, id string) (*Resource[T], error) {
	return s.write(ctx, request{method: http.MethodPost, path: s.at(id) + ":publish"}, "", struct{}{})
}

// change writes over the state that was read.
func (s *Collection[T]) change(ctx context.Context, method, media string, r *Resource[T], body any, o WriteOptions) (*Resource[T], error) {
	match := o.IfMatch
	if match == "" && !o.Force {
		var err error
		if match, err = s.tag(ctx, r); err != nil {
			return nil, err
		}
	}
	q := url.Values{}
	set(q, "status", o.Status)
	set(q, "message", o.Message)
	req := request{method: method, path: s.at(r.Meta.ID), query: q, header: http.Header{}}
	if match != "" {
		req.header.Set("If-Match", match)
	}
	if media == "" {
		return s.answered(ctx, s.client.keyed(req, o.Key))
	}
	req, err := req.sent(media, body)
	if err != nil {
		return nil, err
	}
	return s.answered(ctx, s.client.keyed(req, o.Key))
}

// tag is the ETag of a resource that was read, also in a list, which tells none.
func (s *Collection[T]) tag(ctx context.Context, r *Resource[T]) (string, error) {
	if r.ETag != "" {
		return r.ETag, nil
	}
	now, err := s.Get(ctx, r.Meta.ID)
	if err != nil {
		return "", err
	}
	if now.Meta.Seq != r.Meta.Seq {
		return "", &Problem{Title: http.StatusText(http.StatusPreconditionFailed), Status: http.StatusPreconditionFailed, Code: "precondition_failed",
			Detail: "the resource was changed since it was listed"}
	}
	return now.ETag, nil
}

func (s *Collection[T]) write(ctx context.Context, r request, key string, body any) (*Resource[T], error) {
	r.header = http.Header{}
	r, err := r.sent("application/json", body)
	if err != nil {
		return nil, err
	}
	return s.answered(ctx, s.client.keyed(r, key))
}

func (s *Collection[T]) answered(ctx context.Context, r request) (*Resource[T], error) {
	var out Resource[T]
	h, err := s.client.into(ctx, r, &out)
	if err != nil {
		return nil, err
	}
	out.ETag = h.Get("ETag")
	return &out, nil
}

// Get reads a resource.
func (s *Collection[T]) Get(ctx context.Context, id string) (*Resource[T], error) {
	return s.answered(ctx, request{method: http.MethodGet, path: s.at(id), repeat: true})
}

// Published reads what is published of a resource.
func (s *Collection[T]) Published(ctx context.Context, id string) (*Resource[T], error) {
	return s.answered(ctx, request{method: http.MethodGet, path: s.at(id), query: url.Values{"view": {"published"}}, repeat: true})
}

// Download reads a file that a resource refers to. The caller closes it.
func (s *Collection[T]) Download(ctx context.Context, id, digest string) (io.ReadCloser, error) {
	resp, err := s.client.open(ctx, request{method: http.MethodGet, path: s.at(id) + "/blobs/" + url.PathEscape(digest), repeat: true})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Query says which resources, in which order. The zero value is all of them, the
// newest first.
type Query struct {
	Filter    Filter
	OrderBy   []Order
	Text      string // full text: every word of it
	PageSize  int    // default 100
	Deleted   bool   // deleted ones too
	Published bool   // as they are published
}

func (q Query) parameters() map[string]any {
	out := map[string]any{"page_size": 100}
	if q.PageSize > 0 {
		out["page_size"] = q.PageSize
	}
	var order []string
	for _, o := range q.OrderBy {
		order = append(order, o.text)
	}
	for name, text := range map[string]string{"filter": q.Filter.text, "order_by": strings.Join(order, ", "), "q": q.Text} {
		if text != "" {
			out[name] = text
		}
	}
	if q.Deleted {
		out["include_deleted"] = true
	}
	if q.Published {
		out["view"] = "published"
	}
	return out
}

// page is a part of a list.
type page[T any] struct {
	Items []*Resource[T] `json:"items"`
	Next  string         `json:"next_page_token"`
}

// List yields the resources that a query finds, page by page. An error is the last that
// it yields.
func (s *Collection[T]) List(ctx context.Context, q Query) iter.Seq2[*Resource[T], error] {
	return func(yield func(*Resource[T], error) bool) {
		asked := q.parameters()
		for {
			r, err := request{method: http.MethodPost, path: s.path + ":search", header: http.Header{}, repeat: true}.sent("application/json", asked)
			var p page[T]
			if err == nil {
				_, err = s.client.into(ctx, r, &p)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			asked["page_token"] = p.Next
		}
	}
}

// Count counts the resources that a filter matches.
func (s *Collection[T]) Count(ctx context.Context, f Filter) (int64, error) {
	q := url.Values{}
	set(q, "filter", f.text)
	var out struct{ Count int64 }
	_, err := s.client.into(ctx, request{method: http.MethodGet, path: s.path + ":count", query: q, repeat: true}, &out)
	return out.Count, err
}

// Run creates a job and waits for its end. progress, which may be nil, hears how it
// stands whenever that changed. A job that does not succeed is a *JobError.
func (s *Collection[T]) Run(ctx context.Context, data T, progress func(JobState), options ...CreateOptions) (*Resource[T], error) {
	r, err := s.Create(ctx, data, options...)
	if err != nil {
		return nil, err
	}
	return s.Await(ctx, r.Meta.ID, progress)
}

// Await waits for the end of a job.
func (s *Collection[T]) Await(ctx context.Context, id string, progress func(JobState)) (*Resource[T], error) {
	told := ""
	for attempt := 1; ; attempt++ {
		r, err := s.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if r.Meta.Job == nil {
			return nil, fmt.Errorf("%s/%s is no job", r.Meta.Type, id)
		}
		state := *r.Meta.Job
		if b, _ := json.Marshal(state); progress != nil && string(b) != told {
			told = string(b)
			progress(state)
		}
		switch {
		case state.State == "succeeded":
			return r, nil
		case state.Done():
			return r, &JobError{id, state}
		}
		if err := pause(ctx, min(backoff(attempt), time.Second)); err != nil {
			return nil, err
		}
	}
}

// Event is a change of a resource.
type Event[T any] struct {
	Seq      uint64 // place in the log; WatchOptions.After takes it
	Action   string // created, updated, deleted, ...; left: the filter does not match any more
	Resource *Resource[T]
}

// Left tells that the resource does not match the filter of the watch any more, or
// what was published of it was taken back.
func (e Event[T]) Left() bool { return e.Action == "left" }

// Deleted tells that the resource was deleted, or erased for good.
func (e Event[T]) Deleted() bool { return e.Action == "deleted" || e.Action == "purged" }

// WatchOptions say what to follow. The zero value is every change from now on.
type WatchOptions struct {
	ID        string // of one resource
	Filter    Filter
	Published bool    // what is published
	After     *uint64 // begin after this event; 0: with the first that is kept
}

// silence is after what time without a sign a connection counts as broken. The server
// gives one every 15 seconds.
const silence = 45 * time.Second

// Watch yields every change once, in order. A connection that breaks is taken up where
// it was, however often. It ends with an error: that of ctx, or a refusal of the
// server, such as gone for a place that is not kept any more.
func (s *Collection[T]) Watch(ctx context.Context, o WatchOptions) iter.Seq2[Event[T], error] {
	return func(yield func(Event[T], error) bool) {
		r := request{method: http.MethodGet, path: s.path + ":watch", query: url.Values{}, header: http.Header{}, repeat: true}
		if o.ID != "" {
			r.path = s.at(o.ID) + ":watch"
		}
		set(r.query, "filter", o.Filter.text)
		if o.Published {
			r.query.Set("view", "published")
		}
		f := &following[T]{yield: yield}
		if o.After != nil {
			f.last = strconv.FormatUint(*o.After, 10)
			r.query.Set("from_seq", f.last)
		}
		for attempt := 1; ; attempt++ {
			came, err := f.connection(ctx, s.client, r)
			var p *Problem
			switch {
			case f.stopped:
				return
			case ctx.Err() != nil:
				yield(Event[T]{}, ctx.Err())
				return
			case errors.As(err, &p) && p.Status < 500 && p.Status != http.StatusTooManyRequests, !f.opened:
				yield(Event[T]{}, err)
				return
			case came:
				attempt = 1
			}
			if err := pause(ctx, backoff(attempt)); err != nil {
				yield(Event[T]{}, err)
				return
			}
		}
	}
}

// following is a watch over its connections.
type following[T any] struct {
	yield   func(Event[T], error) bool
	last    string // id of the last event, or of what the server passed over
	stopped bool   // by the reader
	opened  bool   // the server answered once
}

// connection follows one until it breaks. came says that it told something.
func (f *following[T]) connection(ctx context.Context, c *Client, r request) (came bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.last != "" {
		r.header.Set("Last-Event-ID", f.last)
	}
	resp, err := c.open(ctx, r)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	f.opened = true
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	lines := bufio.NewReader(resp.Body)
	var id, action string
	var data []byte
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return came, err // what was not ended is told again
		}
		watchdog.Reset(silence)
		name, value, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "event":
			action = value
		case "data":
			data = append(data, value...)
		}
		if strings.TrimRight(line, "\r\n") != "" {
			continue
		}
		if len(data) > 0 && action != "resume" {
			if !f.tell(id, action, data) {
				return true, nil
			}
		}
		if id != "" {
			f.last, came = id, true
		}
		action, data = "", nil
	}
}

// tell yields an event that was not told yet; false ends the watch.
func (f *following[T]) tell(id, action string, data []byte) bool {
	seq, err := strconv.ParseUint(id, 10, 64)
	last, _ := strconv.ParseUint(f.last, 10, 64) // empty: 0
	if err == nil && seq <= last && f.last != "" {
		return true
	}
	e := Event[T]{Seq: seq, Action: action, Resource: &Resource[T]{}}
	if err == nil {
		err = json.Unmarshal(data, e.Resource)
	}
	if err != nil {
		err = fmt.Errorf("event %s: %w", id, err)
	}
	f.stopped = !f.yield(e, err) || err != nil
	return !f.stopped
}

func only[T any](options []T) (o T) {
	if len(options) > 0 {
		o = options[0]
	}
	return o
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// Filter is a condition over resources. The zero value matches all.
type Filter struct{ text string }

// String is the filter in the language of the server.
func (f Filter) String() string { return f.text }

// And matches what all match.
func And(filters ...Filter) Filter { return joined(" AND ", filters) }

// Or matches what any matches.
func Or(filters ...Filter) Filter { return joined(" OR ", filters) }

// Not matches what f does not match.
func Not(f Filter) Filter { return Filter{"NOT (" + f.text + ")"} }

func joined(word string, filters []Filter) Filter {
	var parts []string
	for _, f := range filters {
		if f.text != "" {
			parts = append(parts, "("+f.text+")")
		}
	}
	return Filter{strings.Join(parts, word)}
}

// Order is a field to sort by.
type Order struct{ text string }

// Value is what a field of a kind is compared with.
type Value interface {
	~string | ~int64 | ~float64 | ~bool
}

// Field is one that filters can name, with values of a kind.
type Field[V Value] struct{ name string }

// NewField is a field by its name in the language of filters.
func NewField[V Value](name string) Field[V] { return Field[V]{name} }

func (f Field[V]) compare(op string, v V) Filter {
	return Filter{f.name + " " + op + " " + literal(v)}
}

// Eq matches the value.
func (f Field[V]) Eq(v V) Filter { return f.compare("=", v) }

// Ne matches another value.
func (f Field[V]) Ne(v V) Filter { return f.compare("!=", v) }

// Lt matches what is less.
func (f Field[V]) Lt(v V) Filter { return f.compare("<", v) }

// Le matches what is not more.
func (f Field[V]) Le(v V) Filter { return f.compare("<=", v) }

// Gt matches what is more.
func (f Field[V]) Gt(v V) Filter { return f.compare(">", v) }

// Ge matches what is not less.
func (f Field[V]) Ge(v V) Filter { return f.compare(">=", v) }

// In matches one of the values.
func (f Field[V]) In(values ...V) Filter {
	if len(values) == 0 {
		return And(f.IsNull(), Not(f.IsNull())) // nothing is one of none
	}
	text := "in(" + f.name
	for _, v := range values {
		text += ", " + literal(v)
	}
	return Filter{text + ")"}
}

// IsNull matches where the field is missing or null.
func (f Field[V]) IsNull() Filter { return Filter{"isNull(" + f.name + ")"} }

// Asc sorts by the field.
func (f Field[V]) Asc() Order { return Order{f.name} }

// Desc sorts by it the other way round.
func (f Field[V]) Desc() Order { return Order{f.name + " desc"} }

// TextField is a field of text.
type TextField struct{ Field[string] }

// NewTextField is a field by its name in the language of filters.
func NewTextField(name string) TextField { return TextField{NewField[string](name)} }

// StartsWith matches what begins with text.
func (f TextField) StartsWith(text string) Filter { return f.call("startsWith", text) }

// Contains matches what has text in it.
func (f TextField) Contains(text string) Filter { return f.call("contains", text) }

// ContainsFold is Contains without regard to case.
func (f TextField) ContainsFold(text string) Filter { return f.call("icontains", text) }

func (f TextField) call(function, text string) Filter {
	return Filter{function + "(" + f.name + ", " + literal(text) + ")"}
}

// TimeField is a field of instants.
type TimeField struct{ name string }

// NewTimeField is a field by its name in the language of filters.
func NewTimeField(name string) TimeField { return TimeField{name} }

// Before matches what is earlier.
func (f TimeField) Before(t time.Time) Filter { return f.text().Lt(instant(t)) }

// After matches what is later.
func (f TimeField) After(t time.Time) Filter { return f.text().Gt(instant(t)) }

// At matches the instant.
func (f TimeField) At(t time.Time) Filter { return f.text().Eq(instant(t)) }

// IsNull matches where the field is missing or null.
func (f TimeField) IsNull() Filter { return f.text().IsNull() }

// Asc sorts by the field.
func (f TimeField) Asc() Order { return f.text().Asc() }

// Desc sorts by it the other way round.
func (f TimeField) Desc() Order { return f.text().Desc() }

func (f TimeField) text() Field[string] { return NewField[string](f.name) }

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// ListField is a field of lists.
type ListField[V Value] struct{ name string }

// NewListField is a field by its name in the language of filters.
func NewListField[V Value](name string) ListField[V] { return ListField[V]{name} }

// Has matches lists with the element.
func (f ListField[V]) Has(v V) Filter { return Filter{f.name + ":" + literal(v)} }

// IsNull matches where the field is missing or null.
func (f ListField[V]) IsNull() Filter { return Filter{"isNull(" + f.name + ")"} }

// literal is a value in the language of filters.
func literal(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // NaN is no JSON; the server says what is wrong
		return fmt.Sprint(v)
	}
	return string(b)
}

// Fields of the meta of every resource.
var (
	MetaID        = NewTextField("meta.id")
	MetaStatus    = NewTextField("meta.status")
	MetaCreatedAt = NewTimeField("meta.created_at")
	MetaCreatedBy = NewTextField("meta.created_by")
	MetaUpdatedAt = NewTimeField("meta.updated_at")
	MetaUpdatedBy = NewTextField("meta.updated_by")
	MetaSeq       = NewField[int64]("meta.seq")
	MetaJobState  = NewTextField("meta.job.state") // of jobs
)
