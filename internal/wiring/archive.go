package wiring

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/services/indexer"
)

// checkLog refuses a log that is half filled, or that is not the one that the
// archive is of.
func checkLog(ctx context.Context, st *stores) error {
	mark, _, err := archive.Loading(ctx, st.log)
	if err != nil {
		return err
	}
	if !mark.Complete {
		how := "empty the stores and restore the backup again"
		if mark.From == "archive" {
			how = "run `autocrud rebuild-log` again"
		}
		return wrong("the log was being filled from the %s and that was interrupted: %s", mark.From, how)
	}
	if st.archive == nil {
		return nil
	}
	err = archive.Check(ctx, st.archive, st.log)
	var refused *fault.Error
	if errors.As(err, &refused) {
		return wrong("%s", refused.Detail)
	}
	return err
}

// archiving copies the log to the archive until ctx ends.
func (p *program) archiving(ctx context.Context) error {
	if p.st.archive == nil || p.set.maintenance {
		<-ctx.Done()
		return nil
	}
	done := make(chan struct{})
	go func() { // the archive of a log that this one was rebuilt from
		defer close(done)
		for {
			if tidy, err := archive.Tidy(ctx, p.st.archive, p.st.log, p.archiver.Archived()); tidy && err == nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(2 * time.Second):
			}
		}
	}()
	err := p.archiver.Run(ctx)
	<-done
	return err
}

func newArchiver(p *program) *indexer.Archiver {
	if p.st.archive == nil {
		return nil
	}
	return indexer.NewArchiver(p.st.log, p.st.archive, p.logger)
}

// makeRoom removes what is in the way of a log that is to be rebuilt: an empty
// stream, or one that was rebuilt half. One with data is refused.
func (s *stores) makeRoom(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, o *natslog.Options) error {
	found, err := archive.Open(ctx, s.archive, s.blobs)
	if err != nil {
		return err
	}
	o.FirstSeq = found.FirstSeq()
	s.lost = found
	_, err = js.Stream(ctx, natslog.StreamName(o.Namespace))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := natslog.Open(ctx, nc, natslog.Options{Namespace: o.Namespace, Replicas: o.Replicas})
	if err != nil {
		return settingOf(err)
	}
	defer old.Close()
	mark, _, err := archive.Loading(ctx, old)
	if err != nil {
		return err
	}
	if _, err = old.Next(ctx, "rev.>", 1); err == nil && mark.Complete {
		return wrong("there is a log with data; rebuild-log is for one that was lost")
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return natslog.Delete(ctx, js, o.Namespace)
}

// RebuildLog makes a lost log again from the archive in the bucket.
func RebuildLog(ctx context.Context, set Settings, report func(done, total uint64)) (out archive.RebuildSummary, err error) {
	set.maintenance, set.rebuilding = true, true
	if err := set.check(); err != nil {
		return out, err
	}
	if set.Storage != "s3" && set.Storage != "postgres" {
		return out, wrong("--storage %s keeps no archive of its log; s3 and postgres do", set.Storage)
	}
	st, err := openStores(ctx, &set, newObserver(prometheus.NewRegistry()), set.Logger())
	if err != nil {
		return out, err
	}
	defer st.close()
	return st.lost.Run(ctx, st.log, report)
}
