package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A backup is a magic line, frames compressed as one zstd stream, and the
// SHA-256 of all that is before it. A frame is its kind, the length of its body
// and the body.
var backupMagic = []byte("autocrud backup 1\n")

// The kinds of frames.
const (
	FrameHeader  = 'H' // backupHeader, the first one
	FrameContent = 'R' // content of the next entry's revision, when it is not in the entry
	FrameEntry   = 'L' // archivedEntry, a newline, the data
	FrameDropped = 'D' // subject of a resource that was purged meanwhile
	FrameBinary  = 'B' // storage.Binary; its bytes follow
	FrameBytes   = 'C' // a piece of the binary
	FrameEnd     = 'E' // backupEnd, the last one
	frameFailed  = 'X' // why there is no end
)

const (
	maxFrame = 16 << 20
	// PieceBytes is the most of a binary in one frame.
	PieceBytes = 256 << 10
)

// BackupHeader begins a backup file.
type BackupHeader struct {
	Format   int       `json:"format"`
	Identity string    `json:"identity"`
	Last     uint64    `json:"last"` // sequence up to which it goes
	At       time.Time `json:"at"`
}

// BackupSummary is what a backup holds.
type BackupSummary struct {
	Entries  int64 `json:"entries"` // of the log
	Events   int64 `json:"events"`
	Binaries int64 `json:"binaries"`
	Bytes    int64 `json:"bytes"` // of the file
	// Lost are the binaries that were damaged already when the backup was made, by
	// a version that did not look; they cannot be restored.
	Lost []string `json:"lost,omitempty"`
}

// FrameWriter writes a backup.
type FrameWriter struct {
	to      io.Writer // the file and sum
	out     io.Writer
	sum     hash.Hash
	z       *zstd.Encoder
	Written int64
	buf     []byte
}

// NewFrameWriter begins a backup file.
func NewFrameWriter(w io.Writer) (*FrameWriter, error) {
	f := &FrameWriter{out: w, sum: sha256.New()}
	f.to = f
	if _, err := f.Write(backupMagic); err != nil {
		return nil, err
	}
	var err error
	f.z, err = zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	return f, err
}

// Write implements io.Writer for the bytes of the file.
func (f *FrameWriter) Write(p []byte) (int, error) {
	f.sum.Write(p)
	n, err := f.out.Write(p)
	f.Written += int64(n)
	return n, err
}

// Frame writes one frame of a kind.
func (f *FrameWriter) Frame(kind byte, body []byte) error {
	f.buf = append(f.buf[:0], kind)
	f.buf = binary.AppendUvarint(f.buf, uint64(len(body)))
	if _, err := f.z.Write(f.buf); err != nil {
		return err
	}
	_, err := f.z.Write(body)
	return err
}

// JSON writes a frame that holds a value as JSON.
func (f *FrameWriter) JSON(kind byte, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.Frame(kind, body)
}

// Entry writes a frame that holds an entry of the log.
func (f *FrameWriter) Entry(e storage.Entry) error {
	head, err := json.Marshal(LoadedEntry{e.Seq, e.Subject, e.ID, e.More})
	if err != nil {
		return err
	}
	return f.Frame(FrameEntry, append(append(head, '\n'), e.Data...))
}

// Fail tells the reader of the beginning of a backup why there is no more of it.
func (f *FrameWriter) Fail(why string) {
	if f.Frame(frameFailed, []byte(why)) == nil {
		_ = f.z.Flush() // it is only told as well as it can be
	}
}

// BackupFailure is why a backup that broke off did, "" when it does not tell.
func BackupFailure(file io.ReaderAt, size int64) (why string) {
	b := &Backup{file: file, size: size + sha256.Size}
	_ = b.Frames(func(kind byte, body []byte) error { // it ends in the middle
		if kind == frameFailed {
			why = string(body)
		}
		return nil
	})
	return why
}

// Close ends the stream and writes the digest.
func (f *FrameWriter) Close() error {
	if err := f.z.Close(); err != nil {
		return err
	}
	n, err := f.out.Write(f.sum.Sum(nil))
	f.Written += int64(n)
	return err
}

// Backup is a file that was checked from the first byte to the last.
type Backup struct {
	file   io.ReaderAt
	size   int64
	Header struct {
		At time.Time
	}
	Summary BackupSummary
	Dropped map[string]bool // subjects
	Erased  Erased
	header  BackupHeader
}

