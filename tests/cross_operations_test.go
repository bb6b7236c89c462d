package tests_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// The writes that a type's own paths take.

func onType(suffix string) func(typ, id string) string {
	return func(typ, _ string) string { return "/v1/" + typ + suffix }
}

func onResource(suffix string) func(typ, id string) string {
	return func(typ, id string) string { return "/v1/" + typ + "/" + id + suffix }
}

// withDoc sends the document, whole or as a merge patch; withJSON sends operations.
func withDoc(k *kind, _, _ string, doc content) any { return anyMap(k.doc(doc)) }

func withJSON(k *kind, _, _ string, doc content) any {
	ops, out := []any{}, k.doc(doc)
	for _, name := range slices.Sorted(maps.Keys(out)) {
		ops = append(ops, map[string]any{"op": "add", "path": "/" + name, "value": out[name]})
	}
	return ops
}

func withNothing(*kind, string, string, content) any { return map[string]any{} }

func withObject(doc map[string]any) func(*kind, string, string, content) any {
	return func(*kind, string, string, content) any { return maps.Clone(doc) }
}

func anyMap(c content) map[string]any { return c }

// The states that operations begin with.

func (c *cell) put(id string, doc content) {
	c.Helper()
	c.w.admin.Put(c, c.path(id), c.op.kind.doc(doc), apitest.IfMatch(c.state(id).etag)).Want(c, 200)
}

func (c *cell) post(path string, body any, etag string) *apitest.Response {
	c.Helper()
	if etag == "" {
		return c.w.admin.Post(c, path, body)
	}
	return c.w.admin.Post(c, path, body, apitest.IfMatch(etag))
}

// isLive creates it.
func isLive(c *cell, id string, before, _ content) { c.create(id, before) }

// isDraft creates it as a draft.
func isDraft(c *cell, id string, before, _ content) {
	c.w.admin.Post(c, "/v1/"+c.op.kind.name+"?status=draft&id="+id, c.op.kind.doc(before)).Want(c, 201)
}

// isStable creates it as what is stable.
func isStable(c *cell, id string, before, _ content) {
	c.w.admin.Post(c, "/v1/"+c.op.kind.name+"?status=stable&id="+id, c.op.kind.doc(before)).Want(c, 201)
}

// isDeleted creates and deletes it.
func isDeleted(c *cell, id string, before, _ content) {
	c.create(id, before)
	c.w.admin.Delete(c, c.path(id), apitest.IfMatch(c.state(id).etag)).Want(c, 200)
}

// hadAfter creates it with the content that a switch to revision 1 brings back.
func hadAfter(c *cell, id string, before, after content) {
	c.create(id, after)
	if len(before) == len(after) && before["name"] == after["name"] {
		before = before.and("slot", "another") // a revision of its own
	}
	c.put(id, before)
}

// hadAfterDeleted is that, deleted.
func hadAfterDeleted(c *cell, id string, before, after content) {
	hadAfter(c, id, before, after)
	c.w.admin.Delete(c, c.path(id), apitest.IfMatch(c.state(id).etag)).Want(c, 200)
}

// isCancelled creates a job and cancels it.
func isCancelled(c *cell, id string, before, _ content) {
	c.create(id, before)
	c.post(c.path(id)+":cancel", nil, c.state(id).etag).Want(c, 200)
}

// row makes an operation of a kind that writes a resource.
func (k *kind) row(name string, ch change, of ...string) *operation {
	for i, o := range of {
		of[i] = k.name + "." + o
	}
	return &operation{name: k.name + " " + name, kind: k, of: of, form: form{change: &ch}}
}

// released makes the row of a release.
func (k *kind) released(name, action string, when map[string]any) *operation {
	body := func(typ string, ids ...string) map[string]any {
		items := []any{}
		for _, id := range ids {
			items = append(items, map[string]any{"type": typ, "id": id})
		}
		out := map[string]any{"items": items}
		maps.Copy(out, when)
		return out
	}
	row := k.row(name, change{right: "publish", action: action, keeps: when != nil, arrange: isDraft,
		wire: &wire{method: "POST", path: func(string, string) string { return "/v1:publish" },
			body: func(_ *kind, typ, id string, _ content) any { return body(typ, id) },
			match: func(body any, etag string) {
				body.(map[string]any)["items"].([]any)[0].(map[string]any)["if_match"] = etag
			}},
		several: func(c *cell, by *caller, ids []string, _ content) {
			by.Post(c, "/v1:publish", body(c.op.kind.name, ids...))
		}})
	row.of = []string{"release"}
	return row
}

