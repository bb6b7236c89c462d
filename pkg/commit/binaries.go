package commit

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gabriel-vasile/mimetype"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// BinaryStore keeps the content that resources refer to.
type BinaryStore struct {
	Guard    *states.Guard
	States   *states.States
	blobs    storage.Blobs
	hashKey  *atomic.Pointer[[]byte] // Options.ClaimKey, or that of what was restored
	index    states.Index
	o        *states.Options
	recent   *states.Recent
	sweeping sync.RWMutex // read-held by writes that may refer to binaries
	types    *registry.Types
	uploads  uploads // of the last day
}

// MaxBinary is the most bytes of a binary.
const MaxBinary = 5 << 30

// PutBinary stores a binary, streamed, and tells what to refer to it with.
// Binaries that nothing refers to are swept after a day. Only the actor, admins and
// those that may read a resource with it can refer to it.
func (bn *BinaryStore) PutBinary(ctx context.Context, r io.Reader, limit int64) (model.Blob, error) {
	if err := bn.Guard.MayWriteSome(ctx); err != nil {
		return model.Blob{}, err
	}
	head := &prefix{max: sniffed}
	counted := bn.meter(ctx, r)
	b, err := bn.blobs.PutBinary(ctx, io.TeeReader(counted, head), min(limit, MaxBinary))
	if err != nil {
		counted.failed()
	}
	if errors.Is(err, storage.ErrTooLarge) {
		return model.Blob{}, fault.Errorf(fault.TooLarge, "the binary is over %d bytes", min(limit, MaxBinary))
	}
	if err != nil {
		return model.Blob{}, states.StoreError(err)
	}
	return model.Blob{Digest: b.Digest, Size: b.Size, ContentType: sniff(head.b)}, bn.recordUpload(ctx, b.Digest)
}

// sniffed is how many bytes the kind of a binary is told from.
const sniffed = 3072

// prefix keeps the first bytes written to it.
type prefix struct {
	b   []byte
	max int
}

func (p *prefix) Write(b []byte) (int, error) {
	p.b = append(p.b, b[:min(len(b), p.max-len(p.b))]...)
	return len(b), nil
}

// sniff tells the media type of content from its first bytes.
func sniff(head []byte) string { return mimetype.Detect(head).String() }

// settle finds the binaries that a document refers to, moves inline ones out,
// and completes what stands for them; whether they fit the model is for the
// schema to say. The document is changed in place; it belongs to the write.
func (wr *Writer) settle(ctx context.Context, w *Mutation, t *model.Type, data any) error {
	var problems []fault.FieldError
	err := t.VisitBinaries(data, func(at string, v map[string]any) (any, error) {
		s := settling{write: w, typ: t, at: at, v: v}
		made, err := wr.settleOne(ctx, &s)
		problems = append(problems, s.problems...)
		return made, err
	})
	if err == nil && len(problems) > 0 {
		err = &fault.Error{Code: fault.ValidationFailed, Detail: "a binary does not fit", Fields: problems[:min(len(problems), model.MaxFieldErrors)]}
	}
	return err
}

// settling is one object that stands for a binary.
type settling struct {
	write    *Mutation
	typ      *model.Type
	at       string
	v        map[string]any
	problems []fault.FieldError
}

func (s *settling) refuse(member, format string, args ...any) {
	s.problems = append(s.problems, fault.FieldError{Pointer: s.at + member, Detail: fmt.Sprintf(format, args...)})
}

// settleOne turns {"base64": ...} or {"digest": ...} into the complete form.
// Members that are not known stay for the schema to refuse.
func (wr *Writer) settleOne(ctx context.Context, s *settling) (any, error) {
	blob, ok, err := wr.Binaries.blobOf(ctx, s)
	if err != nil || !ok {
		return s.v, err
	}
	s.check(blob)
	out := maps.Clone(s.v)
	delete(out, "base64")
	out["digest"], out["size"] = blob.Digest, blob.Size
	out["content_type"] = blob.ContentType
	if text, ok := s.v["content_type"].(string); ok {
		said, err := model.MediaType(text)
		if err != nil {
			s.refuse("/content_type", "%v", err)
			return s.v, nil
		}
		counts, ok := model.FitsMediaType(blob.ContentType, said)
		if !ok {
			s.refuse("/content_type", "the binary is %s; leave content_type out, or say what it is", blob.ContentType)
			return s.v, nil
		}
		out["content_type"] = counts
	}
	return out, nil
}

