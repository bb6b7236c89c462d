package fsblob

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
)

type header struct {
	magic uint32
	state byte
	key   int
	data  int
	sum   uint32
}

func (h header) size() int { return headerSize + h.key + h.data }

func parseHeader(b []byte) header {
	return header{
		magic: binary.LittleEndian.Uint32(b),
		state: b[4],
		key:   int(binary.LittleEndian.Uint16(b[5:])),
		data:  int(binary.LittleEndian.Uint32(b[7:])),
		sum:   binary.LittleEndian.Uint32(b[11:]),
	}
}

// scan calls fn for every whole record and returns where the last one ends.
func scan(f *os.File, fn func(at int64, h header, key []byte) error) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, info.Size()), 1<<20)
	head := make([]byte, headerSize)
	var at int64
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			return at, nil //nolint:nilerr // the end, or a record cut short
		}
		h := parseHeader(head)
		if h.magic != magic || at+int64(h.size()) > info.Size() {
			return at, nil
		}
		key := make([]byte, h.key)
		if _, err := io.ReadFull(r, key); err != nil {
			return at, err
		}
		if err := fn(at, h, key); err != nil {
			return at, err
		}
		if _, err := r.Discard(h.data); err != nil {
			return at, err
		}
		at += int64(h.size())
	}
}
