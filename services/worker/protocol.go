package worker

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Source hands out attempts. The Dispatcher is one; Remote is one in another
// process. What it says is never the truth: a claim on the log is.
type Source interface {
	// Fetch waits, not for long, for jobs that may be claimed and hands out up
	// to f.Max of them, each to one worker. None is no error.
	Fetch(ctx context.Context, f Fetch) ([]Grant, error)
	// Beat tells what a worker runs, at least every few seconds. What a worker
	// no longer tells is handed to another one.
	Beat(ctx context.Context, b Beat) (Orders, error)
}

// Fetch asks for jobs.
type Fetch struct {
	Worker string   `json:"worker"`
	Types  []string `json:"types"` // that the worker has handlers for
	Max    int      `json:"max"`
}

// Grant is a job that a worker may claim.
type Grant struct {
	Head     *storage.Event // the job's newest event, as far as is known
	Takeover string         // token of the attempt whose worker is dead
}

// Beat is a worker's sign of life.
type Beat struct {
	Worker  string    `json:"worker"`
	Running []Running `json:"running,omitempty"`
	// Returned are jobs that were handed out and will not be claimed.
	Returned []Named `json:"returned,omitempty"`
}

// Named is a job by its name.
type Named struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Running is one attempt under way.
type Running struct {
	Named
	Token    string            `json:"token"`
	Attempt  int               `json:"attempt"`
	Seq      uint64            `json:"seq"` // of the claim
	Progress *storage.Progress `json:"progress,omitempty"`
}

// Orders answer a Beat.
type Orders struct {
	// Stop are the tokens of attempts that no longer count: the job was
	// cancelled, deleted, or taken over.
	Stop []string `json:"stop,omitempty"`
}
