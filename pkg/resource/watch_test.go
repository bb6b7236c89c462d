package resource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const notes = `
name: notes
schema: {type: object, properties: {owner: {type: string}, text: {type: string}, salary: {type: integer}}}
index: [owner]
`

// TestVisibleDecidesForEveryEvent watches as a caller who may see own notes
// only, without the salary, and loses even that right in between.
func TestVisibleDecidesForEveryEvent(t *testing.T) {
	may := true
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, notes), testenv.StackOptions{Manager: func(o *resource.Options) {
		o.Visible = func(ctx context.Context, e *storage.Event, content json.RawMessage) (json.RawMessage, bool) {
			who := policy.ActorOf(ctx).Principal
			if !may || content != nil && !strings.Contains(string(content), `"owner":"`+who+`"`) {
				return nil, false
			}
			return json.RawMessage(strings.Replace(string(content), `,"salary":5`, "", 1)), true
		}
	}})
	ctx := policy.WithActor(t.Context(), policy.Actor{Principal: "ann"})
	zero := uint64(0)
	watch := func() *resource.Watch {
		w, err := s.Manager.Watches.Watch(ctx, resource.WatchOptions{Type: "notes", After: &zero})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		return w
	}
	put := func(id, owner string) {
		t.Helper()
		_, _, err := s.Manager.Update(ctx, "notes", id, map[string]any{"owner": owner, "salary": int64(5)}, resource.UpdateOptions{})
		if fault.CodeOf(err) == fault.NotFound {
			_, err = s.Manager.Create(ctx, "notes", map[string]any{"owner": owner, "salary": int64(5)}, resource.CreateOptions{ID: id})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	take := func(w *resource.Watch, n int) (out []string) {
		t.Helper()
		for range n {
			x, err := w.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var env struct {
				Data json.RawMessage
				Meta struct{ ID string }
			}
			if err := json.Unmarshal(x.Envelope, &env); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(x.Envelope), "salary") || strings.Contains(string(x.Envelope), "bob") {
				t.Errorf("told %s", x.Envelope)
			}
			out = append(out, fmt.Sprint(x.Action, " ", env.Meta.ID))
		}
		return out
	}
	live := watch()
	put("a", "ann")
	put("b", "bob")
	put("b", "ann") // given to her
	put("a", "bob") // taken from her
	put("a", "bob")
	put("c", "ann")
	want := []string{"created a", "updated b", "left a", "created c"}
	if got := take(live, 4); !reflect.DeepEqual(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if got := take(watch(), 4); !reflect.DeepEqual(got, want) {
		t.Errorf("from the beginning told %q, want %q", got, want)
	}
	may = false
	put("b", "bob")
	put("c", "ann2")
	passed, err := s.Log.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for live.At() < passed.Last { // until it has looked at them
		short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
		if x, err := live.Next(short); err == nil {
			t.Errorf("told %s %s without a right", x.Action, x.Envelope)
		}
		cancel()
	}
	may = true
	put("d", "ann")
	if got := take(live, 1); got[0] != "created d" {
		t.Errorf("told %q", got)
	}
}
