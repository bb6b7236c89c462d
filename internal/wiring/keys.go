package wiring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// ClaimKey reads the key that hides unique values from the log, making it the
// first time. Of two processes that make it at once, one wins.
func ClaimKey(ctx context.Context, log storage.Log) ([]byte, error) {
	return systemKey(ctx, log, "key")
}

// auditKey is the one that proves who wrote a piece of the audit.
func auditKey(ctx context.Context, log storage.Log) ([]byte, error) {
	return systemKey(ctx, log, "audit-key")
}

func systemKey(ctx context.Context, log storage.Log, name string) ([]byte, error) {
	subject := storage.SystemSubject(name)
	for range 3 {
		e, err := log.Last(ctx, subject)
		if err == nil && len(e.Data) >= 32 {
			return e.Data, nil
		}
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		_, err = log.Append(ctx, []storage.Record{{Subject: subject, ID: uuid.NewString(), Data: key}})
		if err != nil && !errors.Is(err, storage.ErrConflict) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the %s of the log cannot be read: %w", name, storage.ErrUnavailable)
}
