package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// piece is what a recorder with a key keeps of entries.
func piece(t *testing.T, key string, entries ...storage.AuditEntry) []byte {
	t.Helper()
	r := NewRecorder(nil, []byte(key))
	body, err := json.Marshal(Link{Version: auditVersion, Chain: "a", Number: 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		body = append(append(body, '\n'), line...)
	}
	return append(append(r.code(body), '\n'), body...)
}

// Every byte of a piece is vouched for by its code, which needs the key.
func TestAlterationsOfAPieceShow(t *testing.T) {
	whole := piece(t, "key", storage.AuditEntry{Principal: "user:ann", Action: "read"}, storage.AuditEntry{Principal: "user:bob", Action: "list"})
	r := NewRecorder(nil, []byte("key"))
	link, entries, genuine, err := r.ReadPiece(whole)
	if err != nil || !genuine || link.Number != 7 || len(entries) != 2 || entries[1].Principal != "user:bob" {
		t.Fatalf("read as %+v %+v, genuine %v, %v", link, entries, genuine, err)
	}
	for i := range whole {
		altered := bytes.Clone(whole)
		altered[i] ^= 1
		if _, _, genuine, err := r.ReadPiece(altered); genuine && err == nil {
			t.Fatalf("byte %d was altered, and nothing shows", i)
		}
	}
	if _, _, genuine, _ := NewRecorder(nil, []byte("another")).ReadPiece(whole); genuine {
		t.Error("another key vouches for it")
	}
	if _, _, _, err := r.ReadPiece([]byte("no lines")); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("what is no piece: %v", err)
	}
}
