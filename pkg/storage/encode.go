package storage

import (
	"encoding/json"
	"strconv"
	"time"
)

// What an event is made of is written by hand, because every write encodes it
// several times. The result is what encoding/json makes of the same value; a
// test compares the two for every field there is.

// AppendJSON appends the meta as JSON.
func (m *Meta) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"type":`...), m.Type)
	b = appendText(append(b, `,"id":`...), m.ID)
	b = appendText(append(b, `,"current_revision":`...), m.CurrentRevision)
	b = strconv.AppendInt(append(b, `,"revision_count":`...), int64(m.RevisionCount), 10)
	b = appendText(append(b, `,"status":`...), string(m.Status))
	b = appendText(append(b, `,"schema_version":`...), m.SchemaVersion)
	if m.Seq != 0 {
		b = strconv.AppendUint(append(b, `,"seq":`...), m.Seq, 10)
	}
	b = appendTime(append(b, `,"created_at":`...), m.CreatedAt)
	b = appendText(append(b, `,"created_by":`...), m.CreatedBy)
	b = appendTime(append(b, `,"updated_at":`...), m.UpdatedAt)
	b = appendText(append(b, `,"updated_by":`...), m.UpdatedBy)
	b = strconv.AppendBool(append(b, `,"deleted":`...), m.Deleted)
	if m.Published != 0 {
		b = m.Published.appendJSON(append(b, `,"published":`...))
	}
	if m.Scheduled != nil {
		b = m.Scheduled.appendJSON(append(b, `,"scheduled":`...))
	}
	if m.Job != nil {
		b = m.Job.appendJSON(append(b, `,"job":`...))
	}
	if m.Unfit {
		b = append(b, `,"unfit":true`...)
	}
	return append(b, '}')
}

func (j *Job) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"state":`...), string(j.State))
	b = appendText(append(b, `,"queue":`...), j.Queue)
	b = strconv.AppendInt(append(b, `,"priority":`...), int64(j.Priority), 10)
	b = strconv.AppendInt(append(b, `,"attempts":`...), int64(j.Attempts), 10)
	b = strconv.AppendInt(append(b, `,"max_attempts":`...), int64(j.MaxAttempts), 10)
	b = appendTime(append(b, `,"run_at":`...), j.RunAt)
	b = appendTimeOr(append(b, `,"started_at":`...), j.StartedAt)
	b = appendTimeOr(append(b, `,"finished_at":`...), j.FinishedAt)
	b = appendTimeOr(append(b, `,"next_attempt_at":`...), j.NextAttemptAt)
	if j.Worker != "" {
		b = appendText(append(b, `,"worker":`...), j.Worker)
	}
	b = append(b, `,"progress":`...)
	if p := j.Progress; p == nil {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(append(b, `{"done":`...), p.Done, 10)
		b = strconv.AppendInt(append(b, `,"total":`...), p.Total, 10)
		b = append(appendText(append(b, `,"message":`...), p.Message), '}')
	}
	b = appendTextOr(append(b, `,"error":`...), j.Error)
	b = appendRaw(append(b, `,"result":`...), j.Result)
	if !j.QueuedAt.IsZero() {
		b = appendTime(append(b, `,"queued_at":`...), j.QueuedAt)
	}
	if j.ConcurrencyKey != "" {
		b = appendText(append(b, `,"concurrency_key":`...), j.ConcurrencyKey)
	}
	if j.UniqueKey != "" {
		b = appendText(append(b, `,"unique_key":`...), j.UniqueKey)
	}
	if len(j.After) > 0 {
		b = appendAny(append(b, `,"after":`...), j.After)
	}
	if len(j.Errors) > 0 {
		b = appendAny(append(b, `,"errors":`...), j.Errors)
	}
	if j.Schedule != nil {
		b = appendAny(append(b, `,"schedule":`...), j.Schedule)
	}
	if len(j.Checkpoint) > 0 {
		b = appendRaw(append(b, `,"checkpoint":`...), j.Checkpoint)
	}
	return append(b, '}')
}

// AppendJSON appends the revision as JSON.
func (r *Revision) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), r.ID)
	b = strconv.AppendInt(append(b, `,"number":`...), int64(r.Number), 10)
	b = appendTextOr(append(b, `,"parent":`...), r.Parent)
	b = appendText(append(b, `,"status":`...), string(r.Status))
	b = appendText(append(b, `,"schema_version":`...), r.SchemaVersion)
	b = appendText(append(b, `,"hash":`...), r.Hash)
	b = strconv.AppendInt(append(b, `,"size":`...), int64(r.Size), 10)
	b = appendTime(append(b, `,"created_at":`...), r.CreatedAt)
	b = appendText(append(b, `,"created_by":`...), r.CreatedBy)
	b = appendTime(append(b, `,"updated_at":`...), r.UpdatedAt)
	b = appendText(append(b, `,"updated_by":`...), r.UpdatedBy)
	b = appendTextOr(append(b, `,"message":`...), r.Message)
	return append(b, '}')
}

