package wiring

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// claimKey reads the key that hides unique values from the log, making it the
// first time. A log with data that lost it gets back the copy that stands beside
// the data: with another key unique values would not be unique any more.
func (s *stores) claimKey(ctx context.Context, logger *slog.Logger) ([]byte, error) {
	key, err := s.systemKey(ctx, "key", logger)
	if !errors.Is(err, storage.ErrNotFound) {
		return key, err
	}
	_, err = s.log.Next(ctx, "rev.>", 1)
	if err == nil {
		return nil, s.damaged("the log lost the key behind unique values and stored secrets, and no copy of it is beside the data")
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	return s.makeKey(ctx, "key")
}

// auditKey is the one that proves which process wrote a piece of the audit. Logs
// of earlier versions have none.
func (s *stores) auditKey(ctx context.Context, logger *slog.Logger) ([]byte, error) {
	key, err := s.systemKey(ctx, "audit-key", logger)
	if errors.Is(err, storage.ErrNotFound) {
		return s.makeKey(ctx, "audit-key")
	}
	return key, err
}

// subscriptionsKey is behind the names of subscriptions. It stays when a restore
// brings another key for unique values: where subscriptions are would be lost, and
// what they were told would be told again. Services that
// provision nothing may not write it down, and begin with what it is made from.
func (s *stores) subscriptionsKey(ctx context.Context, claimKey []byte, provisions bool, logger *slog.Logger) ([]byte, error) {
	key, err := s.systemKey(ctx, archive.SubscriptionsKey, logger)
	if !errors.Is(err, storage.ErrNotFound) {
		return key, err
	}
	if key, err = hkdf.Key(sha256.New, claimKey, nil, "autocrud subscriptions", 32); err != nil {
		return nil, err
	}
	if !provisions {
		return key, nil
	}
	return s.writeKey(ctx, archive.SubscriptionsKey, key, 0)
}

// systemKey reads a key from the log and keeps its copy; a key that the log lost
// is written to it again.
func (s *stores) systemKey(ctx context.Context, name string, logger *slog.Logger) ([]byte, error) {
	e, err := s.log.Last(ctx, storage.SystemSubject(name))
	if err == nil && len(e.Data) >= 32 {
		return e.Data, s.keepKey(ctx, name, e.Data)
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	if s.known == nil || len(s.known.Keys[name]) < 32 {
		return nil, fmt.Errorf("the %s of the log: %w", name, storage.ErrNotFound)
	}
	logger.WarnContext(ctx, "the log lost a record with a key; the copy that stands beside the data was written to it again. Run verify: more may be lost", "key", name)
	return s.writeKey(ctx, name, s.known.Keys[name], e.Seq)
}

func (s *stores) makeKey(ctx context.Context, name string) ([]byte, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return s.writeKey(ctx, name, key, 0)
}

// writeKey appends a key. Of two processes that do it at once, one wins.
func (s *stores) writeKey(ctx context.Context, name string, key []byte, last uint64) ([]byte, error) {
	subject := storage.SystemSubject(name)
	_, err := s.log.Append(ctx, []storage.Record{{Subject: subject, ID: uuid.NewString(), Expected: last, Data: key}})
	if errors.Is(err, storage.ErrConflict) {
		var e storage.Entry
		if e, err = s.log.Last(ctx, subject); err == nil {
			key = e.Data
		}
	}
	if err != nil {
		return nil, err
	}
	if len(key) < 32 {
		return nil, fmt.Errorf("the %s of the log cannot be read: %w", name, storage.ErrUnavailable)
	}
	return key, s.keepKey(ctx, name, key)
}

// keepKey keeps the copy beside the data.
func (s *stores) keepKey(ctx context.Context, name string, key []byte) error {
	if s.notebook == nil || string(s.notebook.now.Keys[name]) == string(key) {
		return nil
	}
	return s.notebook.save(ctx, true, func(i *origin) {
		i.Keys = maps.Clone(i.Keys)
		if i.Keys == nil {
			i.Keys = map[string][]byte{}
		}
		i.Keys[name] = key
	})
}
