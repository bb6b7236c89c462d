package natslog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server"
)

// Files is what the files of an embedded server's log tell before the server
// opens them.
type Files struct {
	There   bool     // the log of the namespace has a folder
	Others  []string // other namespaces that have one
	Damaged string   // what is wrong with them, a sentence; empty: nothing that was looked at
}

// Inspect looks at the files of a log below the folder of an embedded server. It
// must be asked before the server is: that one takes damage in a block for the
// place where a crash cut it off, and cuts off the whole rest. After a clean stop
// the newest block is read, else all are. It changes nothing.
func Inspect(dir, namespace string) (f Files, err error) {
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
		f.Damaged, err = inspectStream(own)
	}
	return f, err
}

// inspectStream tells what is wrong with the folder of a stream.
func inspectStream(dir string) (string, error) {
	for _, name := range []string{"meta.inf", "meta.sum", "msgs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); os.IsNotExist(err) {
			return name + " is missing", nil
		} else if err != nil {
			return "", err
		}
	}
	meta, err := os.ReadFile(filepath.Join(dir, "meta.inf"))
	if err != nil {
		return "", err
	}
	sum, err := os.ReadFile(filepath.Join(dir, "meta.sum"))
	if err != nil {
		return "", err
	}
	if string(sum) != fmt.Sprintf("%x", checksum(filepath.Base(dir), meta)) {
		return "meta.inf or meta.sum was altered or cut short", nil
	}
	numbers, err := blockNumbers(filepath.Join(dir, "msgs"))
	if err != nil || len(numbers) == 0 {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "msgs", "index.db")); err == nil {
		numbers = numbers[len(numbers)-1:] // it was closed: the server reads no other
	}
	for i, n := range numbers {
		what, err := inspectBlock(dir, n, i == len(numbers)-1)
		if what != "" || err != nil {
			return what, err
		}
	}
	return "", nil
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
func inspectBlock(dir string, n int, newest bool) (string, error) {
	name := filepath.Join(dir, "msgs", strconv.Itoa(n)+".blk")
	raw, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	buf, err := decompress(raw)
	if err != nil {
		return fmt.Sprintf("block %d.blk cannot be unpacked: %v", n, err), nil
	}
	b := block{buf: buf, key: fmt.Sprintf("%s-%d", filepath.Base(dir), n)}
	at, last := b.walk(0, 0)
	if at == len(buf) {
		return "", nil
	}
	for next := at + 1; next < len(buf); next++ {
		if size, seq := b.record(next); size > 0 && (last == 0 || seq > last && seq < last+1<<20) {
			return fmt.Sprintf("block %d.blk is damaged behind entry %d, and entry %d behind that can be read", n, last, seq), nil
		}
	}
	if !newest {
		return fmt.Sprintf("block %d.blk is damaged or cut short behind entry %d", n, last), nil
	}
	return "", nil
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
	buf []byte
	key string
	hh  *highwayhash.Digest64
}

// walk passes over whole records from an offset on and returns where it ended
// and the highest sequence it saw.
func (b *block) walk(at int, last uint64) (int, uint64) {
	for at < len(b.buf) {
		size, seq := b.record(at)
		if size == 0 {
			return at, last
		}
		last = max(last, seq)
		at += size
	}
	return at, last
}

// record is the size of the record at an offset and its sequence; size 0: there
// is no whole one.
func (b *block) record(at int) (size int, seq uint64) {
	if at+recordHead+recordSum > len(b.buf) {
		return 0, 0
	}
	head := b.buf[at : at+recordHead]
	length := binary.LittleEndian.Uint32(head)
	subject, skip := int(binary.LittleEndian.Uint16(head[20:])), 0
	if length&headersBit != 0 {
		length, skip = length&^headersBit, 4
	}
	size = int(length)
	if size > recordMax || size < recordHead+subject+skip+recordSum || at+size > len(b.buf) {
		return 0, 0
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
		return 0, 0
	}
	return size, binary.LittleEndian.Uint64(head[4:]) &^ (erasedBit | deletedBit)
}

// checksum is the one that the server keeps beside a stream's settings.
func checksum(name string, data []byte) []byte {
	key := sha256.Sum256([]byte(name))
	hh, _ := highwayhash.NewDigest64(key[:]) // the key has the right length
	_, _ = hh.Write(data)
	return hh.Sum(nil)
}
