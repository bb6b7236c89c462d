package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Targets lists the ids a reference field holds.
func Targets(v query.Value) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []query.Value:
		for _, x := range v {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}

// CheckID refuses an id that could address anything but one resource.
func CheckID(id string) error {
	ok := len(id) >= 1 && len(id) <= 128
	for i := 0; ok && i < len(id); i++ {
		c := id[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
	}
	if !ok {
		return fault.Errorf(fault.InvalidRequest, "an id is 1 to 128 letters, digits, '-' and '_'")
	}
	return nil
}

// UniqueKey is the same for two resources whose values of the fields are the same.
// ok is false when one is null: then they are unique as they are.
func UniqueKey(fields []string, values map[string]query.Value) (key string, ok bool) {
	list := make([]any, len(fields))
	for i, f := range fields {
		switch v := values[f].(type) {
		case nil:
			return "", false
		case time.Time:
			list[i] = strconv.FormatInt(v.UnixMicro(), 10)
		default:
			list[i] = v
		}
	}
	return string(AppendCanonical(nil, list)), true
}

// MaxContent is the largest content of a resource, in bytes of canonical JSON.
const MaxContent = 8 << 20

// ValuesOf extracts the indexed values of canonical content by path, as the index
// has them: what cannot be indexed is null.
func (t *Type) ValuesOf(content []byte) (map[string]query.Value, error) {
	tree, err := DecodeJSON(content)
	if err != nil {
		return nil, fmt.Errorf("stored content: %w", err)
	}
	values, _, _ := t.Project(tree)
	return byName(t, values), nil
}

// byName gives the values of a projection their paths.
func byName(t *Type, values []query.Value) map[string]query.Value {
	out := make(map[string]query.Value, len(values))
	for i, f := range t.Definition().Fields {
		out[f.Name] = values[i]
	}
	return out
}

// ValuesAt is valuesOf for content of any schema version; when no migration fits,
// it is of the content as it is.
func (t *Type) ValuesAt(content []byte, version string) (map[string]query.Value, error) {
	now, err := t.Current(content, version)
	if fault.CodeOf(err) == fault.InvalidState {
		now, err = content, nil
	}
	if err != nil {
		return nil, err
	}
	return t.ValuesOf(now)
}

// Target splits a reference into id and, for revision references, number.
func (r Ref) Target(v string) (id string, number int, ok bool) {
	id = v
	if i := strings.LastIndexByte(v, ':'); r.Revision && i >= 0 {
		n, err := strconv.Atoi(v[i+1:])
		if err != nil || n < 1 {
			return "", 0, false
		}
		id, number = v[:i], n
	}
	return id, number, CheckID(id) == nil
}

// claimSetOf names the unique constraints of a type, with the kinds of their
// fields.
func (t *Type) claimSetOf() string {
	if len(t.Unique) == 0 {
		return ""
	}
	kinds := map[string]string{}
	for _, f := range t.Definition().Fields {
		kinds[f.Name] = f.Kind.String()
	}
	h := sha256.New()
	for _, fields := range t.Unique {
		for _, f := range fields {
			h.Write([]byte(f + "\x00" + kinds[f] + "\x00"))
		}
		h.Write([]byte{1})
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// References lists the ids that a reference field of a document leads to, and
// whether the field is a list. No document has none.
func (t *Type) References(content []byte, field string) (ids []string, list bool, err error) {
	if content == nil {
		return nil, false, nil
	}
	values, err := t.ValuesOf(content)
	if err != nil {
		return nil, false, err
	}
	f, _ := t.Definition().QueryFields().Lookup(field)
	for _, v := range Targets(values[field]) {
		if id, _, ok := t.Refs[field].Target(v); ok {
			ids = append(ids, id)
		}
	}
	return ids, f.List, nil
}

// CheckExpand refuses fields that are no references of the type.
func (t *Type) CheckExpand(fields []string) error {
	for _, f := range fields {
		if _, ok := t.Refs[f]; !ok {
			return fault.Errorf(fault.InvalidRequest, "expand: %q is no reference of %s", f, t.Name)
		}
	}
	return nil
}

// Carries reports whether the type's references follow deletes.
func (t *Type) Carries() bool {
	for _, r := range t.Refs {
		if r.OnDelete == Cascade || r.OnDelete == SetNull {
			return true
		}
	}
	return false
}

// HashOf is the hash of canonical content as revisions have it.
func HashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// CheckHash refuses content whose hash is another one, with ErrCorrupt.
func CheckHash(content []byte, want string) error {
	if got := HashOf(content); got != want {
		return fmt.Errorf("content is %s, want %s: %w", got, want, storage.ErrCorrupt)
	}
	return nil
}
