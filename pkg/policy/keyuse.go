package policy

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// useSubject is where the log holds when keys were used last: the id of each and
// the second. It is one message now and then for all of them, for the log keeps
// everything.
var useSubject = storage.SystemSubject("key-use")

// useEvery is how often a process writes down which keys it was shown.
const useEvery = 10 * time.Minute

// maxUseTries bounds how often processes that write at the same time begin again.
const maxUseTries = 10

// Uses are the keys that this process was shown.
func (a *Access) Uses() map[string]int64 {
	a.Mu.RLock()
	defer a.Mu.RUnlock()
	out := map[string]int64{}
	for id, k := range a.Keys {
		if at := k.Used.Load(); at > 0 {
			out[id] = at
		}
	}
	return out
}

// RecordUse writes down now and then when keys were used last, until ctx ends.
func (a *Access) RecordUse(ctx context.Context, log storage.Log, report func(error)) error {
	t := time.NewTicker(useEvery)
	defer t.Stop()
	written := map[string]int64{}
	write := func(ctx context.Context) {
		now := a.Uses()
		if maps.Equal(now, written) {
			return
		}
		if err := a.writeUse(ctx, log, now); err != nil {
			report(err)
			return
		}
		written = now
	}
	for {
		select {
		case <-t.C:
			write(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			write(last)
			return nil
		}
	}
}

// writeUse adds what this process knows to what the others wrote.
func (a *Access) writeUse(ctx context.Context, log storage.Log, mine map[string]int64) error {
	for range maxUseTries {
		all, seq, err := ReadUse(ctx, log)
		if err != nil {
			return err
		}
		for id, at := range mine {
			all[id] = max(all[id], at)
		}
		a.Mu.RLock()
		maps.DeleteFunc(all, func(id string, _ int64) bool { return a.Keys[id] == nil })
		a.Mu.RUnlock()
		data, err := json.Marshal(all)
		if err != nil {
			return err
		}
		_, err = log.Append(ctx, []storage.Record{{Subject: useSubject, ID: uuid.NewString(), Expected: seq, Data: data}})
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return storage.ErrConflict
}

// ReadUse reads when keys were used last, and the sequence of that record.
func ReadUse(ctx context.Context, log storage.Log) (all map[string]int64, seq uint64, err error) {
	all = map[string]int64{}
	e, err := log.Last(ctx, useSubject)
	if errors.Is(err, storage.ErrNotFound) {
		return all, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return all, e.Seq, json.Unmarshal(e.Data, &all)
}
