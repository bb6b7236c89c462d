package tests_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// The ways to a write that are no path of its resource: batches, bulk changes,
// actions, the handlers of jobs, schedules, imports.

// batchMembers is one operation of a batch for a resource and what it is to become.
func batchMembers(k *kind, op, typ, id string, doc content) map[string]any {
	out := map[string]any{"op": op, "type": typ, "id": id}
	switch op {
	case "create", "update", "modify":
		out["data"] = anyMap(k.doc(doc))
	case "patch":
		out["patch"] = anyMap(k.doc(doc))
	case "switch":
		out["revision"] = 1
	}
	return out
}

// batches are all operations of a batch, which is all or none, or one by one.
func (k *kind) batches() (rows []*operation) {
	like := map[string]change{}
	for _, o := range k.writes() {
		like[strings.TrimPrefix(o.name, k.name+" ")] = *o.change
	}
	for op, of := range map[string]string{"create": "POST", "update": "PUT", "modify": "PUT mode=modify", "patch": "PATCH merge", "delete": "DELETE", "restore": ":restore", "switch": ":switch"} {
		if like[of].wire == nil {
			continue // the type has nothing of the kind
		}
		for _, atomic := range []bool{true, false} {
			ch := like[of]
			ch.status = false
			ch.wire = &wire{method: "POST", path: func(string, string) string { return "/v1:batch" },
				body: func(k *kind, typ, id string, doc content) any {
					return map[string]any{"atomic": atomic, "operations": []any{batchMembers(k, op, typ, id, doc)}}
				},
				match: func(body any, etag string) {
					body.(map[string]any)["operations"].([]any)[0].(map[string]any)["if_match"] = etag
				}}
			name := "batch " + op + " atomic"
			if !atomic {
				name = "batch " + op + " one by one"
				ch.wire.result = firstResult
				ch.ofSeveral = 1
			}
			ch.several = func(c *cell, by *caller, ids []string, after content) {
				list := []any{}
				for _, id := range ids {
					list = append(list, batchMembers(c.op.kind, op, c.op.kind.name, id, c.named(after)))
				}
				by.Post(c, "/v1:batch", map[string]any{"atomic": atomic, "operations": list})
			}
			rows = append(rows, k.row(name, ch))
			rows[len(rows)-1].of = []string{"batch", "batch op " + op}
		}
	}
	return rows
}

// firstResult is what a batch says of its only operation.
func firstResult(_ *cell, _ string, r *apitest.Response) effect {
	o := plain(r)
	if status := r.Int("/results/0/status"); status >= 300 {
		o.code = r.Text("/results/0/problem/code")
	}
	return o
}

// nothingMatched is the effect of a bulk change that found no resource.
const nothingMatched = "nothing matched"

// finished waits for the job of an answer and returns it.
func (c *cell) finished(r *apitest.Response) *apitest.Response {
	c.Helper()
	path := r.Header.Get("Location")
	job := r
	c.wait(path+" ends", func() bool {
		for _, client := range []*apitest.Client{c.w.admin.Client, c.w.other} {
			if job = client.Get(c, path); job.Status == 200 {
				break
			}
		}
		switch job.Text("/meta/job/state") {
		case "succeeded", "failed", "cancelled":
			return true
		}
		return false
	})
	return job
}

// bulks are bulk changes, which find the resource by a filter.
func (k *kind) bulks() (rows []*operation) {
	like := map[string]change{}
	for _, o := range k.writes() {
		like[strings.TrimPrefix(o.name, k.name+" ")] = *o.change
	}
	ops := map[string]string{"patch": "PATCH merge", "delete": "DELETE", "restore": ":restore"}
	if k.job {
		ops["cancel"], ops["rerun"] = ":cancel", ":rerun"
	}
	for op, of := range ops {
		body := func(filter string, doc content) map[string]any {
			out := map[string]any{"op": op, "filter": filter}
			if op == "patch" {
				patch := anyMap(k.doc(doc))
				delete(patch, "secret") // is set one by one
				out["patch"] = patch
			}
			return out
		}
		ch := like[of]
		ch.status = false
		ch.wire = &wire{method: "POST", path: onType(":bulk"), later: true, unmatched: true, result: bulkResult,
			body: func(_ *kind, _, id string, doc content) any { return body(fmt.Sprintf("meta.id = %q", id), doc) }}
		ch.ofSeveral = 1
		ch.several = func(c *cell, by *caller, ids []string, after content) {
			r := by.Post(c, "/v1/"+k.name+":bulk", body(fmt.Sprintf("in(meta.id, %q, %q)", ids[0], ids[1]), c.named(after))).Want(c, 202)
			c.finished(r)
		}
		rows = append(rows, k.row("bulk "+op, ch, "bulk"))
		rows[len(rows)-1].of = append(rows[len(rows)-1].of, "bulk op "+op)
	}
	return rows
}

// bulkResult is what a bulk change did to its only resource.
func bulkResult(c *cell, _ string, r *apitest.Response) effect {
	job := c.finished(r)
	o := plain(r)
	code, state := job.Text("/meta/job/result/errors/0/code"), job.Text("/meta/job/state")
	switch {
	case code != "" && state == "failed": // for it is all that matched
		o.code = code
		o.body += string(job.Body)
	case code != "" || state != "succeeded":
		o.code = "job " + state + ": " + code + " " + job.Text("/meta/job/error")
	case job.Int("/meta/job/result/total") == 0:
		o.code = nothingMatched
	}
	return o
}

