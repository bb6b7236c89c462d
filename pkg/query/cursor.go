package query

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// The errors of Decode.
var (
	// ErrForeignCursor: the token was not made with this key, or was altered.
	ErrForeignCursor = errors.New("the page token is not one of ours")
	// ErrOtherCursor: the token is ours but continues another list.
	ErrOtherCursor = errors.New("the page token belongs to another filter or order")
)

// MaxToken is the longest token that is read, in bytes: a full order of the
// longest indexed texts fits.
const MaxToken = 24 << 10

const (
	macSize     = 16
	bindingSize = 12
)

// Cursors makes and reads page tokens. A token tells a client nothing it could
// build on and cannot be altered; it works for the list it was made for only.
type Cursors struct{ key []byte }

// NewCursors takes the secret key that all processes of a deployment share.
func NewCursors(key []byte) *Cursors {
	// A key of its own, so that no other use of the secret can make a token.
	m := hmac.New(sha256.New, key)
	m.Write([]byte("page token"))
	return &Cursors{key: m.Sum(nil)}
}

// Encode makes the token of c. The binding is everything that makes the list
// what it is: type, filter, order and so on, in words of the caller.
func (k *Cursors) Encode(c Cursor, binding string) string {
	b := sha256.Sum256([]byte(binding))
	payload := append([]byte(nil), b[:bindingSize]...)
	payload = binary.AppendUvarint(payload, uint64(len(c.Values)))
	for _, v := range c.Values {
		payload = appendValue(payload, v)
	}
	payload = appendText(payload, c.ID)
	return base64.RawURLEncoding.EncodeToString(append(k.mac(payload), payload...))
}

// Decode reads a token made with the same binding. A cursor of an order has as
// many values as the order, each of its term's kind; an empty order leaves the
// values to the caller. It returns ErrForeignCursor or ErrOtherCursor.
func (k *Cursors) Decode(token, binding string, order Order) (Cursor, error) {
	if len(token) > MaxToken {
		return Cursor{}, ErrForeignCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < macSize+bindingSize || !hmac.Equal(raw[:macSize], k.mac(raw[macSize:])) {
		return Cursor{}, ErrForeignCursor
	}
	raw = raw[macSize:]
	b := sha256.Sum256([]byte(binding))
	if string(raw[:bindingSize]) != string(b[:bindingSize]) {
		return Cursor{}, ErrOtherCursor
	}
	c, ok := readCursor(raw[bindingSize:])
	if !ok {
		return Cursor{}, ErrForeignCursor
	}
	if len(order) > 0 && !c.fits(order) {
		return Cursor{}, ErrOtherCursor
	}
	return c, nil
}

func (k *Cursors) mac(payload []byte) []byte {
	m := hmac.New(sha256.New, k.key)
	m.Write(payload)
	return m.Sum(nil)[:macSize]
}

// fits reports whether the values could be those of a row in this order.
func (c Cursor) fits(order Order) bool {
	if len(c.Values) != len(order) {
		return false
	}
	for i, t := range order {
		ok := false
		switch c.Values[i].(type) {
		case nil:
			ok = true
		case string:
			ok = t.Field.Kind == Text
		case int64, float64:
			ok = t.Field.Kind == Integer || t.Field.Kind == Number
		case bool:
			ok = t.Field.Kind == Boolean
		case time.Time:
			ok = t.Field.Kind == Time
		}
		if !ok {
			return false
		}
	}
	return true
}

// appendValue writes a tag and the value, exactly.
func appendValue(b []byte, v Value) []byte {
	switch v := v.(type) {
	case string:
		return appendText(append(b, 's'), v)
	case int64:
		return binary.AppendVarint(append(b, 'i'), v)
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(v))
	case bool:
		return append(b, 'b', byte(boolInt(v)))
	case time.Time:
		return binary.AppendVarint(append(b, 't'), Micros(v))
	}
	return append(b, 'n')
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cursorReader reads what appendValue wrote; bad once anything is short.
type cursorReader struct {
	b   []byte
	bad bool
}

func readCursor(b []byte) (Cursor, bool) {
	r := &cursorReader{b: b}
	n := r.uvarint()
	if n > MaxTerms {
		return Cursor{}, false
	}
	c := Cursor{Values: make([]Value, n)}
	for i := range c.Values {
		c.Values[i] = r.value()
	}
	c.ID = string(r.bytes(r.uvarint()))
	return c, !r.bad && len(r.b) == 0
}

func (r *cursorReader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, n = true, 0
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *cursorReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *cursorReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *cursorReader) value() Value {
	tag := r.bytes(1)
	if r.bad {
		return nil
	}
	switch tag[0] {
	case 's':
		return string(r.bytes(r.uvarint()))
	case 'i':
		return r.varint()
	case 'f':
		if b := r.bytes(8); len(b) == 8 {
			return math.Float64frombits(binary.BigEndian.Uint64(b))
		}
	case 'b':
		b := r.bytes(1)
		return len(b) == 1 && b[0] == 1
	case 't':
		return time.UnixMicro(r.varint()).UTC()
	case 'n':
		return nil
	}
	r.bad = true
	return nil
}
