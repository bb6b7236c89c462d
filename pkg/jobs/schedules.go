package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Schedules is the built-in type of what makes jobs at times.
const Schedules = "schedules"

const scheduleSchema = `{"type":"object","required":["type","cron"],"additionalProperties":false,
	"examples":[{"type":"bulk-jobs","cron":"0 3 * * 1-5","timezone":"Europe/Berlin","payload":{"op":"delete","type":"schedules","filter":"meta.id = \"nothing-has-this-id\""},"paused":true}],"properties":{
	"type":{"type":"string","maxLength":63,"description":"the type of the jobs"},
	"cron":{"type":"string","minLength":1,"maxLength":200,"description":"minute hour day month weekday, or with the seconds first, or @daily and the like, or @every 90s"},
	"timezone":{"type":"string","maxLength":64,"default":"UTC","description":"name of the IANA time zone database"},
	"payload":{"type":"object","default":{},"description":"the data of the jobs"},
	"overlap":{"enum":["skip","allow"],"default":"skip","description":"skip: no job while the one before is not finished"},
	"catchUp":{"enum":["none","one"],"default":"none","description":"one: if times were missed while nothing ran, one job for the last of them"},
	"paused":{"type":"boolean","default":false}}}`

// Schedule makes a job at each of its times.
type Schedule struct {
	ID       string         `json:"-"` // of the resource, or of the model's line
	Changed  time.Time      `json:"-"` // when it became what it is; earlier times are not caught up
	Version  string         `json:"-"` // another one is another schedule
	Owner    string         `json:"-"` // of a model's schedule: the owner of its jobs
	Type     string         `json:"type"`
	Cron     string         `json:"cron"`
	Timezone string         `json:"timezone"`
	Payload  map[string]any `json:"payload"`
	Overlap  string         `json:"overlap"`
	CatchUp  string         `json:"catchUp"`
	Paused   bool           `json:"paused"`
}

// ScheduleType is the type of Schedules.
func ScheduleType() (*model.Type, error) {
	return model.NewType(model.Type{Name: Schedules, Title: "Schedule", Builtin: true, Schema: json.RawMessage(scheduleSchema),
		Index: []string{"type", "paused"}})
}

// checkSchedule refuses what the schema cannot tell to be wrong.
func (jb *Jobs) checkSchedule(content []byte) error {
	s, err := readSchedule(content)
	if err != nil {
		return err
	}
	refuse := func(field, format string, args ...any) error {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "the schedule cannot work", Fields: []fault.FieldError{{Pointer: "/" + field, Detail: fmt.Sprintf(format, args...)}}}
	}
	if _, err := model.ParseCron("@daily", s.Timezone); err != nil {
		return refuse("timezone", "%v", err)
	}
	if _, err := model.ParseCron(s.Cron, s.Timezone); err != nil {
		return refuse("cron", "%v", err)
	}
	t := jb.types.Named(s.Type)
	if t == nil || t.Job == nil {
		return refuse("type", "%q is no type of jobs", s.Type)
	}
	if err := t.CheckShown("payload", any(s.Payload), false); err != nil {
		return err
	}
	if err := t.Validate(t.Defaults(any(s.Payload))); err != nil {
		return refuse("payload", "is not valid for %s: %v", s.Type, err)
	}
	if check := jb.strategies.Of(t).Check; check != nil {
		if err := check(model.AppendCanonical(nil, s.Payload)); err != nil {
			return refuse("payload", "is not valid for %s: %v", s.Type, err)
		}
	}
	return nil
}

func readSchedule(content []byte) (s Schedule, err error) {
	tree, err := model.DecodeJSON(content) // numbers as everywhere
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, err
	}
	s.Payload = map[string]any{}
	if o, ok := tree.(map[string]any); ok {
		if p, ok := o["payload"].(map[string]any); ok {
			s.Payload = p
		}
	}
	return s, nil
}

