package tests_test

import (
	"fmt"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// A schedule is kept as the principal that asked, if that still may then.
func TestAScheduleIsKeptAsThePrincipalThatAsked(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, guardedPolicy)
	writer, _ := key(t, admin, "writer", `,"groups":["press"]`)
	reader, _ := key(t, admin, "reader", "")
	create := func(as *apitest.Client, id string) string {
		as.Post(t, "/v1/films?status=draft&id="+id, `{"title":"`+id+`","genre":"open"}`).Want(t, 201)
		return "/v1/films/" + id
	}
	reader.Post(t, create(admin, "film")+":publish", whenBody(farOff)).WantProblem(t, 403, "permission_denied")
	inTime(func(id, when string) {
		leaver, leaverID := key(t, admin, "leaver-"+id, `,"groups":["press"]`)
		closed := create(admin, id+"-closed")
		for _, path := range []string{create(admin, id+"-kept"), closed, create(writer, id+"-own")} {
			writer.Post(t, path+":publish", whenBody(when)).Want(t, 200).Equal(t, "/meta/scheduled/by", `"key:writer"`)
		}
		leaver.Post(t, create(admin, id+"-left")+":publish", whenBody(when)).Want(t, 200)
		create(admin, id+"-r1")
		two := create(admin, id+"-r2")
		writer.Post(t, "/v1:publish", fmt.Sprintf(`{"at":%q,"items":[{"type":"films","id":"%s-r1"},{"type":"films","id":"%s-r2"}]}`, when, id, id)).Want(t, 200)
		admin.Patch(t, closed, apitest.MergePatch, `{"genre":"closed"}`).Want(t, 200)
		admin.Patch(t, two+"?status=draft", apitest.MergePatch, `{"genre":"closed"}`).Want(t, 200)
		admin.Delete(t, "/v1/api-keys/"+leaverID).Want(t, 200)
	})

	last := func(path, action, principal string) {
		t.Helper()
		unscheduled(t, admin, path)
		all := events(t, admin, path)
		if e := all[len(all)-1]; e["action"] != action || e["principal"] != principal {
			t.Errorf("%s: the last event is %v", path, e)
		}
	}
	last("/v1/films/it-kept", "status_changed", "key:writer")
	last("/v1/films/it-own", "status_changed", "key:writer")
	for _, id := range []string{"closed", "left", "r1", "r2"} { // of a release all, because of one
		last("/v1/films/it-"+id, "unscheduled", "system:schedules")
	}
	admin.Get(t, "/v1/films/it-r1").Want(t, 200).Equal(t, "/meta/published", "null")
}
