// Package faultlog is a way to the log that lies as real servers were measured
// to: it says no to what it stored, loses acknowledgements, stores twice,
// acknowledges another record as a duplicate, and reads from a stale leader.
// It never invents a successor, because a real server does not either.
package faultlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

// Rates are the probabilities of each lie, from 0 to 1.
type Rates struct {
	FalseRejection float64 // stored, answered with 10071, 10164 or, in a batch, 10201
	LostAck        float64 // stored, not answered
	LostRequest    float64 // neither
	Doubled        float64 // sent twice, the second answer is returned
	FalseDuplicate float64 // not stored, acknowledged as a duplicate of another
	StaleRead      float64 // stored, not found
}

// All lies at once, each often.
var All = Rates{0.1, 0.1, 0.1, 0.1, 0.05, 0.3}

// Wire lies in front of another wire.
type Wire struct {
	real  natslog.Wire
	rates Rates
	mu    sync.Mutex
	rng   *rand.Rand
	told  map[string]int
}

// New lies with the given seed.
func New(real natslog.Wire, r Rates, seed uint64) *Wire {
	return &Wire{real: real, rates: r, rng: rand.New(rand.NewPCG(seed, seed)), told: map[string]int{}}
}

// Told counts the lies by their name.
func (w *Wire) Told() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]int{}
	for k, v := range w.told {
		out[k] = v
	}
	return out
}

func (w *Wire) lie(name string, rate float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rng.Float64() >= rate {
		return false
	}
	w.told[name]++
	return true
}

// Publish implements natslog.Wire.
func (w *Wire) Publish(ctx context.Context, msgs []natslog.Message) []natslog.Reply {
	out := make([]natslog.Reply, len(msgs))
	for i, m := range msgs {
		out[i] = w.twist(func() natslog.Reply { return w.real.Publish(ctx, []natslog.Message{m})[0] }, 10071, 10164)
	}
	return out
}

// Batch implements natslog.Wire.
func (w *Wire) Batch(ctx context.Context, msgs []natslog.Message) natslog.Reply {
	return w.twist(func() natslog.Reply { return w.real.Batch(ctx, msgs) }, 10201, 10176)
}

func (w *Wire) twist(send func() natslog.Reply, codes ...int) natslog.Reply {
	switch {
	case w.lie("lost request", w.rates.LostRequest):
		return natslog.Reply{Err: nats.ErrTimeout}
	case w.lie("false duplicate", w.rates.FalseDuplicate):
		return natslog.Reply{Seq: 1, Duplicate: true}
	case w.lie("lost ack", w.rates.LostAck):
		send()
		return natslog.Reply{Err: nats.ErrTimeout}
	case w.lie("false rejection", w.rates.FalseRejection):
		send()
		w.mu.Lock()
		code := codes[w.rng.IntN(len(codes))]
		w.mu.Unlock()
		return natslog.Reply{Code: code, Text: "wrong last sequence (a lie)"}
	case w.lie("doubled", w.rates.Doubled):
		send()
	}
	return send()
}

// Get implements natslog.Wire.
func (w *Wire) Get(ctx context.Context, subject string, seq uint64) (storage.Entry, error) {
	if w.lie("stale read", w.rates.StaleRead) {
		return storage.Entry{}, fmt.Errorf("next of %s: %w (a lie)", subject, storage.ErrNotFound)
	}
	return w.real.Get(ctx, subject, seq)
}
