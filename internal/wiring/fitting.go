package wiring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

// recall reads what stands beside the data about its log, before any store is
// opened: opening makes what is missing. known stays nil where nothing is kept yet.
func (s *stores) recall(ctx context.Context, set *Settings, dir string, logger *slog.Logger) error {
	if set.Storage == "memory" {
		return nil
	}
	s.notebook = &notebook{logger: logger}
	if !set.usesDataDir() {
		return nil // only the bucket remembers
	}
	s.notebook.places = []shelf{folder(dir)}
	own, err := s.notebook.load(ctx, folder(dir))
	if err != nil {
		return err
	}
	s.known = own
	if own != nil && own.Format > 0 && own.Namespace != set.Namespace {
		return wrong("--data-dir %s belongs to namespace %s, not %s: a folder keeps one namespace", dir, own.Namespace, set.Namespace)
	}
	if set.Storage != "disk" {
		return nil
	}
	blobs := filepath.Join(dir, "blobs")
	beside, err := s.notebook.load(ctx, folder(blobs))
	if err != nil {
		return err
	}
	s.notebook.places = append(s.notebook.places, folder(blobs))
	if own != nil && own.Format > 0 {
		for _, part := range []string{"", "segments", "binaries"} {
			if _, err := os.Stat(filepath.Join(blobs, part)); errors.Is(err, os.ErrNotExist) {
				return wrong("%s is missing, which holds content that the log refers to: put it back, or restore a backup into an empty data folder; nothing was changed", filepath.Join(blobs, part))
			}
		}
	}
	if own != nil && own.Format > 0 && beside == nil {
		s.unmarked, beside = blobs, own // the opened log tells whether it is the right one
	}
	return s.reconcile(own, beside, blobs, set.Namespace)
}

// recallBucket is recall for what the bucket was told.
func (s *stores) recallBucket(ctx context.Context, set *Settings, bucket shelf) error {
	beside, err := s.notebook.load(ctx, bucket)
	if err != nil {
		return err
	}
	s.notebook.places = append(s.notebook.places, bucket)
	return s.reconcile(s.known, beside, fmt.Sprintf("the bucket %s at %s", set.S3Bucket, set.S3Endpoint), set.Namespace)
}

// reconcile joins what two places remember.
func (s *stores) reconcile(own, beside *origin, where, namespace string) error {
	switch {
	case own == nil || own.Format == 0:
		s.known = beside
	case beside == nil:
		return wrong("%s holds nothing of the log that this data folder belongs to: it was emptied or is another one. Put the right one back, or restore a backup into empty stores; nothing was changed", where)
	case beside.Format == 0:
		s.known = own
	case own.Log != beside.Log:
		return wrong("%s belongs to another log than the data folder: one of them is from another installation. Put the right one back; nothing was changed", where)
	default:
		both := *own
		both.Last, both.Erased = max(own.Last, beside.Last), max(own.Erased, beside.Erased)
		both.Keys = maps.Clone(beside.Keys)
		if both.Keys == nil {
			both.Keys = map[string][]byte{}
		}
		maps.Copy(both.Keys, own.Keys)
		s.known = &both
	}
	if s.known != nil && s.known.Format == 0 {
		s.known = nil
	}
	if s.known != nil && s.known.Namespace != namespace {
		return wrong("%s belongs to namespace %s, not %s", where, s.known.Namespace, namespace)
	}
	return nil
}