// DamagedBackup is the error for a file that is damaged or cut short.
func DamagedBackup(format string, args ...any) error {
	return fault.Errorf(fault.ValidationFailed, "the backup is damaged or cut short, nothing was written: %s", fmt.Sprintf(format, args...))
}

// OpenBackup checks a whole file before anything of it is used.
func OpenBackup(file io.ReaderAt, size int64) (*Backup, error) {
	b := &Backup{file: file, size: size, Dropped: map[string]bool{}}
	if size < int64(len(backupMagic)+sha256.Size) {
		return nil, DamagedBackup("it has %d bytes", size)
	}
	head := make([]byte, len(backupMagic))
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if !bytes.Equal(head, backupMagic) {
		return nil, DamagedBackup("it does not begin as a backup of this format does")
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, size-sha256.Size)); err != nil {
		return nil, err
	}
	tail := make([]byte, sha256.Size)
	if _, err := file.ReadAt(tail, size-sha256.Size); err != nil {
		return nil, err
	}
	if !bytes.Equal(tail, sum.Sum(nil)) {
		return nil, DamagedBackup("its digest is another")
	}
	ended := false
	first := true
	binary := &summed{}
	var lost []string
	err := b.Frames(func(kind byte, body []byte) error {
		if kind != FrameBytes {
			lost = append(lost, binary.end()...)
		}
		switch {
		case first && kind != FrameHeader, ended:
			return DamagedBackup("its parts are out of order")
		case kind == FrameHeader:
			if err := json.Unmarshal(body, &b.header); err != nil || b.header.Format != 1 {
				return DamagedBackup("its header cannot be read")
			}
			b.Header.At = b.header.At
		case kind == FrameBinary:
			return binary.begin(body)
		case kind == FrameBytes:
			return binary.add(body)
		case kind == FrameDropped:
			b.Dropped[string(body)] = true
		case kind == FrameEntry:
			return b.erased(body)
		case kind == FrameEnd:
			ended = true
			return json.Unmarshal(body, &b.Summary)
		}
		first = false
		return nil
	})
	if err == nil && !ended {
		err = DamagedBackup("its end is missing")
	}
	b.Erased.Sort()
	b.Summary.Bytes, b.Summary.Lost = size, lost
	return b, err
}

// erased takes the events that an entry holds which left the log.
func (b *Backup) erased(body []byte) error {
	head, data, _ := bytes.Cut(body, []byte{'\n'})
	if !bytes.Contains(head, []byte(strings.TrimSuffix(storage.AllPruned, ">"))) { // most are not
		return nil
	}
	var e LoadedEntry
	if err := json.Unmarshal(head, &e); err != nil {
		return DamagedBackup("%v", err)
	}
	return b.Erased.Add(e.Subject, data, e.Seq)
}

// summed compares a binary in a backup with its digest.
type summed struct {
	of  storage.Binary
	sum hash.Hash // nil: none is under way
}

func (s *summed) begin(body []byte) error {
	s.sum = sha256.New()
	if err := json.Unmarshal(body, &s.of); err != nil {
		return DamagedBackup("%v", err)
	}
	return nil
}

func (s *summed) add(body []byte) error {
	if s.sum == nil {
		return DamagedBackup("its parts are out of order")
	}
	_, err := s.sum.Write(body)
	return err
}

// end is the digest of the binary, if it is of another content.
func (s *summed) end() (lost []string) {
	if s.sum != nil && "sha256:"+hex.EncodeToString(s.sum.Sum(nil)) != s.of.Digest {
		lost = []string{s.of.Digest}
	}
	s.sum = nil
	return lost
}

// Frames calls fn for each frame; the body is valid until fn returns.
func (b *Backup) Frames(fn func(kind byte, body []byte) error) error {
	begin := int64(len(backupMagic))
	z, err := zstd.NewReader(io.NewSectionReader(b.file, begin, b.size-begin-sha256.Size), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	r := bufio.NewReaderSize(z, 64<<10)
	var body []byte
	for {
		kind, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return DamagedBackup("%v", err)
		}
		n, err := binary.ReadUvarint(r)
		if err != nil || n > maxFrame {
			return DamagedBackup("a part of %d bytes: %v", n, err)
		}
		if uint64(cap(body)) < n {
			body = make([]byte, n)
		}
		body = body[:n]
		if _, err := io.ReadFull(r, body); err != nil {
			return DamagedBackup("%v", err)
		}
		if err := fn(kind, body); err != nil {
			return err
		}
	}
}
