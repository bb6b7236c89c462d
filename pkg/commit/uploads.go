package commit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A digest is no right to a binary: a caller that has read one in a log or a message
// must not be able to read the binary by referring to it. A writer may refer to a
// binary that it has uploaded itself, or that it may read in a resource.
//
// That a principal uploaded a binary is kept as a second, tiny binary beside it: its
// content is made with the log's key, so that no client can upload it, no revision
// refers to it, and it is swept when an upload without a reference is. So it is known on
// every store and process and after a restart, as long as it matters.

// uploadRecord is the content that says that a principal uploaded a binary.
func (bn *BinaryStore) uploadRecord(principal, digest string) string {
	h := hmac.New(sha256.New, *bn.hashKey.Load())
	h.Write([]byte("upload\x00" + digest + "\x00" + principal))
	return "an upload " + hex.EncodeToString(h.Sum(nil))
}

// limitedUploads reports whether the actor refers only to what it uploaded or may read.
func (bn *BinaryStore) limitedUploads(ctx context.Context) bool {
	return bn.o.Access != nil && policy.ActorOf(ctx).Identity != nil && bn.Guard.Admin(ctx) != nil
}

// recordUpload writes down that the actor uploaded a binary.
func (bn *BinaryStore) recordUpload(ctx context.Context, digest string) error {
	if !bn.limitedUploads(ctx) {
		return nil
	}
	text := bn.uploadRecord(policy.ActorOf(ctx).Principal, digest)
	_, err := bn.blobs.PutBinary(ctx, strings.NewReader(text), int64(len(text)))
	return err
}

// mayRefer reports whether the actor may refer to a binary at a place of a document.
func (bn *BinaryStore) mayRefer(ctx context.Context, w *Mutation, t *model.Type, at, digest string) (bool, error) {
	if !bn.limitedUploads(ctx) {
		return true, nil
	}
	if l := w.limits; l != nil && l.before != nil {
		if slices.Contains(t.Digests(l.shown(l.before.Content)), digest) || t.DigestAt(l.before.Content, at) == digest {
			return true, nil // what it sees, and what stays where it is
		}
	}
	sum := sha256.Sum256([]byte(bn.uploadRecord(policy.ActorOf(ctx).Principal, digest)))
	err := bn.blobs.TouchBinary(ctx, "sha256:"+hex.EncodeToString(sum[:]))
	if err == nil || !errors.Is(err, storage.ErrNotFound) {
		return err == nil, err
	}
	return bn.readsBinary(ctx, digest)
}

// maxHolders is how many of those that refer to a binary are looked at for one that
// the actor may read.
const maxHolders = 100

// readsBinary reports whether the actor may read a live resource that refers to a
// binary.
func (bn *BinaryStore) readsBinary(ctx context.Context, digest string) (bool, error) {
	if err := bn.States.Freshen(ctx, states.Default, 0); err != nil {
		return false, err
	}
	held, err := bn.index.Holders(ctx, digest, "", "", maxHolders)
	if err != nil {
		return false, states.StoreError(err)
	}
	for _, h := range held {
		t := bn.types.Named(h.Type)
		if t == nil || bn.Guard.May(ctx, t, "read") != nil {
			continue
		}
		s, err := bn.States.Head(ctx, states.Key{Type: h.Type, ID: h.ID}, false)
		if err != nil {
			return false, err
		}
		if !s.Exists() || s.Event.Meta.Deleted {
			continue
		}
		if ok, err := bn.Guard.Readable(ctx, t, s.Event); err != nil || !ok {
			continue
		}
		if ok, err := bn.Guard.MayOpen(ctx, t, s, digest); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}
