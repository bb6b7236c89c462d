package jobs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// scheduleTimes is the member schedule of the meta of a schedule that is read.
type scheduleTimes struct {
	Next *time.Time `json:"next"` // null while it is paused
	Last *time.Time `json:"last"` // since its last change; null when it was not due yet
}

// showTimes tells of a schedule as it is now when it is due next and when it was
// due last. One whose line the reader may not see tells nothing.
func (jb *Jobs) showTimes(_ context.Context, r *states.Resource, how states.Showing) error {
	var meta storage.Meta
	s, err := readSchedule(r.Data)
	if how.Past || err != nil || s.Cron == "" || r.Deleted || json.Unmarshal(r.Meta, &meta) != nil || len(r.Meta) == 0 {
		return nil
	}
	c, err := model.ParseCron(s.Cron, s.Timezone)
	if err != nil { // of an older version of the program
		return nil
	}
	var times scheduleTimes
	if now := jb.o.Now(); !s.Paused {
		times.Next, times.Last = utc(c.Next(now)), utc(c.Last(meta.UpdatedAt, now))
	}
	b, err := json.Marshal(times)
	if err != nil {
		return err
	}
	open := r.Meta[:len(r.Meta)-1] // without the closing brace
	r.Meta = append(append(append(append(make([]byte, 0, len(r.Meta)+len(b)+16), open...), `,"schedule":`...), b...), '}')
	return nil
}

func utc(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}
