package natslog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server"
)

// Files is what the files of an embedded server's log tell before the server
// opens them.
type Files struct {
	There    bool     // the log of the namespace has a folder
	Others   []string // other namespaces that have one
	Identity string   // of the log
	Last     uint64   // sequence up to which its blocks go; known when nothing is damaged
	Damaged  string   // what is wrong with them, a sentence; empty: nothing that was looked at
	Unread   []int    // numbers of blocks that were not read, for InspectBlock
	dir      string   // of the stream
}

// Inspect looks at the files of a log below the folder of an embedded server. It
// must be asked before the server is: that one takes damage in a block for the
// place where a crash cut it off, and cuts off the whole rest. After a clean stop
// the newest block is read, else all are. It changes nothing.
func Inspect(dir, namespace string) (f *Files, err error) {
	f = &Files{}
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	names, err := filepath.Glob(filepath.Join(streams, "AC_*_LOG"))
	if err != nil {
		return f, err
	}
	own := filepath.Join(streams, StreamName(namespace))
	for _, name := range names {
		if name == own {
			f.There = true
			continue
		}
		other := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "AC_"), "_LOG")
		f.Others = append(f.Others, strings.ToLower(other))
	}
	if f.There {
		err = f.stream(own)
	}
	return f, err
}

// stream looks at the folder of a stream.
func (f *Files) stream(dir string) error {
	for _, name := range []string{"meta.inf", "meta.sum", "msgs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); os.IsNotExist(err) {
			f.Damaged = name + " is missing"
			return nil
		} else if err != nil {
			return err
		}
	}
	meta, err := os.ReadFile(filepath.Join(dir, "meta.inf"))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(dir, "meta.sum"))
	if err != nil {
		return err
	}
	var settings struct {
		Metadata map[string]string `json:"metadata"`
	}
	if string(sum) != fmt.Sprintf("%x", checksum(filepath.Base(dir), meta)) || json.Unmarshal(meta, &settings) != nil {
		f.Damaged = "meta.inf or meta.sum was altered or cut short"
		return nil
	}
	f.Identity = settings.Metadata[metaIdentity]
	return f.blocks(dir)
}

// readAtOnce is how many bytes of blocks are read of a log that was closed.
const readAtOnce = 256 << 20

// blocks reads them, newest first, after a clean stop not all when they are many.
func (f *Files) blocks(dir string) error {
	f.dir = dir
	numbers, err := blockNumbers(filepath.Join(dir, "msgs"))
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(dir, "msgs", "index.db"))
	closed, found, size := err == nil, false, 0
	for i := len(numbers) - 1; i >= 0; i-- {
		what, b, err := inspectBlock(dir, numbers[i], i == len(numbers)-1)
		if what != "" || err != nil {
			f.Damaged = what
			return err
		}
		if !found { // the newest may hold nothing but notes of what was erased in others
			f.Last, found = max(f.Last, b.last), b.holds
		}
		if size += len(b.buf); closed && found && size > readAtOnce {
			f.Unread = numbers[:i]
			return nil
		}
	}
	return nil
}

// InspectBlock reads a block while the server runs, which may replace it meanwhile,
// and tells what is wrong with it.
func (f *Files) InspectBlock(n int) (what string, err error) {
	for range 3 {
		what, _, err = inspectBlock(f.dir, n, false)
		if os.IsNotExist(err) {
			return "", nil // erased
		}
		if what == "" && err == nil {
			return "", nil
		}
		time.Sleep(200 * time.Millisecond) // being written, perhaps
	}
	return what, err
}

func blockNumbers(dir string) (out []int, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	for _, name := range names {
		if n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".blk")); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, err
}

