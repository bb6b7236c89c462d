package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// Scheduler makes the jobs of schedules. Every process with workers may run
// one: all try, and the job's id, which is made of the schedule and the time,
// lets one of them succeed.
type Scheduler struct {
	m       *resource.Domain
	logger  *slog.Logger
	now     func() time.Time
	planned map[string]*planned // by schedule
}

// planned is a schedule and what comes next.
type planned struct {
	jobs.Schedule
	cron *model.Cron
	next time.Time
	due  []time.Time // that could not be made yet
}

// NewScheduler makes one; a nil logger is silent.
func NewScheduler(m *resource.Domain, logger *slog.Logger) *Scheduler {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Scheduler{m: m, logger: logger, now: time.Now, planned: map[string]*planned{}}
}

const (
	// lookAgain is how often changed schedules are looked for.
	lookAgain = time.Second
	// tooLate is when a time counts as missed.
	tooLate = 5 * time.Second
	// giveUp is how long a time that could not be made is tried again.
	giveUp = time.Minute
)

// Run makes jobs until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	var looked time.Time
	failed := false
	for ctx.Err() == nil {
		if now := s.now(); now.Sub(looked) >= lookAgain {
			err := s.look(ctx, now)
			if err != nil && !failed && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "schedules cannot be read", "error", err)
			}
			failed, looked = err != nil, now
		}
		wait := lookAgain
		for _, p := range s.planned {
			wait = min(wait, s.tick(ctx, p))
		}
		pause(ctx, max(wait, time.Millisecond))
	}
	return nil
}

// look learns what schedules there are now.
func (s *Scheduler) look(ctx context.Context, now time.Time) error {
	all, err := s.m.Jobs.AllSchedules(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, x := range all {
		seen[x.ID] = true
		if p := s.planned[x.ID]; p != nil && p.Version == x.Version {
			continue
		}
		c, err := model.ParseCron(x.Cron, x.Timezone)
		if err != nil { // of an older version of the program
			s.logger.ErrorContext(ctx, "a schedule cannot be read", "schedule", x.ID, "error", err)
			continue
		}
		p := &planned{Schedule: x, cron: c, next: c.Next(now)}
		if x.CatchUp == "one" {
			if last := c.Last(x.Changed, now); !last.IsZero() {
				p.due = append(p.due, last)
			}
		}
		s.planned[x.ID] = p
	}
	for id := range s.planned {
		if !seen[id] {
			delete(s.planned, id)
		}
	}
	return nil
}

// tick makes what is due and returns when there is more.
func (s *Scheduler) tick(ctx context.Context, p *planned) time.Duration {
	now := s.now()
	var missed time.Time
	for !p.next.IsZero() && !p.next.After(now) {
		if now.Sub(p.next) <= tooLate {
			p.due = append(p.due, p.next)
		} else {
			missed = p.next
		}
		p.next = p.cron.Next(p.next)
	}
	if !missed.IsZero() && p.CatchUp == "one" && len(p.due) == 0 {
		p.due = append(p.due, missed)
	}
	wait := lookAgain
	for len(p.due) > 0 {
		at := p.due[0]
		_, err := s.m.Jobs.Fire(ctx, &p.Schedule, at)
		switch fault.CodeOf(err) {
		case fault.Unavailable, fault.OutcomeUnknown, fault.Conflict, fault.IndexLag:
			if s.now().Sub(at) < giveUp || p.CatchUp == "one" {
				return 100 * time.Millisecond
			}
		}
		if err != nil && ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "the job of a schedule was not made", "schedule", p.ID, "type", p.Type, "at", at, "error", err)
		}
		p.due = p.due[1:]
	}
	if !p.next.IsZero() {
		wait = min(wait, p.next.Sub(s.now()))
	}
	return wait
}
