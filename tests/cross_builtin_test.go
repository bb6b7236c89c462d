package tests_test

import (
	"encoding/base64"
	"strings"
)

// The types of the program itself, as kinds of the cross.

// withoutParts are the reasons of types of the program.
func withoutParts(more map[string]string) map[string]string {
	out := map[string]string{"composite": "the type has no unique values of several fields", "refs": "the type has no references", "binaries": "the type has no binaries",
		"asked": "the field is not indexed", "q": "the type has no full text"}
	for what, reason := range more {
		out[what] = reason
	}
	return out
}

// prefixed puts what a row is to be for rules before its name.
func prefixed(with content) any {
	name, ok := with["name"].(string)
	if !ok {
		return with["name"]
	}
	for _, how := range []string{"veiled", "closed", "denied"} {
		if with[how] == true {
			return how + "-" + name
		}
	}
	return name
}

// rest copies what a document says besides symbols.
func rest(out, with content, symbols ...string) content {
	for name, v := range with {
		known := strings.Contains(" name veiled closed denied key ", " "+name+" ")
		for _, s := range symbols {
			known = known || s == name
		}
		if !known {
			out[name] = v
		}
	}
	return out
}

func described(out, with content) content {
	for _, name := range []string{"hidden", "locked"} {
		if v, said := with[name]; said {
			out["description"] = v
		}
	}
	return out
}

func readDescription(data map[string]any) content {
	return content{"hidden": data["description"], "locked": data["description"], "code": data["name"]}
}

// apiKeys are credentials; their name is unique.
func apiKeys() *kind {
	return &kind{name: "api-keys", builtin: true, inForce: true, lacks: withoutParts(map[string]string{"deny": "a key has to be denied what its writer is denied, so that a writer with denials makes none"}), read: readDescription, doc: func(with content) content {
		out := described(content{"name": prefixed(with)}, with)
		if code, said := with["code"]; said {
			out["name"] = code
		}
		return rest(out, with, "hidden", "locked", "code", "slot")
	}}
}

// webhooks are told of nothing here: they are paused.
func webhookKind() *kind {
	return &kind{name: "webhooks", builtin: true, inForce: true, lacks: withoutParts(map[string]string{"unique": "the type has no unique values"}), read: readDescription, doc: func(with content) content {
		out := described(content{"types": []any{"runs"}, "paused": true, "url": prefixed(with)}, with)
		if name, ok := out["url"].(string); ok {
			out["url"] = "https://hooks.example/" + name
			out["secret"] = secretOf(name)
		}
		return rest(out, with, "hidden", "locked", "slot")
	}}
}

// secretOf is the secret of a webhook of the cross, by its name.
func secretOf(name string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("secret of "+name, 3)[:32]))
}

// alike is why some types have no rows for batches and bulk changes.
const alike = "it is written in the ways of the other types, and has no secrets to keep"

const byAdmins = "what gives rights is written by admins here, whom no rule limits"

// roles and bindings give rights.
func roleKind() *kind {
	return &kind{name: "roles", builtin: true, inForce: true, admins: true, lacks: withoutParts(map[string]string{"bulk": alike, "rows": byAdmins, "fields": byAdmins}), read: readDescription, doc: func(with content) content {
		out := content{"name": prefixed(with)}
		if code, said := with["code"]; said {
			out["name"] = code
		}
		if slot, said := with["slot"]; said {
			out["rules"] = []any{map[string]any{"types": []any{"things"}, "actions": []any{"read"}, "where": "name = \"" + slot.(string) + "\""}}
		}
		return rest(out, with, "code", "slot")
	}}
}

func bindingKind() *kind {
	return &kind{name: "bindings", builtin: true, inForce: true, admins: true, lacks: withoutParts(map[string]string{"bulk": alike, "rows": byAdmins, "fields": byAdmins, "unique": "the type has no unique values"}), doc: func(with content) content {
		out := content{"role": "read", "subjects": []any{with["name"]}}
		if name, ok := with["name"].(string); ok {
			out["subjects"] = []any{"user:" + name}
			if with["slot"] != nil {
				out["subjects"] = []any{"user:" + name, "user:another"}
			}
		}
		return rest(out, with, "slot")
	}}
}

