package upkeep

import (
	"testing"

	"github.com/autocrud-go/autocrud/pkg/commit"
)

// The payload of a bulk job is read as what its requests meant.
func TestPayloadsOfBulkJobs(t *testing.T) {
	for text, kind := range map[string]commit.PatchKind{
		`{"op":"patch","type":"notes","patch":{"a":1}}`:                                      commit.MergePatch,
		`{"op":"patch","type":"notes","patch":[{"op":"remove","path":"/a"}],"filter":"x=1"}`: commit.JSONPatch,
		`{"op":"delete","type":"notes"}`:                                                     0,
	} {
		b, p, err := readBulk([]byte(text))
		if err != nil || b.Type != "notes" || (p.Body != nil) != (kind != 0) || kind != 0 && p.Kind != kind {
			t.Errorf("%s is %+v with patch %+v, %v", text, b, p, err)
		}
	}
	for op, right := range map[string]string{"patch": "update", "delete": "delete", "restore": "restore", "cancel": "cancel", "rerun": "rerun"} {
		if got := bulkRight(op); got != right {
			t.Errorf("%s needs the right to %s", op, got)
		}
	}
	if typ, err := BulkType(); err != nil || !typ.Builtin || typ.Job == nil {
		t.Errorf("the type of bulk jobs: %+v, %v", typ, err)
	}
}