// blobOf finds the binary, or stores it when its content is given.
func (bn *BinaryStore) blobOf(ctx context.Context, s *settling) (blob model.Blob, ok bool, err error) {
	if inline, given := s.v["base64"]; given {
		text, ok := inline.(string)
		if !ok {
			s.refuse("/base64", "must be a string")
			return blob, false, nil
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			s.refuse("/base64", "cannot be read: %v", err)
			return blob, false, nil
		}
		blob, err = bn.PutBinary(policy.AsProgram(ctx), bytes.NewReader(raw), MaxBinary)
		return blob, err == nil, err
	}
	digest, ok := s.v["digest"].(string)
	if !ok || !model.ValidDigest(digest) {
		return blob, false, nil
	}
	mine, err := bn.mayRefer(ctx, s.write, s.typ, s.at, digest)
	if err != nil {
		return blob, false, states.StoreError(err)
	}
	if mine {
		blob, err = bn.describe(ctx, digest)
	}
	if !mine || errors.Is(err, storage.ErrNotFound) {
		s.refuse("", "there is no binary %s; send it to POST /v1/blobs first", digest)
		return blob, false, nil
	}
	return blob, err == nil, states.StoreError(err)
}

// check compares what is said of a binary with what it is.
func (s *settling) check(blob model.Blob) {
	if d, given := s.v["digest"]; given && d != blob.Digest {
		s.refuse("/digest", "is not that of the content, %s", blob.Digest)
	}
	if n, given := s.v["size"]; given && n != blob.Size {
		s.refuse("/size", "the binary has %d bytes; leave size out, or say so", blob.Size)
	}
	if x, given := s.v["content_type"]; given {
		if _, ok := x.(string); !ok {
			s.refuse("/content_type", "must be a string")
		}
	}
}

// describe looks at a stored binary and keeps it from being swept.
func (bn *BinaryStore) describe(ctx context.Context, digest string) (model.Blob, error) {
	if err := bn.blobs.TouchBinary(ctx, digest); err != nil {
		return model.Blob{}, err
	}
	r, err := bn.blobs.OpenBinary(ctx, digest)
	if err != nil {
		return model.Blob{}, err
	}
	defer r.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return model.Blob{}, err
	}
	return model.Blob{Digest: digest, Size: r.Size(), ContentType: sniff(head[:n])}, nil
}

// OpenBinary opens a binary for reading through a resource of which a revision
// refers to it, with the media type that the resource gives it.
func (bn *BinaryStore) OpenBinary(ctx context.Context, typ, id, digest string) (storage.BinaryReader, string, error) {
	t, err := bn.States.Find(typ, id)
	if err != nil {
		return nil, "", err
	}
	s, err := bn.States.Head(ctx, states.Key{Type: typ, ID: id}, false)
	if err != nil {
		return nil, "", err
	}
	if s, err = bn.Guard.Opened(ctx, t, id, s); err != nil {
		return nil, "", err
	}
	if err := states.RequireLive(t, id, s); err != nil {
		return nil, "", err
	}
	missing := fault.Errorf(fault.NotFound, "%s %q refers to no binary %q", typ, id, digest)
	if !model.ValidDigest(digest) {
		return nil, "", missing
	}
	if !slices.Contains(s.Event.Binaries, digest) {
		if err := bn.States.Freshen(ctx, states.Default, s.Seq()); err != nil {
			return nil, "", err
		}
		held, err := bn.index.Holders(ctx, digest, typ, id, 1)
		if err != nil {
			return nil, "", states.StoreError(err)
		}
		if len(held) == 0 {
			return nil, "", missing
		}
	}
	if ok, err := bn.Guard.MayOpen(ctx, t, s, digest); err != nil || !ok {
		if err == nil {
			err = missing
		}
		return nil, "", err
	}
	r, err := bn.wholeBinary(ctx, states.Key{Type: typ, ID: id}, digest)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, "", bn.lostBinary(ctx, states.Key{Type: typ, ID: id}, err, missing)
	}
	if err != nil {
		return nil, "", states.StoreError(err)
	}
	return r, bn.saidType(ctx, t, s, digest), nil
}

// saidType is the media type that HEAD gives a binary, else what it looks like.
func (bn *BinaryStore) saidType(ctx context.Context, t *model.Type, s states.State, digest string) string {
	said := ""
	if content, err := bn.States.Content(ctx, s.Event); err == nil {
		t.EachBinary(content, func(d, kind string) {
			if d == digest && said == "" {
				said = kind
			}
		})
	}
	if kind, err := model.MediaType(said); err == nil {
		return kind
	}
	b, err := bn.describe(ctx, digest)
	if err != nil {
		return "application/octet-stream"
	}
	return b.ContentType
}

// keepBinaries keeps a sweep from deleting what a write has looked at and not
// yet committed a reference to.
func (bn *BinaryStore) keepBinaries(types ...*model.Type) (release func()) {
	for _, t := range types {
		if len(t.Binaries) > 0 {
			bn.sweeping.RLock()
			return bn.sweeping.RUnlock
		}
	}
	return func() {}
}

// SweepBinary deletes a binary without holders.
func (bn *BinaryStore) SweepBinary(ctx context.Context, digest string) (bool, error) {
	bn.sweeping.Lock()
	defer bn.sweeping.Unlock()
	if err := bn.States.WaitIndexed(ctx, bn.recent.Last()); err != nil {
		return false, err
	}
	held, err := bn.index.Holders(ctx, digest, "", "", 1)
	if err != nil || len(held) > 0 {
		return false, err
	}
	return true, bn.blobs.DeleteBinary(ctx, digest)
}
