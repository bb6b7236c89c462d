package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// stalled is how long a feed may be silent before it is found out why.
const stalled = 3 * time.Second

// Reading is what reading a whole log came to.
type Reading struct {
	Read uint64 // entries
	Lost uint64 // entries that the log counts as its own and cannot give
	gaps []logGap
}

// logGap are sequences between two entries that were read.
type logGap struct{ from, to uint64 }

// Damage says what was lost, "" for nothing. Where more is missing than was lost,
// the rest was erased, and it is not known which.
func (r Reading) Damage() string {
	if r.Lost == 0 {
		return ""
	}
	text := fmt.Sprintf("%d entries of the log are lost: their block is damaged", r.Lost)
	for i, g := range r.gaps {
		if i == 5 {
			return text + ", ..."
		}
		text += fmt.Sprintf("; none can be read from %d to %d", g.from, g.to)
	}
	return text
}

// ReadLog calls fn with every entry of a log up to where state says that it ends.
// It comes to an end whatever is damaged: what cannot be read is passed over and
// counted.
func ReadLog(ctx context.Context, log storage.Log, state storage.LogState, fn func(storage.Entry) error) (out Reading, err error) {
	at := state.First
	for at <= state.Last {
		if at, err = out.from(ctx, log, at, state.Last, fn); err != nil {
			return out, err
		}
		if at, err = readable(ctx, log, at, state.Last); err != nil {
			return out, err
		}
		if n := len(out.gaps); n > 0 && out.gaps[n-1].to == 0 {
			out.gaps[n-1].to = at - 1
		}
	}
	now, err := log.State(ctx)
	if err != nil {
		return out, err
	}
	// What was written meanwhile was not read; what was erased meanwhile may have been.
	if kept := now.Kept - min(now.Kept, now.Last-state.Last); kept > out.Read {
		out.Lost = kept - out.Read
	}
	return out, nil
}

// from follows the log from a sequence on, until its end or where it stalls, and
// returns the sequence to go on from.
func (r *Reading) from(ctx context.Context, log storage.Log, at, last uint64, fn func(storage.Entry) error) (uint64, error) {
	feed, err := log.Follow(ctx, at)
	if err != nil {
		return at, err
	}
	defer feed.Close()
	for at <= last {
		short, cancel := context.WithTimeout(ctx, stalled)
		entry, err := feed.Next(short)
		cancel()
		if err != nil {
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				r.gaps = append(r.gaps, logGap{from: at})
				return at, nil
			}
			return at, err
		}
		if entry.Seq > at {
			r.gaps = append(r.gaps, logGap{at, min(entry.Seq-1, last)})
		}
		at = entry.Seq + 1
		if entry.Seq > last {
			break
		}
		r.Read++
		if err := fn(entry); err != nil {
			return at, err
		}
	}
	return max(at, last+1), nil
}

// readable is the first sequence from one on that the log can give, or the one
// after the last. Damage is of whole blocks, each entry of which takes long to ask
// for: it is looked for where it ends in steps that grow, then between two of them.
func readable(ctx context.Context, log storage.Log, at, last uint64) (uint64, error) {
	there := func(seq uint64) (bool, error) {
		_, err := log.At(ctx, seq)
		if errors.Is(err, storage.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	lost, found := at-1, uint64(0) // the highest that is lost, the lowest that is not
	for step := uint64(1); found == 0; step *= 2 {
		if lost >= last {
			return last + 1, nil
		}
		probe := min(lost+step, last)
		ok, err := there(probe)
		if err != nil {
			return at, err
		}
		if ok {
			found = probe
		} else {
			lost = probe
		}
	}
	for found-lost > 1 {
		middle := lost + (found-lost)/2
		ok, err := there(middle)
		if err != nil {
			return at, err
		}
		if ok {
			found = middle
		} else {
			lost = middle
		}
	}
	return found, nil
}