// inspectBlock reads one block. Of the newest a crash may have cut the end off;
// what cannot be read is damage when something that can be read is behind it.
func inspectBlock(dir string, n int, newest bool) (string, *block, error) {
	b := &block{key: fmt.Sprintf("%s-%d", filepath.Base(dir), n)}
	raw, err := os.ReadFile(filepath.Join(dir, "msgs", strconv.Itoa(n)+".blk"))
	if err != nil {
		return "", b, err
	}
	if b.buf, err = decompress(raw); err != nil {
		return fmt.Sprintf("block %d.blk cannot be unpacked: %v", n, err), b, nil
	}
	at := b.walk()
	if at == len(b.buf) {
		return "", b, nil
	}
	for next := at + 1; next < len(b.buf); next++ {
		if size, seq, _ := b.record(next); size > 0 && (b.last == 0 || seq > b.last && seq < b.last+1<<20) {
			return fmt.Sprintf("block %d.blk is damaged behind entry %d, and entry %d behind that can be read", n, b.last, seq), b, nil
		}
	}
	if !newest {
		return fmt.Sprintf("block %d.blk is damaged or cut short behind entry %d", n, b.last), b, nil
	}
	return "", b, nil
}

// decompress undoes what the server does to blocks that are full.
func decompress(raw []byte) ([]byte, error) {
	if len(raw) < 5 || string(raw[:3]) != "cmp" || raw[3] != byte(server.S2Compression) {
		return raw, nil
	}
	_, n := binary.Uvarint(raw[4:])
	if n <= 0 {
		return nil, errors.New("its head is damaged")
	}
	return server.S2Compression.Decompress(raw[4+n:])
}

// A record of a block, as the pinned server writes it: length, sequence, time,
// length of the subject, subject, for headers their length and they, the message,
// and a checksum. Bits of the sequence mark what was erased.
const (
	recordHead = 22
	recordSum  = 8
	recordMax  = 32 << 20
	headersBit = 1 << 31
	erasedBit  = 1 << 63
	deletedBit = 1 << 62
)

type block struct {
	buf   []byte
	key   string
	hh    *highwayhash.Digest64
	last  uint64 // the highest sequence that walk saw
	holds bool   // it saw an entry, or what is left of one
}

// walk passes over whole records and returns where it ended.
func (b *block) walk() (at int) {
	for at < len(b.buf) {
		size, seq, note := b.record(at)
		if size == 0 {
			return at
		}
		b.last, b.holds = max(b.last, seq), b.holds || !note
		at += size
	}
	return at
}

// record is the size of the record at an offset, its sequence and whether it is
// only a note that the entry of that sequence was erased elsewhere; size 0: there is
// no whole one.
func (b *block) record(at int) (size int, seq uint64, note bool) {
	if at+recordHead+recordSum > len(b.buf) {
		return 0, 0, false
	}
	head := b.buf[at : at+recordHead]
	length := binary.LittleEndian.Uint32(head)
	subject, skip := int(binary.LittleEndian.Uint16(head[20:])), 0
	if length&headersBit != 0 {
		length, skip = length&^headersBit, 4
	}
	size = int(length)
	if size > recordMax || size < recordHead+subject+skip+recordSum || at+size > len(b.buf) {
		return 0, 0, false
	}
	data := b.buf[at+recordHead : at+size-recordSum]
	if b.hh == nil {
		key := sha256.Sum256([]byte(b.key))
		b.hh, _ = highwayhash.NewDigest64(key[:]) // the key has the right length
	}
	b.hh.Reset()
	for _, part := range [][]byte{head[4:20], data[:subject], data[subject+skip:]} {
		_, _ = b.hh.Write(part) // a hash takes everything
	}
	if !bytes.Equal(b.hh.Sum(nil), b.buf[at+size-recordSum:at+size]) {
		return 0, 0, false
	}
	seq = binary.LittleEndian.Uint64(head[4:])
	return size, seq &^ (erasedBit | deletedBit), seq&deletedBit != 0
}

// checksum is the one that the server keeps beside a stream's settings.
func checksum(name string, data []byte) []byte {
	key := sha256.Sum256([]byte(name))
	hh, _ := highwayhash.NewDigest64(key[:]) // the key has the right length
	_, _ = hh.Write(data)
	return hh.Sum(nil)
}
