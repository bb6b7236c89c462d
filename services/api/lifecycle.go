package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

func deleteResource(a *API, c call) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	r, err := a.m.Delete(c.r.Context(), c.t.Name, c.id, match)
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, parts{meta: true})
}

func restoreResource(a *API, c call) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	o, err := c.restoring()
	if err != nil {
		return a.unfitRestore(c, match, err)
	}
	o.IfMatch = match
	r, err := a.m.RestoreAs(c.r.Context(), c.t.Name, c.id, o)
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, everything)
}

func switchRevision(a *API, c call) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	body, err := readObject(c.w, c.r, "revision")
	if err != nil {
		return a.unfit(c, "switch", match, err)
	}
	n, ok := body["revision"].(int64)
	if !ok || n < 1 || n > 1<<31-1 {
		return a.unfit(c, "switch", match, invalid("/revision", "must be the number of a revision, from 1 on"))
	}
	r, err := a.m.Switch(c.r.Context(), c.t.Name, c.id, int(n), match)
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, everything)
}

func setStatus(a *API, c call) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	body, err := readObject(c.w, c.r, "status")
	if err != nil {
		return a.unfit(c, "publish", match, err)
	}
	name, _ := body["status"].(string)
	status := storage.Status(name)
	if status != storage.Draft && status != storage.Stable {
		return a.unfit(c, "publish", match, invalid("/status", "must be draft or stable"))
	}
	r, err := a.m.SetStatus(c.r.Context(), c.t.Name, c.id, status, match)
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, everything)
}

// unfit is the answer to a body that does not fit its action, unless something
// refuses the write that is told first.
func (a *API) unfit(c call, action string, match resource.Match, err error) error {
	if fault.CodeOf(err) == fault.ValidationFailed {
		if first := a.m.Check(c.r.Context(), action, c.t.Name, c.id, match); first != nil {
			return first
		}
	}
	return err
}

// purgeResource erases a resource. 202 tells that the erasing goes on; the resource is
// gone for every reader all the same.
func purgeResource(a *API, c call) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	out, err := a.m.Upkeep.Purge(c.r.Context(), c.t.Name, c.id, match)
	if err != nil {
		return err
	}
	if out.Job != nil {
		c.w.Header().Set("Location", "/v1/"+upkeep.BulkJobs+"/"+out.Job.ID)
		c.w.Header().Set("Autocrud-Seq", strconv.FormatUint(out.Seq, 10))
		return c.send(http.StatusAccepted, out.Job, everything, nil)
	}
	c.w.Header().Set("Autocrud-Seq", strconv.FormatUint(out.Seq, 10))
	status := http.StatusNoContent
	if !out.Done {
		status = http.StatusAccepted
	}
	c.w.WriteHeader(status)
	return nil
}

// restoring reads the body of a restore, which may be empty.
func (c call) restoring() (o resource.RestoreOptions, err error) {
	b, err := readBody(c.w, c.r, maxBody)
	if err != nil || len(b) == 0 {
		return o, err
	}
	c.r.Body, c.r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	body, err := readObject(c.w, c.r, "revision", "patch")
	if err != nil {
		return o, err
	}
	if n, given := body["revision"]; given {
		var ok bool
		if o.Revision, ok = revisionNumber(n); !ok {
			return o, invalid("/revision", "must be the number of a revision, from 1 on")
		}
	}
	if patch, given := body["patch"]; given {
		o.Patch = patchOf(patch)
	}
	return o, nil
}

// unfitRestore is unfit for what is deleted.
func (a *API) unfitRestore(c call, match resource.Match, err error) error {
	if fault.CodeOf(err) != fault.ValidationFailed {
		return err
	}
	if first := a.m.Check(c.r.Context(), "restore", c.t.Name, c.id, match); first != nil && fault.CodeOf(first) != fault.Deleted {
		return first
	}
	return err
}

func revisionNumber(v any) (int, bool) {
	n, ok := v.(int64)
	return int(n), ok && n >= 1 && n <= 1<<31-1
}

// patchOf tells the two formats of a patch apart: a list is RFC 6902.
func patchOf(body any) resource.Patch {
	if _, list := body.([]any); list {
		return resource.Patch{Kind: resource.JSONPatch, Body: body}
	}
	return resource.Patch{Kind: resource.MergePatch, Body: body}
}

// publishResource publishes HEAD, now or at a time.
func publishResource(a *API, c call) error {
	return publishing(a, c, a.m.PublishAt, "at", "revision")
}

// unpublishResource takes back what is published, now or at a time.
func unpublishResource(a *API, c call) error { return publishing(a, c, a.m.UnpublishAt, "at") }

func publishing(a *API, c call, do func(context.Context, string, string, resource.When, resource.Match) (*resource.Resource, error), members ...string) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	when, err := c.when(members...)
	if err != nil {
		return a.unfit(c, "publish", match, err)
	}
	r, err := do(c.r.Context(), c.t.Name, c.id, when, match)
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, everything)
}

// when reads the body of what can be done at a time, which may be empty.
func (c call) when(members ...string) (w resource.When, err error) {
	b, err := readBody(c.w, c.r, maxBody)
	if err != nil || len(b) == 0 {
		return w, err
	}
	c.r.Body, c.r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	body, err := readObject(c.w, c.r, members...)
	if err != nil {
		return w, err
	}
	return whenOf(body)
}

// whenOf is the time that a body says: without one now, null that it is not done.
func whenOf(body map[string]any) (w resource.When, err error) {
	at, timed := body["at"]
	if text, ok := at.(string); ok {
		if w.At, err = query.ParseTime(text); err != nil {
			return w, invalid("/at", err.Error())
		}
	} else if w.Cancel = timed && at == nil; timed && !w.Cancel {
		return w, invalid("/at", "must be a date and time as in RFC 3339 with its zone, or null to cancel")
	}
	revision, given := body["revision"]
	switch {
	case !given:
	case revision != "newest":
		return w, invalid("/revision", `must be "newest"; without it, it is the revision that is HEAD now`)
	case w.At.IsZero():
		return w, invalid("/revision", "is for what is done at a time: at is missing")
	}
	w.Newest = given
	return w, nil
}

// yielding are the types of applications without an action of a name of the program that
// came later.
func yielding(actions []*resource.Action, name string) func(*model.Type) bool {
	own := map[string]bool{}
	for _, x := range actions {
		if x.Name == name {
			own[x.Type] = true
		}
	}
	return func(t *model.Type) bool { return !t.Builtin && !own[t.Name] }
}
