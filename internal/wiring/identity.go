package wiring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// origin stands beside blobs and index and tells which log they belong to and
// how far it was known to go, so that a log that is missing, another one or
// shorter is noticed before anything acts on it.
type origin struct {
	Format    int    `json:"format"`
	Namespace string `json:"namespace"`
	Log       string `json:"log"`    // the identity of the log
	Last      uint64 `json:"last"`   // a sequence that was durable
	Erased    uint64 `json:"erased"` // entries that the program erased, at most
	// Lagging tells that the log was synced by the clock: a loss of power may
	// have taken what the index held already.
	Lagging bool `json:"lagging,omitempty"`
	// Streams are those beside the log, by kind, as they were at a start or an end.
	Streams map[string]stream `json:"streams,omitempty"`
	// Types are those that were served, or had data without a model.
	Types []string `json:"types,omitempty"`
	// Keys are those of the log's own records that nothing can make again.
	Keys map[string][]byte `json:"keys,omitempty"`
}

const (
	identityFormat = 1
	identityName   = "identity.json"
)

// encode writes a line of JSON and a line with its digest.
func (i *origin) encode() ([]byte, error) {
	b, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return fmt.Appendf(append(b, '\n'), "%s\n", hex.EncodeToString(sum[:])), nil
}

var errIdentity = errors.New("it is damaged")

func decodeIdentity(b []byte) (*origin, error) {
	line, rest, _ := bytes.Cut(b, []byte{'\n'})
	sum := sha256.Sum256(line)
	if string(bytes.TrimSpace(rest)) != hex.EncodeToString(sum[:]) {
		return nil, errIdentity
	}
	var i origin
	if err := json.Unmarshal(line, &i); err != nil {
		return nil, err
	}
	if i.Format > identityFormat {
		return nil, wrong("%s was written by a newer version of the program (format %d, this one knows %d): run that one", identityName, i.Format, identityFormat)
	}
	return &i, nil
}

// notebook keeps an origin in its places. The first place is written last, so
// that where it is, the others are. A nil notebook keeps nothing.
type notebook struct {
	logger *slog.Logger
	places []shelf

	mu  sync.Mutex
	now origin
}

// load reads one place; nil when there is nothing, or nothing that can be read.
func (n *notebook) load(ctx context.Context, place shelf) (*origin, error) {
	b, err := place.Load(ctx, identityName)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", identityName, err)
	}
	i, err := decodeIdentity(b)
	if errors.Is(err, errIdentity) {
		n.logger.WarnContext(ctx, "the file that tells which log this data belongs to is damaged; it is written anew from its copy", "file", identityName)
		return &origin{}, nil
	}
	return i, err
}

// save writes the origin after change, if that changed anything, to so many
// places: the first, or all.
func (n *notebook) save(ctx context.Context, everywhere bool, change func(*origin)) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	before, err := n.now.encode()
	if err != nil {
		return err
	}
	next := n.now
	change(&next)
	b, err := next.encode()
	if err != nil || bytes.Equal(b, before) && !everywhere {
		return err
	}
	places := n.places[:1]
	if everywhere {
		places = n.places
	}
	for i := len(places) - 1; i >= 0; i-- {
		if err := places[i].Save(ctx, identityName, b); err != nil {
			return fmt.Errorf("write %s: %w", identityName, err)
		}
	}
	n.now = next
	return nil
}

// erasing notes entries that are about to be erased, in every place: a copy that
// knew of fewer would take them for lost, should the first place be.
func (n *notebook) erasing(entries uint64) error {
	if n == nil {
		return nil
	}
	return n.save(context.Background(), true, func(i *origin) { i.Erased += entries })
}

// noting is how often the last sequence is written down. Everywhere is a bucket
// too, so that is done less often.
const (
	noting           = 2 * time.Second
	notingEverywhere = time.Minute
)

// follow notes how far the log goes until ctx ends. Of a log that is synced by the
// clock it notes what was there a while ago.
func (n *notebook) follow(ctx context.Context, applied func() uint64, every time.Duration) error {
	if n == nil {
		<-ctx.Done()
		return nil
	}
	t := time.NewTicker(max(noting, 2*every))
	defer t.Stop()
	wide, seen := time.Now(), uint64(0)
	_, near := n.places[0].(folder)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		last := applied()
		if every > 0 {
			last, seen = seen, last
		}
		everywhere := time.Since(wide) > notingEverywhere
		if everywhere {
			wide = time.Now()
		}
		if !near && !everywhere {
			continue // a bucket is not asked that often
		}
		if err := n.save(ctx, everywhere, func(i *origin) { i.Last = max(i.Last, last) }); err != nil && ctx.Err() == nil {
			n.logger.WarnContext(ctx, "how far the log goes is not written down", "error", err)
		}
	}
}

// shelf is a place for a small file: a folder or a bucket.
type shelf interface {
	Save(ctx context.Context, name string, data []byte) error
	Load(ctx context.Context, name string) ([]byte, error)
}

// folder is a shelf.
type folder string

// Save replaces a file, durably.
func (f folder) Save(_ context.Context, name string, data []byte) (err error) {
	path := filepath.Join(string(f), name)
	t, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = t.Write(data)
	if err == nil {
		err = t.Sync()
	}
	if closed := t.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return disk.Replace(t.Name(), path)
}

// Load reads a file, or is a storage.ErrNotFound.
func (f folder) Load(_ context.Context, name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(string(f), name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, storage.ErrNotFound)
	}
	return b, err
}
