package worker

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// The subjects on the bus.
const (
	onFetch    = "job.fetch"    // asked by workers, served by the dispatcher
	onBeat     = "job.beat"     // asked by workers, served by the dispatcher
	onCancel   = "job.cancel"   // asked by the dispatcher, served by workers
	onEvent    = "job.event"    // sent by the process that commits, to the dispatcher
	onProgress = "job.progress" // sent by workers, to API processes
)

// Remote is a Dispatcher in another process.
type Remote struct{ bus storage.Bus }

// NewRemote asks on the bus.
func NewRemote(bus storage.Bus) *Remote { return &Remote{bus} }

// Fetch implements Source. It is not cut short: what was handed out with the
// answer would be lost for a while.
func (r *Remote) Fetch(ctx context.Context, f Fetch) ([]Grant, error) {
	ask, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxWait+2*time.Second)
	defer cancel()
	b, err := r.bus.Ask(ctx, onFetch, ask)
	if err != nil {
		return nil, err
	}
	return readGrants(b)
}

// Beat implements Source.
func (r *Remote) Beat(ctx context.Context, b Beat) (o Orders, err error) {
	data, err := json.Marshal(b)
	if err != nil {
		return o, err
	}
	for _, x := range b.Running {
		if x.Progress != nil {
			_ = r.bus.Tell(onProgress, data) // the next one may come through
			break
		}
	}
	answer, err := r.bus.Ask(ctx, onBeat, data)
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(answer, &o)
}

// Serve answers the workers of other processes until stop.
func (d *Dispatcher) Serve(bus storage.Bus) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	add := func(s func(), e error) {
		if e == nil {
			stops = append(stops, s)
		} else if err == nil {
			err = e
		}
	}
	add(bus.Serve(onFetch, func(ctx context.Context, b []byte) []byte {
		var f Fetch
		if json.Unmarshal(b, &f) != nil {
			return nil
		}
		grants, err := d.Fetch(ctx, f)
		if err != nil {
			d.o.Logger.WarnContext(ctx, "jobs could not be handed out", "error", err)
		}
		return appendGrants(nil, grants)
	}))
	add(bus.Serve(onBeat, func(ctx context.Context, data []byte) []byte {
		var b Beat
		if json.Unmarshal(data, &b) != nil {
			return nil
		}
		orders, _ := d.Beat(ctx, b) // never fails
		out, _ := json.Marshal(orders)
		return out
	}))
	add(bus.Listen(onEvent, func(b []byte) {
		if e, _, err := readEvent(b); err == nil {
			d.Committed(e)
		}
	}))
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// cancelRequest asks for the end of a job that can never start.
type cancelRequest struct {
	Named
	Reason string `json:"reason"`
}

// cancelWait is how long a worker may take to cancel a job.
const cancelWait = 15 * time.Second

// Canceller has a worker cancel jobs, for a dispatcher whose process may only
// read the log; it is DispatcherOptions.Cancel.
func Canceller(bus storage.Bus) func(context.Context, Named, string) error {
	return func(ctx context.Context, job Named, reason string) error {
		data, err := json.Marshal(cancelRequest{job, reason})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, cancelWait)
		defer cancel()
		answer, err := bus.Ask(ctx, onCancel, data)
		if err != nil {
			return &fault.Error{Code: fault.Unavailable, Detail: "no worker answers", Cause: err}
		}
		if len(answer) > 0 {
			return &fault.Error{Code: fault.Code(answer), Detail: "the job is not cancelled"}
		}
		return nil
	}
}

// ServeCancels does what a Canceller asks for until stop.
func ServeCancels(bus storage.Bus, m *resource.Domain) (stop func(), err error) {
	return bus.Serve(onCancel, func(ctx context.Context, data []byte) []byte {
		var r cancelRequest
		if json.Unmarshal(data, &r) != nil {
			return []byte(fault.InvalidRequest)
		}
		ctx, cancel := context.WithTimeout(ctx, cancelWait)
		defer cancel()
		if err := cancelFor(ctx, m, r.Named, r.Reason); err != nil {
			return []byte(fault.CodeOf(err))
		}
		return nil
	})
}

func cancelFor(ctx context.Context, m *resource.Domain, job Named, reason string) error {
	ctx = policy.WithActor(ctx, policy.Actor{Principal: "dispatcher"})
	return m.Jobs.CancelFor(ctx, job.Type, job.ID, reason, "")
}

// maxTold bounds an event that is told with its content.
const maxTold = 64 << 10

// Teller tells the dispatcher of another process what this one commits; its
// result is resource.Options.Committed. A claim is not sent: no request waits for
// it.
func Teller(bus storage.Bus) func(*storage.Event) {
	return func(e *storage.Event) {
		if e.Action != storage.JobStarted {
			_ = bus.Tell(onEvent, appendEvent(nil, e, maxTold)) // the indexer tells it too
		}
	}
}

// ListenProgress learns how far the jobs of other processes are.
func ListenProgress(bus storage.Bus, live *states.Live) (stop func(), err error) {
	return bus.Listen(onProgress, func(data []byte) {
		var b Beat
		if json.Unmarshal(data, &b) != nil {
			return
		}
		for _, r := range b.Running {
			if r.Progress != nil {
				live.Set(r.Type, r.ID, r.Attempt, *r.Progress)
			}
		}
	})
}

// appendEvent writes sequence, header and, unless it is longer than most, the
// content of an event.
func appendEvent(b []byte, e *storage.Event, most int) []byte {
	b = binary.AppendUvarint(b, e.Seq)
	b = appendBytes(b, e.Header)
	if len(e.Content) > most {
		return appendBytes(b, nil)
	}
	return appendBytes(b, e.Content)
}

func appendBytes(b, x []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(x))), x...) }

var errFrame = errors.New("a message that cannot be read")

func readBytes(b []byte) (x, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, errFrame
	}
	return b[size : size+int(n)], b[size+int(n):], nil
}

func readEvent(b []byte) (e *storage.Event, rest []byte, err error) {
	seq, size := binary.Uvarint(b)
	if size <= 0 {
		return nil, nil, errFrame
	}
	header, rest, err := readBytes(b[size:])
	if err != nil {
		return nil, nil, err
	}
	content, rest, err := readBytes(rest)
	if err != nil {
		return nil, nil, err
	}
	if e, err = storage.DecodeHeader(bytes.Clone(header), seq); err != nil {
		return nil, nil, err
	}
	if len(content) > 0 {
		e.Content = bytes.Clone(content)
	}
	return e, rest, nil
}

func appendGrants(b []byte, grants []Grant) []byte {
	b = binary.AppendUvarint(b, uint64(len(grants)))
	for _, g := range grants {
		b = appendBytes(b, []byte(g.Takeover))
		b = appendEvent(b, g.Head, storage.InlineLimit)
	}
	return b
}

func readGrants(b []byte) ([]Grant, error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)) {
		return nil, fmt.Errorf("grants: %w", errFrame)
	}
	b = b[size:]
	out := make([]Grant, n)
	for i := range out {
		takeover, rest, err := readBytes(b)
		if err != nil {
			return nil, err
		}
		out[i].Takeover = string(takeover)
		if out[i].Head, b, err = readEvent(rest); err != nil {
			return nil, err
		}
	}
	return out, nil
}