// actions write the resource by code of an application: at once, of a type and of a
// resource, and as a job.
func (k *kind) actions() []*operation {
	patch := func(with string) func(k *kind, typ, id string, doc content) any {
		return func(k *kind, _, id string, doc content) any {
			text, err := json.Marshal(k.doc(doc))
			if err != nil {
				panic(err)
			}
			out := map[string]any{"patch": string(text)}
			if with != "" {
				out[with] = id
			}
			return out
		}
	}
	base := change{right: "update", action: "updated", brings: true, arrange: isLive}
	row := func(name, of string, x wire) *operation {
		ch := base
		ch.wire = &x
		ch.wire.method, ch.wire.unmatched = "POST", true
		return k.row(name, ch, of)
	}
	return []*operation{
		row("action of the type", "touch", wire{path: onType(":touch"), body: patch("id")}),
		row("action of a resource", "stamp", wire{path: onResource(":stamp"), body: patch("")}),
		row("action as a job", "later", wire{path: onResource(":later"), body: patch(""), later: true, result: jobResult}),
	}
}

// jobResult is what a job of the cross did.
func jobResult(c *cell, _ string, r *apitest.Response) effect {
	job := c.finished(r)
	o := plain(r)
	if job.Text("/meta/job/state") != "succeeded" {
		o.code = "job " + job.Text("/meta/job/state") + ": " + job.Text("/meta/job/error")
	} else {
		o.code = job.Text("/meta/job/result/code")
	}
	return o
}

// runPayloadOf is the payload of a job whose handler writes the resource.
func runPayloadOf(k *kind, typ, id string, doc content) map[string]any {
	text, err := json.Marshal(k.doc(doc))
	if err != nil {
		panic(err)
	}
	return map[string]any{"type": typ, "id": id, "patch": string(text)}
}

// laters are writes that are done for their caller later, or row by row.
func (k *kind) laters() []*operation {
	base := change{right: "update", action: "updated", brings: true, arrange: isLive}
	handler, schedule, create, replace := base, base, base, base
	handler.wire = &wire{method: "POST", path: func(string, string) string { return "/v1/runs" }, later: true, unmatched: true, result: jobResult,
		body: func(k *kind, typ, id string, doc content) any { return runPayloadOf(k, typ, id, doc) }}
	schedule.wire = &wire{method: "POST", path: func(string, string) string { return "/v1/schedules" }, later: true, unmatched: true, result: scheduleResult,
		body: func(k *kind, typ, id string, doc content) any {
			return map[string]any{"type": "runs", "cron": "* * * * * *", "payload": runPayloadOf(k, typ, id, doc)}
		}}
	create.makes, create.action, create.right, create.arrange, create.do = true, "created", "create", nil, importing("skip")
	replace.do, replace.upserts = importing("replace"), true
	create.ofSeveral = 1
	create.several = func(c *cell, by *caller, ids []string, after content) {
		var lines strings.Builder
		for _, id := range ids {
			lines.WriteString(importLine(c, id, after))
		}
		importRun(c, by, c.op.kind.name, "skip", lines.String())
	}
	rows := []*operation{
		k.row("the handler of a job", handler),
		k.row("a schedule's job", schedule),
		k.row("import", create),
		k.row("import replace", replace),
	}
	for _, o := range rows[2:] {
		o.of = []string{"command import"}
	}
	return rows
}

// scheduleResult waits for the first job of a schedule.
func scheduleResult(c *cell, id string, r *apitest.Response) effect {
	var job *apitest.Response
	server := c.w.admin.Client
	if c.w.admin.Get(c, r.Header.Get("Location")).Status == 404 {
		server = c.w.other
	}
	c.wait("the schedule has made a job", func() bool {
		job = server.Get(c, "/v1/runs?order_by=meta.seq&filter="+url.QueryEscape(fmt.Sprintf("id = %q AND meta.seq > %d", id, r.Int("/meta/seq")))).Want(c, 200)
		state := job.Text("/items/0/meta/job/state")
		return state == "succeeded" || state == "failed"
	})
	server.Delete(c, r.Header.Get("Location")) // a repetition finds it deleted
	o := plain(r)
	o.code = job.Text("/items/0/meta/job/result/code")
	return o
}

func importLine(c *cell, id string, doc content) string {
	line, err := json.Marshal(c.op.kind.doc(c.named(doc).and("key", id)))
	if err != nil {
		c.Fatal(err)
	}
	return string(line) + "\n"
}

func importRun(c *cell, by *caller, typ, onConflict, lines string) apitest.Result {
	c.Helper()
	return apitest.Run(c, lines, "import", typ, "-", "--url", by.URL, "--token", by.token, "--id-field", "key", "--on-conflict", onConflict, "--parallel", "1")
}

// refusedRow is the effect of a row that an import says was refused.
const refusedRow = "refused row"

// importing is the command that imports one row.
func importing(onConflict string) func(c *cell, by *caller, id string, after content, q twist) effect {
	return func(c *cell, by *caller, id string, after content, q twist) effect {
		r := importRun(c, by, firstOf(q.typ, c.op.kind.name), onConflict, importLine(c, id, after))
		o := effect{body: r.Stdout + r.Stderr}
		switch {
		case r.Code == 0 && strings.Contains(r.Stdout, "1 there already"):
			o.code = "already_exists"
		case r.Code != 0:
			o.code = refusedRow // the command says why in words
		}
		return o
	}
}

// others are the operations of a type by other ways than its own paths.
func (w *world) others(t testing.TB) (rows []*operation) {
	rows = ordinary().laters()
	for _, k := range []*kind{ordinary(), draftFirst(), taskKind()} {
		rows = append(rows, k.batches()...)
		rows = append(rows, k.bulks()...)
		rows = append(rows, k.actions()...)
	}
	return rows
}
