package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// batchBody is the body of POST /v1:batch, already decoded strictly.
type batchBody struct {
	operations []resource.BatchOperation
	atomic     bool
}

// batchResult is one line of the answer.
type batchResult struct {
	Status  int             `json:"status"`
	Meta    json.RawMessage `json:"meta,omitempty"`
	ETag    string          `json:"etag,omitempty"`
	Problem *problem        `json:"problem,omitempty"`
}

func runBatch(a *API, c call) (err error) {
	if err := a.m.Guard.KnowsSome(c.r.Context()); err != nil {
		return err
	}
	if err = c.withKey(); err != nil {
		return err
	}
	doc, err := readObject(c.w, c.r, "operations", "atomic")
	if err != nil {
		return err
	}
	body, err := parseBatch(doc)
	if err != nil {
		return err
	}
	results, err := a.m.Batch(c.r.Context(), body.operations, body.atomic)
	return a.answerBatch(c, results, body.atomic, err)
}

// runRelease publishes several resources together.
func runRelease(a *API, c call) (err error) {
	if err := a.m.Guard.KnowsSome(c.r.Context()); err != nil {
		return err
	}
	if err = c.withKey(); err != nil {
		return err
	}
	doc, err := readObject(c.w, c.r, "at", "revision", "items")
	if err != nil {
		return err
	}
	when, err := whenOf(doc)
	if err != nil {
		return err
	}
	items, err := a.releaseItems(doc["items"])
	if err != nil {
		return err
	}
	results, err := a.m.Release(c.r.Context(), items, when)
	return a.answerBatch(c, results, true, err)
}

func (a *API) releaseItems(v any) (items []resource.PublishItem, err error) {
	list, ok := v.([]any)
	if !ok {
		return nil, invalid("/items", "must be a list of {type, id}")
	}
	for i, v := range list {
		at := fmt.Sprintf("/items/%d", i)
		doc, ok := v.(map[string]any)
		if !ok {
			return nil, invalid(at, "must be an object")
		}
		for name := range doc {
			if name != "type" && name != "id" && name != "if_match" {
				return nil, invalid(at+"/"+name, "unknown property; known are type, id, if_match")
			}
		}
		var x resource.PublishItem
		if x.Type, ok = doc["type"].(string); !ok {
			return nil, invalid(at+"/type", "must be the name of a type")
		}
		if x.ID, ok = doc["id"].(string); !ok {
			return nil, invalid(at+"/id", "must be the id of a resource")
		}
		if tag, given := doc["if_match"]; given {
			text, ok := tag.(string)
			if !ok {
				return nil, invalid(at+"/if_match", "must be a string, as in the header")
			}
			if x.IfMatch, err = parseMatch([]string{text}); err != nil {
				return nil, err
			}
		}
		if t, err := a.m.Type(x.Type); err == nil && !yielding(a.o.Actions, "publish")(t) {
			return nil, invalid(at+"/type", x.Type+" has no :publish of the server")
		}
		items = append(items, x)
	}
	return items, nil
}

// answerBatch tells what became of the members of a batch.
func (a *API) answerBatch(c call, results []resource.BatchResult, atomic bool, err error) error {
	if results == nil {
		return err
	}
	out := make([]batchResult, len(results))
	for i, x := range results {
		if out[i] = resultOf(x); x.Err != nil && !atomic {
			a.logRefusal(c.r, x.Err)
		}
	}
	if err == nil {
		last := uint64(0)
		for _, x := range results {
			if x.Resource != nil {
				last = max(last, x.Resource.Seq)
			}
		}
		c.w.Header().Set("Autocrud-Seq", strconv.FormatUint(last, 10))
		return c.json(http.StatusOK, map[string]any{"results": out})
	}
	a.logRefusal(c.r, err)
	p := asProblem(err)
	p.RequestID = policy.ActorOf(c.r.Context()).RequestID
	if p.Status >= http.StatusInternalServerError {
		return err
	}
	b, err := json.Marshal(struct {
		problem
		Results []batchResult `json:"results"`
	}{p, out})
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/problem+json")
	c.w.WriteHeader(p.Status)
	_, _ = c.w.Write(b) // a client that went away is no error of ours
	return nil
}

