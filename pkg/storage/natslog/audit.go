package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// AuditOptions of the stream of the audit.
type AuditOptions struct {
	Namespace string        // default "main"
	Replicas  int           // default 1
	MaxAge    time.Duration // default a year
	MaxBytes  int64         // default 1 GiB
	Memory    bool
}

func (o AuditOptions) withDefaults() AuditOptions {
	if o.Namespace == "" {
		o.Namespace = "main"
	}
	o.Replicas = max(o.Replicas, 1)
	if o.MaxAge == 0 {
		o.MaxAge = 365 * 24 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	return o
}

// Audit implements storage.Audit with a stream of its own: what was refused or
// read is not part of the log, which must never be full of it.
type Audit struct {
	subject string
	js      jetstream.JetStream
	stream  jetstream.Stream
}

var _ storage.Audit = (*Audit)(nil)

func (o AuditOptions) streamConfig() jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:        storage.StreamName(o.Namespace, "AUDIT"),
		Description: "AutoCRUD refusals and audited reads of namespace " + o.Namespace,
		Subjects:    []string{"ac." + o.Namespace + ".audit"},
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, MaxMsgs: -1, MaxMsgsPerSubject: -1, MaxConsumers: -1,
		Storage: jetstream.FileStorage, Replicas: o.Replicas, Duplicates: 2 * time.Minute,
		DenyDelete: true, DenyPurge: true, // no client removes an entry
	}
	if o.Memory {
		c.Storage, c.MaxBytes = jetstream.MemoryStorage, min(o.MaxBytes, 64<<20)
	}
	return c
}

// ProvisionAudit makes the stream, or sets its limits.
func ProvisionAudit(ctx context.Context, js jetstream.JetStream, o AuditOptions) error {
	c := o.withDefaults().streamConfig()
	if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
		return fmt.Errorf("provision stream %s: %w: %w", c.Name, storage.ErrUnavailable, err)
	}
	return nil
}

// OpenAudit uses the stream that ProvisionAudit made.
func OpenAudit(ctx context.Context, js jetstream.JetStream, o AuditOptions) (*Audit, error) {
	c := o.withDefaults().streamConfig()
	s, err := js.Stream(ctx, c.Name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w: %w", c.Name, storage.ErrUnavailable, err)
	}
	got := s.CachedInfo().Config
	if !got.DenyDelete || !got.DenyPurge || got.Discard != c.Discard || got.Storage != c.Storage || len(got.Subjects) != 1 || got.Subjects[0] != c.Subjects[0] {
		return nil, fmt.Errorf("stream %s: %w: deletes, discard, storage or subjects are others", c.Name, storage.ErrDrift)
	}
	return &Audit{subject: c.Subjects[0], js: js, stream: s}, nil
}

// Keep implements storage.Audit.
func (a *Audit) Keep(ctx context.Context, id string, data []byte) error {
	if _, err := a.js.Publish(ctx, a.subject, data, jetstream.WithMsgID(id)); err != nil {
		return unavailable("keep an entry of the audit", err)
	}
	return nil
}

// Bounds implements storage.Audit.
func (a *Audit) Bounds(ctx context.Context) (first, last uint64, err error) {
	info, err := a.stream.Info(ctx)
	if err != nil {
		return 0, 0, unavailable("read the audit", err)
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}

// auditRead is how many pieces are read at once.
const auditRead = 200

// Read implements storage.Audit.
func (a *Audit) Read(ctx context.Context, from, before uint64) (out []storage.AuditPiece, next uint64, err error) {
	for seq := from; seq < before; {
		m, err := a.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(a.subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && m.Sequence >= before {
			return out, before, nil
		}
		if err != nil {
			return nil, 0, unavailable("read the audit", err)
		}
		out = append(out, storage.AuditPiece{Seq: m.Sequence, Data: m.Data})
		if seq = m.Sequence + 1; len(out) == auditRead {
			return out, seq, nil
		}
	}
	return out, before, nil
}