// scheduleKind are schedules that are paused.
func scheduleKind() *kind {
	const rows = "no field of it is a text that a rule could tell rows apart by; row rules of types of the program are asked of api-keys and webhooks"
	return &kind{name: "schedules", builtin: true, inForce: true, lacks: withoutParts(map[string]string{"bulk": alike, "rows": rows, "fields": "the fields of it that can be left out are asked of api-keys and webhooks", "unique": "the type has no unique values"}), doc: func(with content) content {
		out := content{"type": "runs", "cron": "0 3 * * *", "paused": true, "payload": map[string]any{"id": with["name"]}}
		if slot, said := with["slot"]; said {
			out["payload"] = map[string]any{"id": with["name"], "type": slot}
		}
		return rest(out, with, "slot")
	}}
}

// builtins are the operations of types of the program.
func (w *world) builtins() (rows []*operation) {
	for _, k := range []*kind{apiKeys(), webhookKind(), roleKind(), bindingKind(), scheduleKind()} {
		rows = append(rows, k.writes()...)
		if k.lacks["bulk"] == "" {
			rows = append(rows, k.batches()...)
			rows = append(rows, k.bulks()...)
		}
		rows = append(rows, k.looks()...)
		empty := map[string]any{}
		parts := map[string]string{":migrate": "migrate", ":reindex": "reindex", "/none:status": "status"}
		if k.lacks["bulk"] != "" {
			parts[":bulk"] = "bulk"
		}
		for suffix, id := range parts {
			needs := map[string]string{":migrate": "migrate", ":reindex": needsAdmin, "/none:status": "publish", ":bulk": "bulk"}[suffix]
			x := whole{method: "POST", path: "/v1/" + k.name + suffix, body: empty, needs: needs, typed: true}
			rows = append(rows, &operation{name: "POST " + x.path, of: []string{k.name + "." + id}, form: form{whole: &x}})
		}
		switch k.name {
		case "api-keys":
			rotated := *k // by those who made the key, and admins
			rotated.admins, rotated.lacks = true, withoutParts(map[string]string{"rows": byAdmins, "fields": byAdmins})
			rows = append(rows, rotated.row(":rotate", change{right: "update", action: "updated", arrange: isLive,
				wire: &wire{method: "POST", path: onResource(":rotate"), body: withNothing}}, "rotate"))
		case "webhooks":
			pause := change{right: "update", action: "updated", arrange: isLive, wire: &wire{method: "POST", path: onResource(":resume"), body: withNothing}}
			rows = append(rows, k.row(":resume", pause, "resume"))
			pause.wire = &wire{method: "POST", path: onResource(":pause"), body: withNothing}
			pause.arrange = func(c *cell, id string, before, _ content) {
				c.create(id, before)
				c.post(c.path(id)+":resume", nil, "").Want(c, 200)
			}
			rows = append(rows, k.row(":pause", pause, "pause"))
			pause.arrange, pause.wire = isLive, &wire{method: "POST", path: onResource(":replay"), body: withObject(map[string]any{"from_seq": 0})}
			rows = append(rows, k.row(":replay", pause, "replay"))
			test := whole{method: "POST", path: "/v1/webhooks/none:test", body: empty, needs: "update"}
			rows = append(rows, &operation{name: "POST /v1/webhooks/none:test", of: []string{"webhooks.test"}, form: form{whole: &test}})
			deliveries := look{right: "read", deleted: true, wire: wire{method: "GET", path: onResource("/deliveries")}, arrange: isThere, tells: answered}
			rows = append(rows, &operation{name: "webhooks GET deliveries", kind: k, of: []string{"webhooks.deliveries"}, form: form{look: &deliveries}})
		}
	}
	return rows
}