func (s *Shown) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), s.ID)
	b = s.Meta.AppendJSON(append(b, `,"meta":`...))
	b = s.Revision.AppendJSON(append(b, `,"revision":`...))
	b = appendText(append(b, `,"ref":`...), s.Ref)
	if len(s.Binaries) > 0 {
		b = appendAny(append(b, `,"binaries":`...), s.Binaries)
	}
	if len(s.Concealed) > 0 {
		b = appendAny(append(b, `,"concealed":`...), s.Concealed)
	}
	return append(b, '}')
}

// appendHeader appends the event without its content.
func (e *Event) appendHeader(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"v":`...), int64(e.Version), 10)
	b = appendText(append(b, `,"id":`...), e.ID)
	b = appendText(append(b, `,"action":`...), string(e.Action))
	b = appendTime(append(b, `,"at":`...), e.At)
	b = appendText(append(b, `,"principal":`...), e.Principal)
	for _, x := range [...]struct{ name, text string }{{`,"request_id":`, e.RequestID}, {`,"address":`, e.Address}, {`,"user_agent":`, e.UserAgent}} {
		if x.text != "" {
			b = appendText(append(b, x.name...), x.text)
		}
	}
	b = e.Meta.AppendJSON(append(b, `,"meta":`...))
	b = e.Revision.AppendJSON(append(b, `,"revision":`...))
	b = appendText(append(b, `,"ref":`...), e.Ref)
	if e.Wrote != 0 {
		b = strconv.AppendInt(append(b, `,"wrote":`...), int64(e.Wrote), 10)
	}
	if e.Previous != "" {
		b = appendText(append(b, `,"previous":`...), e.Previous)
	}
	if e.Inline {
		b = append(b, `,"inline":true`...)
	}
	if e.Apart {
		b = append(b, `,"apart":true`...)
	}
	if e.Shown != nil {
		b = e.Shown.appendJSON(append(b, `,"shown":`...))
	}
	if e.Withheld {
		b = append(b, `,"withheld":true`...)
	}
	if len(e.ScheduledGroups) > 0 {
		b = appendAny(append(b, `,"scheduled_groups":`...), e.ScheduledGroups)
	}
	if len(e.Binaries) > 0 {
		b = appendAny(append(b, `,"binaries":`...), e.Binaries)
	}
	if len(e.Concealed) > 0 {
		b = appendAny(append(b, `,"concealed":`...), e.Concealed)
	}
	if len(e.Claims) > 0 {
		b = appendAny(append(b, `,"claims":`...), e.Claims)
	}
	if e.ClaimSet != "" {
		b = appendText(append(b, `,"claim_set":`...), e.ClaimSet)
	}
	if len(e.Erased) > 0 {
		b = appendAny(append(b, `,"erased":`...), e.Erased)
	}
	if e.Attempt != "" {
		b = appendText(append(b, `,"attempt":`...), e.Attempt)
	}
	if e.LeaseUntil != nil {
		b = appendTime(append(b, `,"lease_until":`...), *e.LeaseUntil)
	}
	if e.Idempotency != nil {
		b = appendAny(append(b, `,"idempotency":`...), e.Idempotency)
	}
	if e.Cause != "" {
		b = appendText(append(b, `,"cause":`...), e.Cause)
	}
	if e.Trace != "" {
		b = appendText(append(b, `,"traceparent":`...), e.Trace)
	}
	if e.Owner != "" {
		b = appendText(append(b, `,"owner":`...), e.Owner)
	}
	if len(e.Groups) > 0 {
		b = appendAny(append(b, `,"groups":`...), e.Groups)
	}
	return append(b, '}')
}

// appendText appends a string; one that needs escapes takes the long way.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return appendAny(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// Holding is what the headers hold, byte for byte, of the events that a query of a
// principal or an action finds.
func (q EventQuery) Holding() (out [][]byte) {
	if q.Principal != "" {
		out = append(out, appendText([]byte(`,"principal":`), q.Principal))
	}
	if q.Action != "" {
		out = append(out, appendText([]byte(`,"action":`), string(q.Action)))
	}
	return out
}

func appendTextOr(b []byte, s *string) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	return appendText(b, *s)
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

func appendTimeOr(b []byte, t *time.Time) []byte {
	if t == nil {
		return append(b, "null"...)
	}
	return appendTime(b, *t)
}

func appendRaw(b []byte, raw json.RawMessage) []byte {
	if raw == nil {
		return append(b, "null"...)
	}
	return appendAny(b, raw)
}

// appendAny is for what is rare. What it is given always marshals, but for raw
// JSON that is none; that is written as null.
func appendAny(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, text...)
}