func resultOf(x resource.BatchResult) batchResult {
	if x.Err != nil {
		p := asProblem(x.Err)
		return batchResult{Status: p.Status, Problem: &p}
	}
	status := http.StatusOK
	if x.Created {
		status = http.StatusCreated
	}
	return batchResult{Status: status, Meta: x.Resource.Meta, ETag: `"` + x.Resource.EventID + `"`}
}

func parseBatch(doc map[string]any) (b batchBody, err error) {
	b.atomic = true
	if v, ok := doc["atomic"]; ok {
		if b.atomic, ok = v.(bool); !ok {
			return b, invalid("/atomic", "must be true or false")
		}
	}
	list, ok := doc["operations"].([]any)
	if !ok {
		return b, invalid("/operations", "must be a list of operations")
	}
	for i, v := range list {
		op, err := parseOperation(v)
		if err != nil {
			var e *fault.Error
			if errors.As(err, &e) {
				return b, fault.Errorf(e.Code, "operation %d: %s", i, e.Detail)
			}
			return b, err
		}
		b.operations = append(b.operations, op)
	}
	return b, nil
}

// members an operation may have besides op and type.
var operationMembers = map[string][]string{
	"create":  {"id", "data", "status"},
	"update":  {"id", "data", "if_match"},
	"modify":  {"id", "data", "if_match"},
	"patch":   {"id", "patch", "if_match"},
	"delete":  {"id", "if_match"},
	"restore": {"id", "if_match", "revision", "patch"},
	"switch":  {"id", "revision", "if_match"},
}

func parseOperation(v any) (op resource.BatchOperation, err error) {
	refuse := func(format string, args ...any) (resource.BatchOperation, error) {
		return op, fault.Errorf(fault.InvalidRequest, format, args...)
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return refuse("must be an object")
	}
	op.Op, _ = doc["op"].(string)
	allowed, ok := operationMembers[op.Op]
	if !ok {
		return refuse("op is create, update, patch, modify, delete, restore or switch")
	}
	if op.Type, ok = doc["type"].(string); !ok {
		return refuse("type is missing")
	}
	known := map[string]bool{"op": true, "type": true}
	for _, name := range allowed {
		known[name] = true
	}
	for name := range doc {
		if !known[name] {
			return refuse("%s takes no %q", op.Op, name)
		}
	}
	if id, given := doc["id"]; given || op.Op != "create" {
		if op.ID, ok = id.(string); !ok {
			return refuse("id is missing")
		}
		if err := model.CheckID(op.ID); err != nil {
			return op, err
		}
	}
	if tag, given := doc["if_match"]; given {
		text, ok := tag.(string)
		if !ok {
			return refuse("if_match is a string, as in the header")
		}
		if op.IfMatch, err = parseMatch([]string{text}); err != nil {
			return op, err
		}
	}
	if status, given := doc["status"]; given {
		if op.Status = storage.Status(fmt.Sprint(status)); op.Status != storage.Draft && op.Status != storage.Stable {
			return refuse("status is draft or stable")
		}
	}
	switch op.Op {
	case "create", "update", "modify":
		if op.Data, ok = doc["data"]; !ok {
			return refuse("data is missing")
		}
	case "patch":
		body, ok := doc["patch"]
		if !ok {
			return refuse("patch is missing")
		}
		op.Patch = patchOf(body)
	case "restore":
		if body, given := doc["patch"]; given {
			op.Patch = patchOf(body)
		}
		if n, given := doc["revision"]; given {
			if op.Revision, ok = revisionNumber(n); !ok {
				return refuse("revision is the number of a revision")
			}
		}
	case "switch":
		if op.Revision, ok = revisionNumber(doc["revision"]); !ok {
			return refuse("revision is the number of a revision")
		}
	}
	return op, nil
}