// inspect looks at the files of an embedded log before the server opens them.
func (s *stores) inspect(ctx context.Context, set *Settings, dir string) error {
	if set.NatsURL != "" || set.Storage == "memory" {
		return nil
	}
	nats := filepath.Join(dir, "nats")
	f, err := natslog.Inspect(nats, set.Namespace)
	s.files = f
	switch {
	case err != nil:
		return fmt.Errorf("look at the log in %s: %w", nats, err)
	case f.Damaged != "" && !set.AcceptDamage:
		return s.damaged("the log in " + nats + " is damaged: " + f.Damaged)
	case f.There && f.Damaged == "" && !set.AcceptDamage && !set.rebuilding:
		went, err := s.went(ctx, f.Identity)
		if err == nil && f.Last < went {
			err = s.damaged(fmt.Sprintf("the log in %s was shortened or is an older copy: its blocks go up to sequence %d and it went to %d", nats, f.Last, went))
		}
		return err
	case f.There || set.rebuilding:
		return nil
	case len(f.Others) > 0:
		return wrong("--data-dir %s belongs to namespace %s, not %s: a folder keeps one namespace", dir, strings.Join(f.Others, ", "), set.Namespace)
	}
	return s.mayBegin(ctx, set, nats)
}

// inspectRest reads the blocks of the log that the start did not wait for. Damage
// ends all writes: a value could be claimed twice.
func (s *stores) inspectRest(ctx context.Context, logger *slog.Logger) {
	if s.files == nil {
		return
	}
	for _, n := range s.files.Unread {
		what, err := s.files.InspectBlock(n)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			logger.WarnContext(ctx, "a block of the log cannot be read", "block", n, "error", err)
		}
		if what != "" {
			s.log.Condemn(fmt.Errorf("the log is damaged: %s", what))
			logger.ErrorContext(ctx, "the log is damaged and takes no more writes: restore a backup into an empty data folder, or, with a copy of the data put aside, start with --accept-damage", "damage", what)
			return
		}
	}
}

// went is how far a log went, as far as is known.
func (s *stores) went(ctx context.Context, log string) (last uint64, err error) {
	if s.known != nil && s.known.Log == log {
		last = s.known.Last
	}
	pos, err := s.index.Position(ctx)
	if errors.Is(err, storage.ErrNotReady) {
		return last, nil
	}
	if err != nil {
		return last, fmt.Errorf("read the index's position: %w", err)
	}
	if pos.Identity == log && (s.known == nil || !s.known.Lagging) {
		last = max(last, pos.Applied)
	}
	return last, nil
}

// mayBegin refuses to make an empty log where there was another one.
func (s *stores) mayBegin(ctx context.Context, set *Settings, where string) error {
	held, err := holdsSomething(ctx, s.blobs)
	if err != nil {
		return fmt.Errorf("look for what the stores hold: %w", err)
	}
	if !held && s.known == nil {
		return nil
	}
	how := "put it back (is its disk mounted?), or restore a backup into an empty data folder"
	if s.archive != nil {
		how = "put it back (is its disk mounted?), or make it again from the archive in the bucket with `autocrud rebuild-log`; for an empty start use another bucket or namespace"
	}
	return wrong("the log is missing: %s holds none of namespace %s, and there is data of one. %s; nothing was changed", where, set.Namespace, upper(how))
}

