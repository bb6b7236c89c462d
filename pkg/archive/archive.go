package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// The archive is a second copy of the log beside the blobs, without content:
// objects "<identity>/<first>-<last>", each a run of entries. Contents are in
// the revision objects that the events refer to.

// Object is a run of the log as it is archived.
type Object struct {
	Identity    string // of the log
	First, Last uint64 // every entry between them is in it, unless it was erased
	Entries     []storage.Entry
}

// archivePart names one object.
type archivePart struct {
	name        string
	identity    string
	first, last uint64
}

func archiveName(identity string, first, last uint64) string {
	return fmt.Sprintf("%s/%020d-%020d", identity, first, last)
}

func parseArchiveName(name string) (p archivePart, ok bool) {
	identity, run, ok := strings.Cut(name, "/")
	if !ok {
		return p, false
	}
	first, last, ok := strings.Cut(run, "-")
	if !ok {
		return p, false
	}
	p = archivePart{name: name, identity: identity}
	var err1, err2 error
	p.first, err1 = strconv.ParseUint(first, 10, 64)
	p.last, err2 = strconv.ParseUint(last, 10, 64)
	return p, err1 == nil && err2 == nil && p.first <= p.last
}

// withoutContent is an entry as it is archived: of an event the header only.
func withoutContent(e storage.Entry) storage.Entry {
	if _, _, ok := storage.SplitRevisionSubject(e.Subject); ok {
		if header, _, ok := bytes.Cut(e.Data, []byte{'\n'}); ok {
			e.Data = append(bytes.Clone(header), '\n')
		}
	}
	return e
}

// tombstoneOf is the event of an entry when it is what a purge left, else nil.
func tombstoneOf(e storage.Entry) *storage.Event {
	if _, _, ok := storage.SplitRevisionSubject(e.Subject); !ok || !MayErase(e.Data) {
		return nil
	}
	event, err := storage.DecodeHeader(bytes.TrimSuffix(withoutContent(e).Data, []byte{'\n'}), e.Seq)
	if err != nil || event.Action != storage.Purged {
		return nil
	}
	return event
}

// Erases reports whether an entry is of a purge that a caller asked for, so that
// what was before it must be nowhere. What only grew old is left out when the
// log is rebuilt, and stays in the archive.
func Erases(e storage.Entry) bool {
	t := tombstoneOf(e)
	return t != nil && t.Cause != RetentionCause
}

// Add puts an entry at the end of the run.
func (o *Object) Add(e storage.Entry) {
	o.Entries = append(o.Entries, withoutContent(e))
	o.Last = e.Seq
}

// Name of the object.
func (o *Object) Name() string { return archiveName(o.Identity, o.First, o.Last) }

var archiveMagic = []byte("autocrud archive 1\n")

// LoadedEntry is an entry that a backup or an archive gives back to a log.
type LoadedEntry struct {
	Seq     uint64 `json:"seq"`
	Subject string `json:"subject"`
	ID      string `json:"id"`
	More    bool   `json:"more,omitempty"`
}

// Encode writes the object: a magic line, the entries compressed, and a digest
// of all that is before it.
func (o *Object) Encode() ([]byte, error) {
	var raw []byte
	for _, e := range o.Entries {
		head, err := json.Marshal(LoadedEntry{e.Seq, e.Subject, e.ID, e.More})
		if err != nil {
			return nil, err
		}
		raw = binary.AppendUvarint(raw, uint64(len(head)))
		raw = append(raw, head...)
		raw = binary.AppendUvarint(raw, uint64(len(e.Data)))
		raw = append(raw, e.Data...)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	out := z.EncodeAll(raw, bytes.Clone(archiveMagic))
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

// maxArchive bounds what an object may hold, uncompressed.
const maxArchive = 256 << 20

// decodeArchive reads what Encode wrote.
func decodeArchive(p archivePart, data []byte) (*Object, error) {
	damaged := func(why string) error {
		return fmt.Errorf("archive object %s: %w: %s", p.name, storage.ErrCorrupt, why)
	}
	n := len(data) - sha256.Size
	if n < len(archiveMagic) || !bytes.HasPrefix(data, archiveMagic) {
		return nil, damaged("it is no archive object")
	}
	if sum := sha256.Sum256(data[:n]); !bytes.Equal(sum[:], data[n:]) {
		return nil, damaged("its digest is another")
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxArchive))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	raw, err := z.DecodeAll(data[len(archiveMagic):n], nil)
	if err != nil {
		return nil, damaged(err.Error())
	}
	o := &Object{Identity: p.identity, First: p.first, Last: p.last}
	r := bytes.NewReader(raw)
	piece := func() ([]byte, error) {
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		if n > uint64(r.Len()) {
			return nil, io.ErrUnexpectedEOF
		}
		at := len(raw) - r.Len()
		_, err = r.Seek(int64(n), io.SeekCurrent)
		return raw[at : at+int(n)], err
	}
	for r.Len() > 0 {
		head, err := piece()
		if err != nil {
			return nil, damaged(err.Error())
		}
		var a LoadedEntry
		if err := json.Unmarshal(head, &a); err != nil {
			return nil, damaged(err.Error())
		}
		body, err := piece()
		if err != nil {
			return nil, damaged(err.Error())
		}
		o.Entries = append(o.Entries, storage.Entry{Seq: a.Seq, Subject: a.Subject, ID: a.ID, More: a.More, Data: body})
	}
	return o, nil
}

// Reader reads an archive.
type Reader struct{ a storage.Archive }

// NewReader reads a.
func NewReader(a storage.Archive) Reader { return Reader{a} }

// parts are the objects of each identity, by their first sequence. Of two that
// begin alike the longer one counts: the other is left over from joining.
func (r Reader) parts(ctx context.Context) (map[string][]archivePart, error) {
	out := map[string][]archivePart{}
	err := r.a.Names(ctx, "", func(name string) error {
		p, ok := parseArchiveName(name)
		if !ok {
			return nil
		}
		have := out[p.identity]
		if n := len(have); n > 0 && p.first <= have[n-1].last {
			if p.last > have[n-1].last && p.first <= have[n-1].first {
				have[n-1] = p
			}
			return nil
		}
		out[p.identity] = append(have, p)
		return nil
	})
	return out, err
}

// Newest are the last n objects of an identity, or fewer.
func (r Reader) Newest(ctx context.Context, identity string, n int) (out []*Object, err error) {
	all, err := r.parts(ctx)
	if err != nil {
		return nil, err
	}
	parts := all[identity]
	for _, p := range parts[max(0, len(parts)-n):] {
		o, err := r.read(ctx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

func (r Reader) read(ctx context.Context, p archivePart) (*Object, error) {
	data, err := r.a.Load(ctx, p.name)
	if err != nil {
		return nil, err
	}
	return decodeArchive(p, data)
}

// Others are the identities besides one.
func (r Reader) Others(ctx context.Context, identity string) ([]string, error) {
	all, err := r.parts(ctx)
	var out []string
	for id := range all {
		if id != identity {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out, err
}

// Drop removes all objects of an identity.
func (r Reader) Drop(ctx context.Context, identity string) error {
	var names []string
	if err := r.a.Names(ctx, identity+"/", func(name string) error { names = append(names, name); return nil }); err != nil {
		return err
	}
	for _, name := range names {
		if err := r.a.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
