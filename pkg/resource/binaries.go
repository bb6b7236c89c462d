package resource

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// MaxBinary is the most bytes of a binary.
const MaxBinary = 5 << 30

// PutBinary stores a binary, streamed, and tells what to refer to it with.
// Binaries that nothing refers to are swept after a day.
func (m *Manager) PutBinary(ctx context.Context, r io.Reader, limit int64) (Blob, error) {
	if err := m.mayWriteSome(ctx); err != nil {
		return Blob{}, err
	}
	head := &prefix{max: sniffed}
	b, err := m.blobs.PutBinary(ctx, io.TeeReader(r, head), min(limit, MaxBinary))
	if errors.Is(err, storage.ErrTooLarge) {
		return Blob{}, Errorf(TooLarge, "the binary is over %d bytes", min(limit, MaxBinary))
	}
	if err != nil {
		return Blob{}, err
	}
	return Blob{Digest: b.Digest, Size: b.Size, ContentType: sniff(head.b)}, nil
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

// vague media types say little, so that what the writer says is believed.
var vague = []string{"application/octet-stream", "text/plain", "text/xml", "application/zip"}

// mediaType is what a binary counts as: what it looks like, or what was said of
// it when it could be anything.
func mediaType(looks, said string) string {
	base, _, _ := strings.Cut(looks, ";")
	if said == "" || !slices.Contains(vague, base) {
		return looks
	}
	kind, _, _ := strings.Cut(said, "/")
	if base != "application/octet-stream" && (kind == "audio" || kind == "font" || kind == "image" && !strings.HasPrefix(said, "image/svg") || kind == "video") {
		return looks // text and archives are none of these, whatever is said
	}
	return said
}

// settle finds the binaries that a document refers to, moves inline ones out,
// checks them against the model, and completes what stands for them. The
// document is changed in place; it belongs to the write.
func (m *Manager) settle(ctx context.Context, t *Type, data any) error {
	if len(t.Binaries) == 0 {
		return nil
	}
	var problems []FieldError
	for _, path := range t.binaryPaths() {
		if err := m.settleAt(ctx, data, strings.Split(path, "."), "", t.Binaries[path], &problems); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return &Error{Code: ValidationFailed, Detail: "a binary does not fit", Fields: problems}
	}
	return nil
}

func (t *Type) binaryPaths() []string {
	out := make([]string, 0, len(t.Binaries))
	for path := range t.Binaries {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

func (m *Manager) settleAt(ctx context.Context, v any, names []string, at string, spec Binaries, problems *[]FieldError) error {
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			if err := m.settleAt(ctx, x, names, fmt.Sprintf("%s/%d", at, i), spec, problems); err != nil {
				return err
			}
		}
	case map[string]any:
		x, ok := v[names[0]]
		if !ok {
			return nil
		}
		at += "/" + escapePointer(names[0])
		if len(names) > 1 {
			return m.settleAt(ctx, x, names[1:], at, spec, problems)
		}
		if list, ok := x.([]any); ok {
			for i := range list {
				var err error
				if list[i], err = m.settleOne(ctx, list[i], fmt.Sprintf("%s/%d", at, i), spec, problems); err != nil {
					return err
				}
			}
			return nil
		}
		settled, err := m.settleOne(ctx, x, at, spec, problems)
		v[names[0]] = settled
		return err
	}
	return nil
}

// settleOne turns {"base64": ...} or {"digest": ...} into the complete form.
// What is neither is left to the schema.
func (m *Manager) settleOne(ctx context.Context, v any, at string, spec Binaries, problems *[]FieldError) (any, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return v, nil
	}
	refuse := func(format string, args ...any) (any, error) {
		*problems = append(*problems, FieldError{Pointer: at, Detail: fmt.Sprintf(format, args...)})
		return v, nil
	}
	said, _ := o["content_type"].(string)
	var blob Blob
	if text, inline := o["base64"].(string); inline {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return refuse("base64 cannot be read: %v", err)
		}
		if blob, err = m.PutBinary(AsProgram(ctx), bytes.NewReader(raw), MaxBinary); err != nil {
			return v, err
		}
	} else {
		digest, ok := o["digest"].(string)
		if !ok || !validDigest(digest) {
			return v, nil
		}
		var err error
		if blob, err = m.describe(ctx, digest); errors.Is(err, storage.ErrNotFound) {
			return refuse("there is no binary %s; send it to POST /v1/blobs first", digest)
		} else if err != nil {
			return v, stored(err)
		}
	}
	blob.ContentType = mediaType(blob.ContentType, said)
	if spec.MaxBytes > 0 && blob.Size > spec.MaxBytes {
		return refuse("the binary has %d bytes, the most is %d", blob.Size, spec.MaxBytes)
	}
	if !accepts(spec.ContentTypes, blob.ContentType) {
		return refuse("the binary is %s; accepted is %s", blob.ContentType, strings.Join(spec.ContentTypes, ", "))
	}
	return map[string]any{"digest": blob.Digest, "size": blob.Size, "content_type": blob.ContentType}, nil
}

