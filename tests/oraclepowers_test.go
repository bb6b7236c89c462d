package tests_test

import (
	"fmt"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// request makes a random one for a principal, more often of what it is strong in.
func (o *powersOracle) request(who string) (kind, method, path string, body any, opts []apitest.Option) {
	strong := map[string][]func(string) (string, string, string, any, []apitest.Option){
		"key:ann":      {o.askPapers, o.askPapers, o.askPapers},
		"key:operator": {o.askLater, o.askLater, o.askGiven, o.askPapers},
		"key:keeper":   {o.askKeys, o.askKeys, o.askPapers},
		"key:nearly":   {o.askPapers, o.askPapers, o.askKeys, o.askGiven, o.askLater},
	}[who]
	if o.rnd.Intn(8) == 0 {
		strong = []func(string) (string, string, string, any, []apitest.Option){o.askKeys, o.askGiven, o.askLater, o.askPapers}
	}
	return strong[o.rnd.Intn(len(strong))](who)
}

// name is one for what is no paper.
func (o *powersOracle) name() string {
	o.made++
	return fmt.Sprint("n-", o.made)
}

func merge() []apitest.Option {
	return []apitest.Option{apitest.Header("Content-Type", apitest.MergePatch)}
}

// askPapers reads or changes papers by any door.
func (o *powersOracle) askPapers(string) (kind, method, path string, body any, opts []apitest.Option) {
	id, n := o.pick("papers"), 1+o.rnd.Intn(4)
	at := "/v1/papers/" + id
	change := map[string]any{"title": o.text("t"), "topic": o.one("open", "closed")}
	switch o.rnd.Intn(22) {
	case 0:
		return "create", "POST", "/v1/papers?id=" + o.text("r"), o.paper(false), nil
	case 1:
		return "put", "PUT", at, o.paper(o.rnd.Intn(4) == 0), nil
	case 2, 3:
		return "patch", "PATCH", at, change, merge()
	case 4:
		return "modify", "PATCH", at + "?mode=modify", map[string]any{"title": o.text("t"), "embargo": o.rnd.Intn(4) == 0}, merge()
	case 5, 6, 7:
		return "switch", "POST", at + ":switch", map[string]any{"revision": n}, nil
	case 8:
		return "delete", "DELETE", at, nil, nil
	case 9:
		return "restore", "POST", at + ":restore", nil, nil
	case 10:
		return "status", "POST", at + ":status", map[string]any{"status": o.one("draft", "stable")}, nil
	case 11:
		if o.rnd.Intn(3) == 0 {
			return "purge", "POST", at + ":purge", nil, nil
		}
		return "hidden", "PATCH", at, map[string]any{"secret": o.text("h")}, merge()
	case 12, 13, 14:
		ops := []any{}
		seen := map[string]bool{}
		for range 1 + o.rnd.Intn(4) {
			id := o.pick("papers")
			if seen[id] {
				continue
			}
			seen[id] = true
			op := o.one("patch", "switch", "delete", "restore", "update", "modify")
			x := map[string]any{"op": op, "type": "papers", "id": id}
			switch op {
			case "patch":
				x["patch"] = change
			case "switch":
				x["revision"] = 1 + o.rnd.Intn(3)
			case "update", "modify":
				x["data"] = o.paper(false)
			}
			ops = append(ops, x)
		}
		atomic := o.rnd.Intn(2) == 0
		return fmt.Sprint("batch ", atomic), "POST", "/v1:batch", map[string]any{"atomic": atomic, "operations": ops}, nil
	case 15:
		op := o.one("patch", "patch", "delete", "restore")
		b := map[string]any{"op": op, "filter": fmt.Sprintf("score = %d", o.rnd.Intn(8))}
		if op == "patch" {
			b["patch"] = map[string]any{"topic": o.one("open", "closed")}
		}
		return "bulk", "POST", "/v1/papers:bulk", b, nil
	case 16:
		return "can", "POST", "/v1:can", map[string]any{"action": o.one("update", "delete", "switch", "read"), "type": "papers", "id": id}, nil
	case 17:
		return "get", "GET", at + o.one("", "?include_deleted=true", fmt.Sprintf("?revision=%d", n), "?expand=parent"), nil, nil
	case 18:
		return "history", "GET", at + o.one("/history", "/revisions", "/referrers", fmt.Sprintf(":diff?from=1&to=%d", n)), nil, nil
	case 19:
		return "audit", "GET", o.one("/v1/audit?page_size=50", "/v1:backup"), nil, nil
	}
	return "list", "GET", "/v1/papers?page_size=50&include_deleted=true&returns=data,meta,revision", nil, nil
}

// askKeys makes and changes keys.
func (o *powersOracle) askKeys(who string) (kind, method, path string, body any, opts []apitest.Option) {
	at := "/v1/api-keys/" + o.pick("api-keys")
	k := o.tracks[at[len("/v1/"):]]
	own := k != nil && len(k.states) > 0 && "key:"+fmt.Sprint(k.states[0].data["name"]) == who
	groups := map[string]any{"groups": []any{}}
	if o.rnd.Intn(2) == 0 {
		groups["groups"] = []any{"admins"}
	}
	name := o.one("a", "b", "c", "d", "small", "strong", "ann")
	n := o.rnd.Intn(10)
	if own && (n == 4 || n == 5) {
		n = 2 // it would end its own requests
	}
	switch n {
	case 0:
		return "key create", "POST", "/v1/api-keys", map[string]any{"name": name}, nil
	case 1:
		return "key create", "POST", "/v1/api-keys", map[string]any{"name": o.name(), "groups": groups["groups"]}, nil
	case 2:
		return "key patch", "PATCH", at, groups, merge()
	case 3:
		return "key rename", "PATCH", at, map[string]any{"name": name}, merge()
	case 4:
		return "rotate", "POST", at + ":rotate", map[string]any{"overlap": "1h"}, nil
	case 5:
		return "key delete", "DELETE", at, nil, nil
	case 6:
		return "key restore", "POST", at + ":restore", nil, nil
	case 7:
		return "key switch", "POST", at + ":switch", map[string]any{"revision": 1}, nil
	case 8:
		return "key batch", "POST", "/v1:batch", map[string]any{"atomic": o.rnd.Intn(2) == 0, "operations": []any{map[string]any{"op": "patch", "type": "api-keys", "id": at[len("/v1/api-keys/"):], "patch": groups}}}, nil
	}
	return "key bulk", "POST", "/v1/api-keys:bulk", map[string]any{"op": "patch", "filter": `name = "` + name + `"`, "patch": map[string]any{"description": o.name()}}, nil
}

// askGiven writes roles, bindings and webhooks.
func (o *powersOracle) askGiven(string) (kind, method, path string, body any, opts []apitest.Option) {
	rules := o.one(`[]`, `[{"types":["papers"],"actions":["read"],"where":"topic = \"open\"","fields":{"hide":["secret"]}}]`, `[{"types":["papers"],"actions":["delete"]}]`,
		`[{"types":["*"],"actions":["admin"]}]`, `[{"types":["papers"],"actions":["read"],"effect":"deny"}]`)
	role, binding, hook := "/v1/roles/"+o.pick("roles"), "/v1/bindings/"+o.pick("bindings"), "/v1/webhooks/"+o.pick("webhooks")
	switch o.rnd.Intn(9) {
	case 0:
		return "role create", "POST", "/v1/roles", `{"name":"` + o.name() + `","rules":` + rules + `}`, nil
	case 1:
		return "role patch", "PATCH", role, `{"rules":` + rules + `}`, merge()
	case 2:
		return "binding create", "POST", "/v1/bindings", `{"role":"` + o.one("within", "strong", "papers", "nearly") + `","subjects":["user:nobody"]}`, nil
	case 3:
		return "binding patch", "PATCH", binding, `{"subjects":["user:` + o.name() + `"]}`, merge()
	case 4:
		return "binding patch", "PATCH", binding, `{"role":"` + o.one("within", "strong", "papers") + `"}`, merge()
	case 5:
		return "binding delete", o.one("DELETE", "DELETE", "POST"), binding + o.one("", ""), nil, nil
	case 6:
		return "hook create", "POST", "/v1/webhooks", `{"url":"https://example.com/` + o.name() + `","paused":true,"types":["papers"]}`, nil
	case 7:
		return "hook patch", "PATCH", hook, `{"description":"` + o.name() + `"}`, merge()
	}
	return "hook move", "POST", hook + o.one(":pause", ":replay", ":switch", ":purge"), map[string]any{}, nil
}

// askLater writes schedules and bulk jobs.
func (o *powersOracle) askLater(string) (kind, method, path string, body any, opts []apitest.Option) {
	payload := o.one(`{"op":"patch","type":"papers","filter":"score = 1","patch":{"score":2}}`, `{"op":"patch","type":"papers","filter":"score = 2","patch":{"topic":"closed"}}`,
		`{"op":"delete","type":"papers","filter":"score = 3"}`, `{"op":"patch","type":"bindings","filter":"","patch":{"role":"strong"}}`, `{"op":"patch","type":"api-keys","filter":"","patch":{"groups":[]}}`)
	schedule := `{"type":"bulk-jobs","cron":"` + o.one("@yearly", "@yearly", "@yearly", "* * * * * *") + `","payload":` + payload + `}`
	at := "/v1/schedules/" + o.pick("schedules")
	switch o.rnd.Intn(9) {
	case 0:
		return "schedule create", "POST", "/v1/schedules", schedule, nil
	case 1:
		return "schedule put", "PUT", at, schedule, nil
	case 2:
		return "schedule patch", "PATCH", at, `{"cron":"` + o.one("@yearly", "* * * * * *") + `"}`, merge()
	case 3:
		return "schedule switch", "POST", at + ":switch", map[string]any{"revision": 1 + o.rnd.Intn(2)}, nil
	case 4, 5:
		return "schedule delete", "DELETE", at, nil, nil
	case 6:
		return "schedule restore", "POST", at + ":restore", nil, nil
	case 7:
		return "schedule batch", "POST", "/v1:batch", `{"operations":[{"op":"patch","type":"schedules","id":"` + at[len("/v1/schedules/"):] + `","patch":{"payload":` + payload + `}}]}`, nil
	}
	return "bulk job", "POST", "/v1/bulk-jobs", payload, nil
}