// AllSchedules are those of the models and of the resources that are not
// paused.
func (jb *Jobs) AllSchedules(ctx context.Context) ([]Schedule, error) {
	var out []Schedule
	for _, name := range jb.types.Names() {
		t := jb.types.Named(name)
		if t.Job == nil {
			continue
		}
		for i, line := range t.Job.Schedule {
			out = append(out, Schedule{ID: "model/" + t.Name + "/" + strconv.Itoa(i), Version: line, Owner: policy.ScheduleSubject + t.Name, Type: t.Name, Cron: line,
				Payload: map[string]any{}, Overlap: "skip", CatchUp: "none"})
		}
	}
	t := jb.types.Named(Schedules)
	if t == nil {
		return out, nil
	}
	q := storage.Search{Type: Schedules, Order: jb.States.ByID(t), Limit: states.MaxPageSize}
	for {
		page, err := jb.index.Search(ctx, q)
		if err != nil {
			return nil, states.StoreError(err)
		}
		for _, row := range page.Rows {
			var meta storage.Meta
			s, err := readSchedule(row.Content)
			if err == nil {
				err = json.Unmarshal(row.Meta, &meta)
			}
			if err != nil {
				return nil, states.StoreError(err)
			}
			s.ID, s.Changed, s.Version = row.ID, meta.UpdatedAt, strconv.FormatUint(row.Seq, 10)
			if !s.Paused {
				out = append(out, s)
			}
		}
		if q.After = page.Next; q.After == nil {
			return out, nil
		}
	}
}

// TickID is the id of the job of one time of a schedule. Every process makes the job
// under this id, so there is only one.
func (s *Schedule) TickID(at time.Time) string {
	sum := sha256.Sum256([]byte("schedule\x00" + s.ID + "\x00" + s.Type + "\x00" + strconv.FormatInt(at.Unix(), 10)))
	var id uuid.UUID
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x80 // version 8
	id[8] = id[8]&0x3f | 0x80 // RFC 9562 variant
	return id.String()
}

// Fire makes the job of one time of a schedule, unless there is or was one, or
// the one before is not finished and they must not overlap.
func (jb *Jobs) Fire(ctx context.Context, s *Schedule, at time.Time) (fired bool, err error) {
	id := s.TickID(at)
	if last, err := jb.States.LastEvent(ctx, states.Key{Type: s.Type, ID: id}); err != nil || last != nil {
		return false, err // made already; a tombstone counts
	}
	o := commit.JobOptions{RunAt: at, Schedule: &storage.JobTick{ID: s.ID, At: at.UTC()}}
	if s.Overlap != "allow" {
		o.UniqueKey = "schedule/" + s.ID
	}
	ctx, err = jb.actForSchedule(ctx, s)
	if ctx == nil || err != nil {
		return false, err
	}
	_, err = jb.Writer.Create(policy.AsClient(ctx), s.Type, s.Payload, commit.CreateOptions{ID: id, Job: o})
	switch fault.CodeOf(err) {
	case fault.AlreadyExists, fault.UniqueConflict:
		return false, nil
	}
	return err == nil, err
}

// actForSchedule is a context that acts as the owner of a schedule, which is the one
// that the schedule had when it became what it is; nil when that is not known any
// more, because the schedule was purged.
func (jb *Jobs) actForSchedule(ctx context.Context, s *Schedule) (context.Context, error) {
	seq, err := strconv.ParseUint(s.Version, 10, 64)
	if err != nil || model.CheckID(s.ID) != nil { // one of a model
		return jb.Guard.ActFor(ctx, policy.Actor{Principal: s.Owner}, nil), nil
	}
	e, err := jb.States.EventAt(ctx, states.Key{Type: Schedules, ID: s.ID}, seq)
	if e == nil || err != nil {
		return nil, err
	}
	return jb.Guard.ActForOwner(ctx, e), nil
}

// maySchedule refuses a schedule whose job the actor could not make now. It is the
// create of the job that is asked, up to where it would be committed.
func (jb *Jobs) maySchedule(ctx context.Context, content []byte) error {
	s, err := readSchedule(content)
	if err != nil {
		return err
	}
	t := jb.types.Named(s.Type)
	if t == nil || t.Job == nil {
		return nil // it makes no jobs
	}
	if err := jb.Guard.May(ctx, t, "create"); err != nil {
		return err
	}
	_, err = jb.Writer.Planned(ctx, t, jb.Writer.PlanCreate(t, "x", s.Payload, commit.CreateOptions{}), states.State{})
	if code := fault.CodeOf(err); code == fault.PermissionDenied || code == "" {
		return err
	}
	if t.Builtin { // a payload that does not work now is judged all the same
		return jb.Gate.MayHave(ctx, t, model.AppendCanonical(nil, s.Payload))
	}
	return nil // what else is wrong with the payload is told by the check of the schedule
}
