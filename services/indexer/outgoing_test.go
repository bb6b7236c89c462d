package indexer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestWhatIsToldFitsAMessage: content and the result of a job each are small
// enough, together they are not for a server that takes 1 MiB.
func TestWhatIsToldFitsAMessage(t *testing.T) {
	e := &storage.Event{Action: storage.JobSucceeded, Content: []byte(`"` + strings.Repeat("c", 890<<10) + `"`),
		Meta: storage.Meta{Type: "jobs", ID: "j", Job: &storage.Job{}}, Revision: storage.Revision{Number: 3}}
	for size, ref := range map[int]string{1 << 10: "", 250 << 10: "/v1/jobs/j/revisions/3"} {
		e.Meta.Job.Result = []byte(`"` + strings.Repeat("r", size) + `"`)
		o, err := (&publisher{}).outgoing(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		var told struct {
			Data any
			Meta struct{ Job struct{ Result string } }
		}
		if err := json.Unmarshal(o.Body, &told); err != nil {
			t.Fatal(err)
		}
		if len(o.Body) > 1<<20-16<<10 || o.DataRef != ref || (told.Data == nil) != (ref != "") || len(told.Meta.Job.Result) != size {
			t.Errorf("with a result of %d bytes %d are told, data %v, elsewhere %q", size, len(o.Body), told.Data != nil, o.DataRef)
		}
	}
}
