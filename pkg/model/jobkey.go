package model

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// ConcurrencyKey is the text of the field that the type's jobs are serialised
// by, "" when it has none or the field is null.
func (t *Type) ConcurrencyKey(content []byte) (string, error) {
	if t.Job == nil || t.Job.ConcurrencyKey == "" {
		return "", nil
	}
	v, err := DecodeJSON(content)
	if err != nil {
		return "", err
	}
	for _, name := range SplitPath(t.Job.ConcurrencyKey) {
		o, _ := v.(map[string]any)
		v = o[name]
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		if len(v) > MaxIndexedText {
			return "", &fault.Error{Code: fault.ValidationFailed, Detail: "the concurrency key is too long", Fields: []fault.FieldError{{
				Pointer: "/" + strings.ReplaceAll(t.Job.ConcurrencyKey, ".", "/"), Detail: fmt.Sprintf("has over %d bytes", MaxIndexedText)}}}
		}
		return v, nil
	}
	return string(AppendCanonical(nil, v)), nil
}

// KeepConcurrencyKey follows a change of the payload of a job that waits.
func (t *Type) KeepConcurrencyKey(e *storage.Event, content []byte) (err error) {
	j := e.Meta.Job
	if j == nil || t.Job == nil || t.Job.ConcurrencyKey == "" || j.State != storage.JobPending && j.State != storage.JobScheduled {
		return nil
	}
	j.ConcurrencyKey, err = t.ConcurrencyKey(content)
	return err
}

// CoverJob is coveredMeta for a meta; the job in it is replaced, not changed.
func (t *Type) CoverJob(meta *storage.Meta, shown []byte) {
	if t.Job == nil || t.Job.ConcurrencyKey == "" || meta.Job == nil || meta.Job.ConcurrencyKey == "" {
		return
	}
	if tree, err := DecodeJSON(shown); err == nil && len(Collect(tree, SplitPath(t.Job.ConcurrencyKey))) > 0 {
		return
	}
	j := *meta.Job
	j.ConcurrencyKey = ""
	meta.Job = &j
}

// CoveredMeta leaves out of the meta of a job what repeats a field that is not shown.
func (t *Type) CoveredMeta(raw json.RawMessage, shown []byte) (json.RawMessage, error) {
	if t.Job == nil || t.Job.ConcurrencyKey == "" || len(raw) == 0 {
		return raw, nil
	}
	var meta storage.Meta
	if err := json.Unmarshal(raw, &meta); err != nil {
		return nil, err
	}
	t.CoverJob(&meta, shown)
	return meta.AppendJSON(nil), nil
}
