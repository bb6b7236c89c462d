package wiring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// How far back the log is read for resources whose content is looked for, and how
// many of them.
const (
	lookBack = 10_000
	lookFor  = 16
)

// recognize takes back a folder of content that lost its note of the log: it must
// hold the content of the resources that changed last. Another installation's
// folder, an older copy and an empty one do not.
func (s *stores) recognize(ctx context.Context, logger *slog.Logger) error {
	if s.unmarked == "" {
		return nil
	}
	found, err := s.holdsNewest(ctx)
	if err != nil {
		return err
	}
	if !found {
		return wrong("%s does not tell which log it belongs to (%s is missing in it) and does not hold the content that the log refers to: it was emptied, is an older copy or another installation's. Put the right one back, or restore a backup into an empty data folder; nothing was changed", s.unmarked, identityName)
	}
	logger.WarnContext(ctx, "the file that tells which log the content belongs to was missing; the content is the log's, and the file is written anew. Run verify: more may be lost", "file", identityName, "folder", s.unmarked)
	return nil
}

// holdsNewest reports whether the content of the resources that changed last is there,
// and is what the log says. Where the log refers to no content it is false.
func (s *stores) holdsNewest(ctx context.Context) (bool, error) {
	state, err := s.log.State(ctx)
	if err != nil {
		return false, err
	}
	seen, looked := map[string]bool{}, 0
	for seq := state.Last; seq > state.Last-min(state.Last, lookBack) && looked < lookFor; seq-- {
		entry, err := s.log.At(ctx, seq)
		if errors.Is(err, storage.ErrNotFound) {
			continue // erased
		}
		if err != nil {
			return false, err
		}
		if _, _, ok := storage.SplitRevisionSubject(entry.Subject); !ok || seen[entry.Subject] {
			continue
		}
		seen[entry.Subject] = true
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err != nil {
			return false, fmt.Errorf("read the log at sequence %d: %w", seq, err)
		}
		if e.Action == storage.Purged || e.Ref == "" {
			continue
		}
		content, err := s.blobs.Get(ctx, e.Ref)
		if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrCorrupt) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if model.HashOf(content) != e.Revision.Hash {
			return false, nil
		}
		looked++
	}
	return looked > 0, nil
}