// writes are the operations on paths of a type that write a resource.
func (k *kind) writes() []*operation {
	rows := []*operation{
		k.row("POST", change{right: "create", action: "created", makes: true, brings: true, status: true,
			wire: &wire{method: "POST", path: func(typ, id string) string { return "/v1/" + typ + "?id=" + id }, body: withDoc}}, "create"),
		k.row("PUT", change{right: "update", action: "updated", brings: true, status: true, arrange: isLive,
			wire: &wire{method: "PUT", path: onResource(""), body: withDoc}}, "replace"),
		k.row("PUT create", change{right: "create", action: "created", makes: true, brings: true, status: true,
			wire: &wire{method: "PUT", path: onResource(""), header: []string{"If-None-Match", "*"}, body: withDoc, unmatched: true}}, "replace"),
		k.row("PUT mode=modify", change{right: "modify", action: "modified", brings: true, inPlace: true, arrange: isDraft,
			wire: &wire{method: "PUT", path: onResource(""), query: "mode=modify", body: withDoc}}, "replace"),
		k.row("PATCH merge", change{right: "update", action: "updated", brings: true, status: true, arrange: isLive,
			wire: &wire{method: "PATCH", path: onResource(""), media: apitest.MergePatch, body: withDoc}}, "patch"),
		k.row("PATCH json", change{right: "update", action: "updated", brings: true, status: true, arrange: isLive,
			wire: &wire{method: "PATCH", path: onResource(""), media: apitest.JSONPatch, body: withJSON}}, "patch"),
		k.row("PATCH mode=modify", change{right: "modify", action: "modified", brings: true, inPlace: true, arrange: isDraft,
			wire: &wire{method: "PATCH", path: onResource(""), query: "mode=modify", media: apitest.MergePatch, body: withDoc}}, "patch"),
		k.row("DELETE", change{right: "delete", action: "deleted", ends: true, keeps: true, arrange: isLive,
			wire: &wire{method: "DELETE", path: onResource("")}}, "delete"),
		k.row(":restore", change{right: "restore", action: "restored", revives: true, keeps: true, arrange: isDeleted,
			wire: &wire{method: "POST", path: onResource(":restore"), body: withNothing}}, "restore"),
		k.row(":restore of a revision", change{right: "restore", action: "restored", revives: true, brings: true, old: true, arrange: hadAfterDeleted,
			wire: &wire{method: "POST", path: onResource(":restore"), body: withObject(map[string]any{"revision": 1})}}, "restore"),
		k.row(":restore with a patch", change{right: "restore", action: "restored", revives: true, brings: true, arrange: isDeleted,
			wire: &wire{method: "POST", path: onResource(":restore"), body: func(k *kind, typ, id string, doc content) any {
				return map[string]any{"patch": withDoc(k, typ, id, doc)}
			}}}, "restore"),
		k.row(":switch", change{right: "switch", action: "switched", brings: true, old: true, arrange: hadAfter,
			wire: &wire{method: "POST", path: onResource(":switch"), body: withObject(map[string]any{"revision": 1})}}, "switch"),
		k.row(":status stable", change{right: "publish", action: "status_changed", arrange: isDraft,
			wire: &wire{method: "POST", path: onResource(":status"), body: withObject(map[string]any{"status": "stable"})}}, "status"),
		k.row(":status draft", change{right: "publish", action: "updated", arrange: isStable,
			wire: &wire{method: "POST", path: onResource(":status"), body: withObject(map[string]any{"status": "draft"})}}, "status"),
		k.row(":publish", change{right: "publish", action: "status_changed", arrange: isDraft,
			wire: &wire{method: "POST", path: onResource(":publish"), body: withNothing}}, "publish"),
		k.row(":unpublish", change{right: "publish", action: "unpublished", keeps: true, arrange: isStable,
			wire: &wire{method: "POST", path: onResource(":unpublish"), body: withNothing}}, "unpublish"),
		k.row(":publish at a time", change{right: "publish", action: "scheduled", keeps: true, arrange: isDraft,
			wire: &wire{method: "POST", path: onResource(":publish"), body: withObject(map[string]any{"at": farOff})}}, "publish"),
		k.row(":unpublish at a time", change{right: "publish", action: "scheduled", keeps: true, arrange: isStable,
			wire: &wire{method: "POST", path: onResource(":unpublish"), body: withObject(map[string]any{"at": farOff})}}, "unpublish"),
		k.released("release", "status_changed", nil),
		k.released("release at a time", "scheduled", map[string]any{"at": farOff}),
		k.row(":purge", change{right: "purge", action: "purged", ends: true, arrange: isLive,
			wire: &wire{method: "POST", path: onResource(":purge"), body: withNothing}}, "purge"),
	}
	if k.inForce {
		rows = slices.DeleteFunc(rows, func(o *operation) bool {
			o.change.status = false
			return o.change.inPlace || o.change.right == "publish"
		})
	}
	if k.job {
		rows = append(rows,
			k.row(":cancel", change{right: "cancel", action: "job_cancelled", keeps: true, arrange: isLive,
				wire: &wire{method: "POST", path: onResource(":cancel"), body: withNothing}}, "cancel"),
			k.row(":rerun", change{right: "rerun", action: "job_rerun", keeps: true, arrange: isCancelled,
				wire: &wire{method: "POST", path: onResource(":rerun"), body: withNothing}}, "rerun"))
	}
	return rows
}

// operations are all rows.
func (w *world) operations(t testing.TB) []*operation {
	rows := w.others(t) // the slow ones first
	for _, k := range []*kind{ordinary(), draftFirst(), taskKind()} {
		rows = append(rows, k.writes()...)
		rows = append(rows, k.calls()...)
		rows = append(rows, k.looks()...)
	}
	return append(append(rows, w.wholes()...), w.builtins()...)
}

// keptBinaries sweeps at once what nothing refers to, and reads every binary that
// was to be kept.
func (w *world) keptBinaries(t testing.TB) (faults []string) {
	t.Helper()
	dropped := w.admin.Post(t, "/v1/blobs", w.marker(), apitest.Header("Content-Type", "text/plain")).Want(t, 201).Text("/digest")
	swept, err := w.upkeep.Sweep(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.kept) > 0 && swept.Binaries == 0 {
		faults = append(faults, "the sweep did not even remove "+dropped)
	}
	for _, b := range w.kept {
		if r := w.admin.Get(t, b.path); r.Status != 200 {
			faults = append(faults, fmt.Sprintf("%s / binary: is kept: after a sweep %s is %d", b.cell, b.path, r.Status))
		}
	}
	return faults
}