// damaged refuses a log of which a part is lost.
func (s *stores) damaged(what string) error {
	how := "Restore a backup into an empty data folder"
	if s.archive != nil {
		how = "Move the log away and make it again from the archive in the bucket with `autocrud rebuild-log`, or restore a backup"
	}
	return wrong("%s. %s, or, with a copy of the data put aside, start with --accept-damage to go on with the rest; nothing was changed", what, how)
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

var errSome = errors.New("there is something")

// holdsSomething reports whether there is any object or binary.
func holdsSomething(ctx context.Context, b storage.Blobs) (bool, error) {
	err := b.ListBinaries(ctx, func(storage.Binary, time.Time) error { return errSome })
	if err == nil {
		err = b.List(ctx, func(string, string) error { return errSome })
	}
	if errors.Is(err, errSome) {
		return true, nil
	}
	return false, err
}

// existing refuses stores without a log, before anything is made.
func existing(ctx context.Context, set *Settings) error {
	if set.NatsURL == "" {
		f, err := natslog.Inspect(filepath.Join(set.DataDir, "nats"), set.Namespace)
		if err != nil {
			return fmt.Errorf("look at the log in %s: %w", set.DataDir, err)
		}
		for _, name := range []string{identityName, "blobs"} {
			if _, err := os.Stat(filepath.Join(set.DataDir, name)); !f.There && len(f.Others) == 0 && err == nil {
				return nil // there was a log: the start tells more
			}
		}
		if !f.There && len(f.Others) > 0 {
			return wrong("--data-dir %s holds no data of namespace %s, but of %s", set.DataDir, set.Namespace, strings.Join(f.Others, ", "))
		}
		if !f.There {
			return wrong("--data-dir %s holds no data: there is no log of namespace %s in it", set.DataDir, set.Namespace)
		}
		return nil
	}
	nc, err := connect(set)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	there, err := natslog.Exists(ctx, js, set.Namespace)
	if err == nil && !there {
		return wrong("the NATS server holds no log of namespace %s", set.Namespace)
	}
	return err
}

// fit compares the log that was opened with what is known of it and with the
// index, and writes down what fits. Nothing may act on the log before.
func (s *stores) fit(ctx context.Context, set *Settings, logger *slog.Logger) error {
	if s.notebook == nil {
		return nil
	}
	pos, err := s.index.Position(ctx) // before the log: other processes write meanwhile, and the index follows
	if err != nil && !errors.Is(err, storage.ErrNotReady) {
		return fmt.Errorf("read the index's position: %w", err)
	}
	state, err := s.log.State(ctx)
	if err != nil {
		return err
	}
	if s.known == nil {
		err = s.adopt(ctx, state, pos, logger)
	} else {
		err = s.compare(ctx, state, pos)
	}
	if err != nil {
		var refused *SettingError
		if !errors.As(err, &refused) {
			return err
		}
		if !set.AcceptDamage || s.known != nil && s.known.Log != state.Identity {
			return err
		}
		logger.ErrorContext(ctx, "damage was accepted: the program goes on with the rest of the log", "damage", refused.Reason)
	}
	if err := s.recognize(ctx, logger); err != nil {
		return err
	}
	streams, err := s.streams(ctx, set.Namespace)
	if err != nil {
		return err
	}
	if err := s.compareStreams(ctx, state.Identity, streams, logger); err != nil {
		return err
	}
	return s.remember(ctx, set, state, streams)
}

// compare refuses a log that is not what is known of it.
func (s *stores) compare(ctx context.Context, state storage.LogState, pos storage.Position) error {
	known := s.known
	if state.Identity != known.Log {
		mark, _, err := archive.Loading(ctx, s.log)
		if err != nil {
			return err
		}
		if mark.Complete && mark.Source == known.Log { // rebuilt from its archive
			return nil
		}
		return wrong("the log is another one than the data belongs to: it is from another installation, or was made anew. Put the right one back, or restore a backup into empty stores; nothing was changed")
	}
	if state.Last < known.Last {
		return s.damaged(fmt.Sprintf("the log was shortened or is an older copy: it ends at sequence %d and went to %d", state.Last, known.Last))
	}
	if pos.Identity == state.Identity {
		if pos.Applied > state.Last && !known.Lagging {
			return s.damaged(fmt.Sprintf("the log was shortened or is an older copy: it ends at sequence %d and the index has read up to %d", state.Last, pos.Applied))
		}
		if err := s.compareTail(ctx, pos); err != nil {
			return err
		}
	}
	if !s.sole {
		return nil
	}
	missing, err := s.log.Missing(ctx)
	if err != nil {
		return err
	}
	if missing > known.Erased {
		return s.damaged(fmt.Sprintf("%d entries are missing in the log (it ends at sequence %d; %d were erased on purpose)", missing-known.Erased, state.Last, known.Erased))
	}
	return nil
}

// tail is how many sequences at the end of the index are compared with the log.
const tail = 100

// compareTail compares the index's last events with the log's.
func (s *stores) compareTail(ctx context.Context, pos storage.Position) error {
	past, err := s.index.Events(ctx, storage.EventQuery{After: pos.Applied - min(pos.Applied, tail), Span: tail, Limit: tail})
	if err != nil {
		return nil //nolint:nilerr // an index that cannot tell is built anew, or its reader finds out
	}
	for i := len(past) - 1; i >= 0; i-- {
		entry, err := s.log.At(ctx, past[i].Seq)
		if errors.Is(err, storage.ErrNotFound) {
			continue // erased; how many are is compared besides
		}
		if err != nil {
			return err
		}
		if entry.ID != past[i].Event.ID {
			return s.damaged(fmt.Sprintf("log and index hold different events at sequence %d: the log is an older copy that went on, or the index is; if the log is right, remove the index", past[i].Seq))
		}
		return nil
	}
	return nil
}

// adopt takes over stores that remember nothing yet: new ones, or those of an
// earlier version.
func (s *stores) adopt(ctx context.Context, state storage.LogState, pos storage.Position, logger *slog.Logger) error {
	if pos.Identity != "" && pos.Identity != state.Identity {
		mark, _, err := archive.Loading(ctx, s.log)
		if err != nil {
			return err
		}
		if mark.Source == "" || mark.Source != pos.Identity {
			return wrong("the index belongs to another log than the one that is there: one of them is from another installation, or the log was lost. If the log is the right one, remove the index and start again; nothing was changed")
		}
	}
	if pos.Identity == state.Identity && pos.Applied > state.Last {
		return s.damaged(fmt.Sprintf("the log was shortened or is an older copy: it ends at sequence %d and the index has read up to %d", state.Last, pos.Applied))
	}
	if pos.Identity == state.Identity {
		if err := s.compareTail(ctx, pos); err != nil {
			return err
		}
	}
	_, err := s.log.Next(ctx, "rev.>", 1)
	if err == nil {
		logger.InfoContext(ctx, "from now on the data remembers which log it belongs to", "log", state.Identity, "last", state.Last)
		return nil
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	held, err := holdsSomething(ctx, s.blobs)
	if err != nil {
		return fmt.Errorf("look for what the stores hold: %w", err)
	}
	if mark, _, err := archive.Loading(ctx, s.log); held && err == nil && mark.Complete {
		return wrong("the log is empty and there is content that a log referred to: the log was lost. Restore a backup into empty stores, or remove the content if it is not wanted; nothing was changed")
	}
	return nil
}

// remember writes down what fits, now and when the stores are closed.
func (s *stores) remember(ctx context.Context, set *Settings, state storage.LogState, streams map[string]stream) error {
	every, err := set.sync()
	if err != nil {
		return err
	}
	missing, err := s.log.Missing(ctx)
	if err != nil {
		return err
	}
	if s.known != nil {
		s.notebook.now = *s.known
	}
	first := s.known == nil || s.known.Log != state.Identity
	err = s.notebook.save(ctx, true, func(i *origin) {
		if first {
			*i = origin{Keys: i.Keys, Types: i.Types}
		}
		i.Format, i.Namespace, i.Log, i.Last, i.Erased, i.Lagging = identityFormat, set.Namespace, state.Identity, state.Last, missing, every > 0
		i.Streams = streams
	})
	if err != nil {
		return err
	}
	s.onClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		state, err := s.log.State(ctx)
		if err != nil {
			return // what was written down holds
		}
		missing, err := s.log.Missing(ctx)
		if err != nil {
			return
		}
		streams, err := s.streams(ctx, set.Namespace)
		if err != nil {
			return
		}
		_ = s.notebook.save(ctx, true, func(i *origin) { i.Last, i.Erased, i.Streams = max(i.Last, state.Last), missing, streams })
	})
	return nil
}
