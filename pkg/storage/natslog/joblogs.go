package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// JobLogsOptions of the stream of job logs. The zero value keeps lines for 30
// days and up to 1 GiB.
type JobLogsOptions struct {
	Namespace string // default "main"
	Replicas  int    // default 1
	Memory    bool
}

// maxPieces bounds the pieces of one job's log; the oldest go first.
const maxPieces = 4096

// JobLogs implements storage.JobLogs with one JetStream stream, for which no
// answer waits: lines that were written just before a loss of power may be gone.
type JobLogs struct {
	prefix string
	js     jetstream.JetStream
	stream jetstream.Stream
}

var _ storage.JobLogs = (*JobLogs)(nil)

func (o JobLogsOptions) streamConfig() jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:              storage.StreamName(o.Namespace, "JOBLOGS"),
		Description:       "AutoCRUD logs of jobs of namespace " + o.Namespace,
		Subjects:          []string{"ac." + o.Namespace + ".joblog.>"},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardOld,
		MaxAge:            30 * 24 * time.Hour,
		MaxBytes:          1 << 30,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: maxPieces,
		MaxConsumers:      -1,
		Storage:           jetstream.FileStorage,
		Replicas:          o.Replicas,
		Duplicates:        time.Second,
		Compression:       jetstream.S2Compression,
	}
	if o.Memory {
		c.Storage, c.Compression, c.MaxBytes = jetstream.MemoryStorage, jetstream.NoCompression, 128<<20
	}
	return c
}

func (o JobLogsOptions) withDefaults() JobLogsOptions {
	if o.Namespace == "" {
		o.Namespace = "main"
	}
	o.Replicas = max(o.Replicas, 1)
	return o
}

// ProvisionJobLogs makes the stream, or sets its limits.
func ProvisionJobLogs(ctx context.Context, js jetstream.JetStream, o JobLogsOptions) error {
	c := o.withDefaults().streamConfig()
	if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
		return fmt.Errorf("provision stream %s: %w: %w", c.Name, storage.ErrUnavailable, err)
	}
	return nil
}

// OpenJobLogs uses the stream that ProvisionJobLogs made.
func OpenJobLogs(ctx context.Context, js jetstream.JetStream, o JobLogsOptions) (*JobLogs, error) {
	o = o.withDefaults()
	name := o.streamConfig().Name
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w: %w", name, storage.ErrUnavailable, err)
	}
	return &JobLogs{prefix: "ac." + o.Namespace + ".joblog.", js: js, stream: s}, nil
}

func (l *JobLogs) subject(typ, id string) string { return l.prefix + typ + "." + id }

// Append implements storage.JobLogs.
func (l *JobLogs) Append(ctx context.Context, typ, id string, lines []storage.LogLine) error {
	b, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	if _, err := l.js.Publish(ctx, l.subject(typ, id), b); err != nil {
		return unavailable("append to the log of a job", err)
	}
	return nil
}

// Read implements storage.JobLogs.
func (l *JobLogs) Read(ctx context.Context, typ, id string, after uint64, limit int) (out []storage.LogPiece, err error) {
	size := 0
	for n := 0; n < limit && size < maxListed; {
		m, err := l.stream.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(l.subject(typ, id)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return out, nil
		}
		if err != nil {
			return nil, unavailable("read the log of a job", err)
		}
		p := storage.LogPiece{Seq: m.Sequence}
		if err := json.Unmarshal(m.Data, &p.Lines); err != nil {
			return nil, fmt.Errorf("log of a job at %d: %w", m.Sequence, storage.ErrCorrupt)
		}
		out = append(out, p)
		n += len(p.Lines)
		size += len(m.Data)
		after = m.Sequence
	}
	return out, nil
}

// Erase implements storage.JobLogs.
func (l *JobLogs) Erase(ctx context.Context, typ, id string) error {
	for {
		m, err := l.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(l.subject(typ, id)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return unavailable("erase the log of a job", err)
		}
		if err := l.stream.SecureDeleteMsg(ctx, m.Sequence); err != nil {
			if _, gone := l.stream.GetMsg(ctx, m.Sequence); !errors.Is(gone, jetstream.ErrMsgNotFound) {
				return unavailable("erase the log of a job", err)
			}
		}
	}
}
