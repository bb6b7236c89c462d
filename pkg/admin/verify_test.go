package admin

import (
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

func TestConstraintsAreFoundByTheirNames(t *testing.T) {
	unique := [][]string{{"code"}, {"first", "last"}}
	for name, want := range map[string]bool{"code": true, "first,last": true, "last,first": false, "first": false} {
		if named(unique, name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// The audit is asked for by what an entry says; what is not said matches all.
func TestWhichEntriesTheAuditWants(t *testing.T) {
	e := &storage.AuditEntry{Principal: "user:ann", Action: "read", Type: "notes", ID: "a", Outcome: "ok"}
	for _, c := range []struct {
		o    AuditOptions
		want bool
	}{
		{AuditOptions{}, true},
		{AuditOptions{Principal: "user:ann", Type: "notes", Action: "read"}, true},
		{AuditOptions{Principal: "user:bob"}, false},
		{AuditOptions{Type: "films"}, false},
		{AuditOptions{Outcome: "refused"}, false},
		{AuditOptions{Type: "notes", ID: "b"}, false},
	} {
		if got := (&auditListing{o: c.o}).wants(e); got != c.want {
			t.Errorf("%+v: %v", c.o, got)
		}
	}
}