func validDigest(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(h) == 64 && strings.Trim(h, "0123456789abcdef") == ""
}

// describe looks at a stored binary and keeps it from being swept.
func (m *Manager) describe(ctx context.Context, digest string) (Blob, error) {
	if err := m.blobs.TouchBinary(ctx, digest); err != nil {
		return Blob{}, err
	}
	r, err := m.blobs.OpenBinary(ctx, digest)
	if err != nil {
		return Blob{}, err
	}
	defer r.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Blob{}, err
	}
	return Blob{Digest: digest, Size: r.Size(), ContentType: sniff(head[:n])}, nil
}

// accepts matches "image/png" with "image/png" and "image/*".
func accepts(accepted []string, got string) bool {
	if len(accepted) == 0 {
		return true
	}
	got, _, _ = strings.Cut(got, ";")
	for _, a := range accepted {
		if a == got || strings.HasSuffix(a, "/*") && strings.HasPrefix(got, strings.TrimSuffix(a, "*")) {
			return true
		}
	}
	return false
}

// digests lists the binaries that canonical content refers to.
func (t *Type) digests(content []byte) []string {
	if len(t.Binaries) == 0 || content == nil {
		return nil
	}
	tree, err := DecodeJSON(content)
	if err != nil {
		return nil
	}
	var out []string
	var walk func(v any, names []string)
	walk = func(v any, names []string) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x, names)
			}
		case map[string]any:
			if len(names) > 0 {
				walk(v[names[0]], names[1:])
			} else if d, ok := v["digest"].(string); ok && !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	for _, path := range t.binaryPaths() {
		walk(tree, strings.Split(path, "."))
	}
	return out
}

// OpenBinary opens a binary for reading through a resource of which a revision
// refers to it, with the media type that the resource gives it.
func (m *Manager) OpenBinary(ctx context.Context, typ, id, digest string) (storage.BinaryReader, string, error) {
	t, err := m.find(typ, id)
	if err != nil {
		return nil, "", err
	}
	s, err := m.head(ctx, key{typ, id}, false)
	if err != nil {
		return nil, "", err
	}
	if err := m.visible(ctx, t, id, s); err != nil {
		return nil, "", err
	}
	if err := live(t, id, s); err != nil {
		return nil, "", err
	}
	missing := Errorf(NotFound, "%s %q refers to no binary %q", typ, id, digest)
	if !validDigest(digest) {
		return nil, "", missing
	}
	if !slices.Contains(s.event.Binaries, digest) {
		if err := m.freshen(ctx, Default, s.seq()); err != nil {
			return nil, "", err
		}
		held, err := m.index.Holders(ctx, digest, typ, id, 1)
		if err != nil {
			return nil, "", stored(err)
		}
		if len(held) == 0 {
			return nil, "", missing
		}
	}
	if ok, err := m.mayOpen(ctx, t, s, digest); err != nil || !ok {
		if err == nil {
			err = missing
		}
		return nil, "", err
	}
	r, err := m.blobs.OpenBinary(ctx, digest)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, "", missing
	}
	if err != nil {
		return nil, "", stored(err)
	}
	return r, m.saidType(ctx, s, digest), nil
}

// saidType is the media type that HEAD gives a binary, else what it looks like.
func (m *Manager) saidType(ctx context.Context, s state, digest string) string {
	content, err := m.content(ctx, s.event)
	if err == nil {
		tree, _ := DecodeJSON(content)
		if said := findType(tree, digest); said != "" {
			return said
		}
	}
	b, err := m.describe(ctx, digest)
	if err != nil {
		return "application/octet-stream"
	}
	return b.ContentType
}

func findType(v any, digest string) string {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if s := findType(x, digest); s != "" {
				return s
			}
		}
	case map[string]any:
		if v["digest"] == digest {
			s, _ := v["content_type"].(string)
			return s
		}
		for _, x := range v {
			if s := findType(x, digest); s != "" {
				return s
			}
		}
	}
	return ""
}
