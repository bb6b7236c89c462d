package tests_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/hook"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

var oneWay = map[string]string{
	"logins": `name: logins
schema:
  type: object
  required: [name, password]
  additionalProperties: false
  properties:
    name: {type: string}
    password: {type: string, writeOnly: true, minLength: 3}
    pin: {type: [integer, "null"], writeOnly: true}
    inner: {type: object, properties: {user: {type: string}, token: {$ref: "#/$defs/secret"}}}
    lines: {type: array, items: {type: object, properties: {label: {type: string}, token: {$ref: "#/$defs/secret"}}}}
    vault: {type: object, additionalProperties: {$ref: "#/$defs/secret"}}
    logins: {type: integer, readOnly: true, default: 0}
    stats: {type: object, properties: {seen: {type: integer, readOnly: true}, note: {type: string}}}
    marks: {type: array, items: {type: object, properties: {text: {type: string}, score: {type: integer, readOnly: true}}}}
  $defs: {secret: {type: string, writeOnly: true}}
index: [name, logins]
fulltext: [name]
`,
	"sends": `name: sends
schema: {type: object, properties: {to: {type: string}, key: {type: string, writeOnly: true}, outcome: {type: string, readOnly: true}}}
index: [to]
job: {backoff: {initial: 10ms, max: 20ms}}
`}

// The secrets that a login has in these tests: nothing that is told may hold one.
var secretWords = []string{"pass-one", "pass-two", "token-inner", "token-line-1", "token-line-2", "token-vault", "key-of-send", secretPin}

// secretPin is longer than any run of digits that ids and times have by chance.
const secretPin = "4711471147114711"

const wholeLogin = `{"name":"ann","password":"pass-one","pin":` + secretPin + `,"inner":{"user":"u","token":"token-inner"},
	"lines":[{"label":"a","token":"token-line-1"},{"label":"b","token":"token-line-2"}],"vault":{"x":"token-vault"}}`

const shownLogin = `{"name":"ann","inner":{"user":"u"},"lines":[{"label":"a"},{"label":"b"}],"vault":{},"logins":0}`

// A default that clients never set is filled in where something new brings it, by
// every door, and says nothing over a value that there is.
func TestADefaultThatIsReadOnlyComesWithWhatIsNew(t *testing.T) {
	t.Parallel()
	c := start(t, growingApp(), autocrud.Settings{Storage: "memory"}, map[string]string{"plants": `name: plants
schema:
  type: object
  properties:
    name: {type: string}
    root: {$ref: "#/$defs/part"}
    leaves: {type: array, items: {$ref: "#/$defs/part"}}
    more: {type: object, additionalProperties: {$ref: "#/$defs/part"}}
  $defs: {part: {type: object, properties: {kind: {type: string}, cut: {type: integer, default: 0, readOnly: true}}}}
`})
	grow := func(data string) {
		t.Helper()
		c.Post(t, "/v1/plants/a:grow", fmt.Sprintf(`{"data":%q}`, data)).Want(t, 200)
	}
	c.Post(t, "/v1/plants?id=a", `{"name":"fern"}`).Want(t, 201)
	for _, x := range []struct{ had, method, media, body, want string }{
		{`{"name":"fern"}`, "PATCH", apitest.MergePatch, `{"root":{"kind":"k"}}`, `{"name":"fern","root":{"kind":"k","cut":0}}`},
		{`{"name":"fern"}`, "PATCH", apitest.JSONPatch, `[{"op":"add","path":"/root","value":{"kind":"k"}}]`, `{"name":"fern","root":{"kind":"k","cut":0}}`},
		{`{"name":"fern"}`, "PUT", apitest.JSON, `{"root":{"cut":0}}`, `{"root":{"cut":0}}`},
		{`{"name":"fern"}`, "PUT", apitest.JSON, `{"more":{"x":{}},"leaves":[{"kind":"k"}]}`, `{"more":{"x":{"cut":0}},"leaves":[{"kind":"k","cut":0}]}`},
		{`{"name":"fern"}`, "PUT", apitest.JSON, `{"root":{"cut":1}}`, ""},
		{`{"root":{"cut":5}}`, "PUT", apitest.JSON, `{"root":{"cut":0}}`, ""},
		{`{"root":{"cut":5}}`, "PATCH", apitest.JSONPatch, `[{"op":"replace","path":"/root","value":{"kind":"new"}}]`, ""},
		{`{"root":{"cut":5}}`, "PATCH", apitest.MergePatch, `{"root":{"cut":null}}`, ""},
		{`{"leaves":[{"kind":"a","cut":5}]}`, "PATCH", apitest.JSONPatch, `[{"op":"add","path":"/leaves/0","value":{"kind":"b"}}]`, `{"leaves":[{"kind":"b","cut":0},{"kind":"a","cut":5}]}`},
		{`{"leaves":[{"kind":"a","cut":5}]}`, "PUT", apitest.JSON, `{"leaves":[{"kind":"b"},{"kind":"a"},{"kind":"a"}]}`, `{"leaves":[{"kind":"b","cut":0},{"kind":"a","cut":5},{"kind":"a","cut":0}]}`},
		{`{"leaves":[{"kind":"a","cut":5}]}`, "PATCH", apitest.MergePatch, `{"leaves":[{"kind":"b","cut":0},{"kind":"a","cut":0}]}`, ""},
		{`{"leaves":[{"kind":"a","cut":0},{"kind":"b","cut":5}]}`, "PUT", apitest.JSON, `{"leaves":[{"kind":"b","cut":0},{"kind":"a","cut":0}]}`, ""},
		{`{"leaves":[{"kind":"a","cut":5}]}`, "PATCH", apitest.JSONPatch, `[{"op":"copy","from":"/leaves/0","path":"/leaves/-"}]`, ""},
		{`{"leaves":[{"kind":"a","cut":5}]}`, "PATCH", apitest.JSONPatch, `[{"op":"add","path":"/leaves/-","value":{"kind":"b","cut":1}}]`, ""},
	} {
		grow(x.had)
		r := c.Do(t, x.method, "/v1/plants/a", x.body, apitest.Header("Content-Type", x.media))
		if x.want == "" {
			r.WantProblem(t, 422, "validation_failed")
			continue
		}
		r.Want(t, 200).Equal(t, "/data", x.want)
	}
}

// growingApp has an action that sets what clients never set.
func growingApp() *autocrud.App {
	app := autocrud.New()
	autocrud.Action(app, "plants", "grow", func(ctx context.Context, c autocrud.ActionCall[struct {
		Data string `json:"data"`
	}]) (struct{}, error) {
		data, err := model.DecodeJSON([]byte(c.Input.Data))
		if err == nil {
			_, _, err = c.Manager.Update(ctx, "plants", c.ID, data, resource.UpdateOptions{})
		}
		return struct{}{}, err
	}, autocrud.OnResource())
	return app
}

// secretsOf keeps what the code of an application gets of each login.
type secretsOf struct {
	mu  sync.Mutex
	all map[string]string
}

func (s *secretsOf) put(id string, data json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[id] = string(data)
}

func (s *secretsOf) want(t *testing.T, id, want string) {
	t.Helper()
	s.mu.Lock()
	got := s.all[id]
	s.mu.Unlock()
	var a any
	if err := json.Unmarshal([]byte(got), &a); err != nil || !apitest.SameJSON(t, a, want) {
		t.Errorf("the application was given %s, want %s", got, want)
	}
}

func oneWayApp() (*autocrud.App, *secretsOf) {
	app, seen := autocrud.New(), &secretsOf{all: map[string]string{}}
	for _, action := range []storage.Action{storage.Created, storage.Updated, storage.Modified, storage.Switched, storage.Restored} {
		autocrud.Before(app, "logins", action, func(_ context.Context, c autocrud.Change[map[string]any]) error {
			if data := c.Change.New; data != nil {
				seen.put(c.ID, data)
			} else {
				seen.put(c.ID, c.Change.Old)
			}
			return nil
		})
	}
	autocrud.HandleJob(app, "sends", func(ctx context.Context, j *job.Job[struct{ To, Key string }]) error {
		if j.Payload.Key != "key-of-send" {
			return errors.New("the handler was not given the key")
		}
		_, err := j.Manager.Patch(ctx, "sends", j.ID, resource.Patch{Kind: resource.MergePatch, Body: map[string]any{"outcome": "sent"}}, resource.UpdateOptions{})
		return err
	})
	autocrud.Action(app, "logins", "enter", func(ctx context.Context, c autocrud.ActionCall[struct {
		Logins int `json:"logins"`
	}]) (struct{}, error) {
		_, err := c.Manager.Patch(ctx, "logins", c.ID, resource.Patch{Kind: resource.MergePatch, Body: map[string]any{"logins": int64(c.Input.Logins)}}, resource.UpdateOptions{})
		return struct{}{}, err
	}, autocrud.OnResource())
	return app, seen
}

func TestWhatIsWriteOnlyIsToldNowhere(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		if row.Split {
			continue
		}
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			listen := l.Addr().String()
			l.Close()
			s := row.Settings(t)
			s.NatsListen, s.AllowWebhookNet = listen, []string{"127.0.0.0/8"}
			app, seen := oneWayApp()
			c := start(t, app, s, oneWay)
			r := newReceiver(t)
			hookTo(t, c, r, `,"types":["logins"]`)

			c.Post(t, "/v1/logins?id=a", wholeLogin).Want(t, 201).Equal(t, "/data", shownLogin)
			c.Patch(t, "/v1/logins/a", apitest.MergePatch, `{"password":"pass-two","name":"bob"}`).Want(t, 200)
			c.Put(t, "/v1/logins/a", shownLogin).Want(t, 200).Equal(t, "/data", shownLogin)
			kept := strings.Replace(wholeLogin, "pass-one", "pass-two", 1)
			seen.want(t, "a", strings.Replace(kept, `"name":"ann"`, `"name":"ann","logins":0`, 1))
			c.Post(t, "/v1/logins/a:switch", `{"revision":1}`).Want(t, 200)
			c.Delete(t, "/v1/logins/a").Want(t, 200)
			c.Post(t, "/v1/logins/a:restore", `{}`).Want(t, 200)
			c.Post(t, "/v1/logins/a:status", `{"status":"draft"}`).Want(t, 200)
			c.Patch(t, "/v1/logins/a?mode=modify", apitest.MergePatch, `{"name":"carl"}`).Want(t, 200)
			seen.want(t, "a", strings.Replace(kept, `"name":"ann"`, `"name":"carl","logins":0`, 1))
			c.Post(t, "/v1:batch", batch(`{"op":"patch","type":"logins","id":"a","patch":{"inner":{"user":"v"}}}`)).Want(t, 200)

			head := c.Get(t, "/v1/logins/a").Want(t, 200)
			for _, path := range []string{"/v1/logins/a", "/v1/logins", "/v1/logins?returns=data,meta,revision", "/v1/logins?q=carl", "/v1/logins/a?revision=1", "/v1/logins/a?status=stable",
				"/v1/logins/a?as_of=" + query(time.Now().UTC().Format(time.RFC3339Nano)), "/v1/logins/a/revisions/1", "/v1/logins/a/revisions/1?raw=true", "/v1/logins/a/revisions", "/v1/logins/a/history",
				"/v1/logins/a:diff?from=1&to=2", "/v1/logins/a?fields=password,inner.token", "/v1/logins:watch?from_seq=0", "/v1:watch?from_seq=0", "/v1/logins/a:watch?from_seq=0"} {
				body := string(c.Get(t, path).Want(t, 200).Body)
				for _, word := range append(secretWords, `"password"`, `"token"`) {
					if strings.Contains(body, word) {
						t.Errorf("%s tells %s: %s", path, word, body)
					}
				}
			}
			// Two logins that differ only in what is not shown look the same, their hashes too.
			c.Post(t, "/v1/logins?id=b", `{"name":"x","password":"one"}`).Want(t, 201)
			other := c.Post(t, "/v1/logins?id=c", `{"name":"x","password":"two"}`).Want(t, 201)
			for _, path := range []string{"/v1/logins/b", "/v1/logins/b/revisions/1"} {
				if got := c.Get(t, path).Text("/revision/hash"); got != other.Text("/revision/hash") {
					t.Errorf("the hash of %s depends on what is not shown", path)
				}
			}
			if c.Get(t, "/v1/logins/b/revisions").Text("/items/0/revision/hash") != other.Text("/revision/hash") || c.Get(t, "/v1/logins?returns=meta,revision&filter=meta.id%20%3D%20%22b%22").Text("/items/0/revision/hash") != other.Text("/revision/hash") {
				t.Error("the hash in a list depends on what is not shown")
			}
			for _, patch := range []string{`[{"op":"test","path":"/password","value":"pass-two"}]`, `[{"op":"copy","from":"/password","path":"/name"}]`, `[{"op":"move","from":"/lines/0/token","path":"/name"}]`, `[{"op":"remove","path":"/password"}]`} {
				c.Patch(t, "/v1/logins/a", apitest.JSONPatch, patch).WantProblem(t, 409, "conflict")
			}
			for _, q := range []string{"filter=password%20%3D%20%22x%22", "order_by=password"} {
				c.Get(t, "/v1/logins?"+q).WantProblem(t, 400, "invalid_filter")
			}
			for _, x := range r.wait(t, 9) {
				for _, word := range secretWords {
					if strings.Contains(string(x.body), word) {
						t.Errorf("a webhook is told %s: %s", word, x.body)
					}
				}
			}
			if doc := c.Get(t, "/asyncapi.json").Want(t, 200); doc.Value("/components/schemas/Logins/schema/properties/name") == nil || doc.Value("/components/schemas/Logins/schema/required") != nil {
				t.Error("the document of events requires what is never told")
			}
			outwardTellsNone(t, listen, head.Int("/meta/seq"))
			verifyClean(t, c)
		})
	}
}

// outwardTellsNone reads the stream of events up to a sequence.
func outwardTellsNone(t *testing.T, address string, until int) {
	t.Helper()
	nc, err := nats.Connect("nats://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n := 0
	err = hook.Subscribe(ctx, nc, hook.Options{Namespace: "main", Name: "reader", Type: "logins", Begin: hook.Start, Logger: quiet}, func(_ context.Context, e hook.Event[map[string]any]) error {
		b, err := json.Marshal(e)
		n++
		for _, word := range secretWords {
			if strings.Contains(string(b), word) {
				t.Errorf("a subscriber is told %s: %s", word, b)
			}
		}
		if e.Data == nil && e.Resource == "a" || int(e.Seq) >= until {
			cancel()
		}
		return err
	})
	if n < 5 {
		t.Errorf("%d events: %v", n, err)
	}
}

func TestAWriteKeepsWhatIsWriteOnlyAndNullRemovesIt(t *testing.T) {
	t.Parallel()
	app, seen := oneWayApp()
	c := start(t, app, autocrud.Settings{Storage: "memory"}, oneWay)
	c.Post(t, "/v1/logins", `{"name":"x"}`).WantProblem(t, 422, "validation_failed")
	c.Post(t, "/v1/logins?id=a", wholeLogin).Want(t, 201)
	for _, x := range []struct{ method, media, body, want string }{
		{"PATCH", apitest.MergePatch, `{"pin":null}`, `{"name":"ann","password":"pass-one","inner":{"user":"u","token":"token-inner"},"lines":[{"label":"a","token":"token-line-1"},{"label":"b","token":"token-line-2"}],"vault":{"x":"token-vault"},"logins":0}`},
		{"PATCH", apitest.MergePatch, `{"inner":{"token":null}}`, `{"name":"ann","password":"pass-one","inner":{"user":"u"},"lines":[{"label":"a","token":"token-line-1"},{"label":"b","token":"token-line-2"}],"vault":{"x":"token-vault"},"logins":0}`},
		{"PUT", apitest.JSON, `{"name":"ann","lines":[{"label":"b"},{"label":"a"}],"vault":{"x":null,"y":"other"}}`, `{"name":"ann","password":"pass-one","lines":[{"label":"b","token":"token-line-2"},{"label":"a","token":"token-line-1"}],"vault":{"y":"other"},"logins":0}`},
		{"PATCH", apitest.JSONPatch, `[{"op":"replace","path":"/lines/0/label","value":"c"}]`, `{"name":"ann","password":"pass-one","lines":[{"label":"c","token":"token-line-2"},{"label":"a","token":"token-line-1"}],"vault":{"y":"other"},"logins":0}`},
		{"PATCH", apitest.JSONPatch, `[{"op":"remove","path":"/lines/0"},{"op":"add","path":"/password","value":"new"}]`, `{"name":"ann","password":"new","lines":[{"label":"a","token":"token-line-1"}],"vault":{"y":"other"},"logins":0}`},
		{"PUT", apitest.JSON, `{"name":"ann","lines":[{"label":"z"},{"label":"a"}],"vault":{}}`, `{"name":"ann","password":"new","lines":[{"label":"z"},{"label":"a","token":"token-line-1"}],"vault":{"y":"other"},"logins":0}`},
		{"PATCH", apitest.MergePatch, `{"lines":null,"vault":null}`, `{"name":"ann","password":"new","logins":0}`},
	} {
		c.Do(t, x.method, "/v1/logins/a", x.body, apitest.Header("Content-Type", x.media)).Want(t, 200)
		seen.want(t, "a", x.want)
	}
	c.Patch(t, "/v1/logins/a", apitest.MergePatch, `{"password":null}`).WantProblem(t, 422, "validation_failed")
	c.Put(t, "/v1/logins/a", `{"name":"ann","password":"x"}`).WantProblem(t, 422, "validation_failed")
	n := c.Get(t, "/v1/logins/a").Int("/meta/revision_count")
	c.Put(t, "/v1/logins/a", `{"name":"ann"}`).Want(t, 200).Equal(t, "/meta/revision_count", itoa(n))
	// A move of HEAD revives none, and what it takes along is valid.
	c.Post(t, "/v1/logins/a:switch", `{"revision":1}`).Want(t, 200)
	seen.want(t, "a", `{"name":"ann","password":"new","inner":{"user":"u"},"lines":[{"label":"a"},{"label":"b"}],"vault":{},"logins":0}`)
	// What would be shown elsewhere is refused there.
	c.Post(t, "/v1/logins:bulk", `{"op":"patch","filter":"","patch":{"password":"pass-one"}}`).WantProblem(t, 422, "validation_failed")
	for _, op := range []string{`{"op":"add","path":"/lines/0/token","value":"x"}`, `{"op":"add","path":"/lines/0","value":{"label":"l","token":"x"}}`, `{"op":"add","path":"/lines/-","value":{"token":"x"}}`,
		`{"op":"replace","path":"/lines","value":[{"token":"x"}]}`, `{"op":"add","path":"/vault/0","value":"x"}`, `{"op":"add","path":"","value":{"inner":{"token":"x"}}}`, `{"op":"test","path":"/lines/1","value":{"token":"x"}}`} {
		c.Post(t, "/v1/logins:bulk", `{"op":"patch","filter":"","patch":[`+op+`]}`).WantProblem(t, 422, "validation_failed")
		c.Post(t, "/v1/schedules", `{"type":"bulk-jobs","cron":"@daily","payload":{"type":"logins","op":"patch","filter":"","patch":[`+op+`]}}`).WantProblem(t, 422, "validation_failed")
	}
	c.Post(t, "/v1/logins:bulk", `{"op":"patch","filter":"name = \"nobody\"","patch":[{"op":"add","path":"/lines/0","value":{"label":"l"}}]}`).Want(t, 202)
	c.Post(t, "/v1/schedules", `{"type":"sends","cron":"@daily","payload":{"to":"x","key":"key-of-send"}}`).WantProblem(t, 422, "validation_failed")
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestWhatIsReadOnlyIsSetByTheApplicationAlone(t *testing.T) {
	t.Parallel()
	app, _ := oneWayApp()
	c := start(t, app, autocrud.Settings{Storage: "memory"}, oneWay)
	for _, body := range []string{`{"name":"a","password":"abc","logins":1}`, `{"name":"a","password":"abc","stats":{"seen":1}}`, `{"name":"a","password":"abc","marks":[{"text":"x","score":1}]}`} {
		p := c.Post(t, "/v1/logins", body).WantProblem(t, 422, "validation_failed")
		if len(p.Errors) != 1 || p.Errors[0].Pointer == "" {
			t.Errorf("%s points at %v", body, p.Errors)
		}
	}
	c.Post(t, "/v1:batch", batch(`{"op":"create","type":"logins","data":{"name":"a","password":"abc","logins":1}}`)).WantProblem(t, 422, "validation_failed")
	c.Post(t, "/v1/logins?id=a", `{"name":"a","password":"abc","logins":0}`).Want(t, 201)
	c.Post(t, "/v1/logins/a:enter", `{"logins":7}`).Want(t, 200)
	c.Get(t, "/v1/logins/a").Equal(t, "/data/logins", "7")
	for _, x := range []struct{ method, media, body string }{
		{"PATCH", apitest.MergePatch, `{"logins":8}`},
		{"PATCH", apitest.MergePatch, `{"logins":null}`},
		{"PATCH", apitest.MergePatch, `{"stats":{"seen":1}}`},
		{"PATCH", apitest.JSONPatch, `[{"op":"remove","path":"/logins"}]`},
		{"PATCH", apitest.JSONPatch, `[{"op":"replace","path":"/logins","value":8}]`},
		{"PUT", apitest.JSON, `{"name":"a","logins":0}`},
		{"PUT", apitest.JSON, `{"name":"a","marks":[{"score":2}]}`},
	} {
		c.Do(t, x.method, "/v1/logins/a", x.body, apitest.Header("Content-Type", x.media)).WantProblem(t, 422, "validation_failed")
	}
	c.Put(t, "/v1/logins/a", `{"name":"b"}`).Want(t, 200).Equal(t, "/data/logins", "7")
	c.Put(t, "/v1/logins/a", `{"name":"c","logins":7.0}`).Want(t, 200).Equal(t, "/data/logins", "7")
	c.Patch(t, "/v1/logins/a", apitest.MergePatch, `{"name":"d","logins":7}`).Want(t, 200)
	// A move of HEAD does not set it either: the rest of the revision comes back.
	c.Post(t, "/v1/logins/a:switch", `{"revision":1}`).Want(t, 200).Equal(t, "/data", `{"name":"a","logins":7}`)
	c.Delete(t, "/v1/logins/a").Want(t, 200)
	c.Post(t, "/v1/logins/a:restore", `{"patch":{"logins":1}}`).WantProblem(t, 422, "validation_failed")
	c.Post(t, "/v1/logins/a:restore", `{"revision":1}`).Want(t, 200).Equal(t, "/data/logins", "7")
	done := ended(t, c, "/v1/bulk-jobs/"+c.Post(t, "/v1/logins:bulk", `{"op":"patch","filter":"","patch":{"logins":9}}`).Want(t, 202).Text("/meta/id"))
	if done.Int("/meta/job/result/failed") != 1 {
		t.Errorf("%s", done.Body)
	}
	// The handler of a job gets what is never shown, and sets what clients cannot.
	id := c.Post(t, "/v1/sends", `{"to":"x","key":"key-of-send"}`).Want(t, 201).Text("/meta/id")
	ended(t, c, "/v1/sends/"+id).Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/data", `{"to":"x","outcome":"sent"}`)
	c.Post(t, "/v1/sends", `{"to":"x","outcome":"sent"}`).WantProblem(t, 422, "validation_failed")
}

func TestWhatIsWriteOnlyStaysSoUnderRulesAndAfterAMigration(t *testing.T) {
	t.Parallel()
	const model = `name: logins
schema:
  type: object
  properties: {name: {type: string}, PW: {type: string, writeOnly: true}, budget: {type: integer}}
index: [name]
version: VERSION
`
	s := autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}
	policy := `
roles:
  clerk: [{types: [logins], actions: ["*"], fields: {readonly: [FIXED], hide: [budget]}}]
  blind: [{types: [logins], actions: ["*"], fields: {hide: [FIXED]}}]
bindings:
  - {role: clerk, subjects: ["key:clerk"]}
  - {role: blind, subjects: ["key:blind"]}
`
	seen := &secretsOf{all: map[string]string{}}
	life := func(name, field, version string, fn func(t *testing.T, admin *apitest.Client)) {
		t.Run(name, func(t *testing.T) {
			app := autocrud.New()
			for _, action := range []storage.Action{storage.Created, storage.Updated, storage.Switched, storage.Migrated} {
				autocrud.Before(app, "logins", action, func(_ context.Context, c autocrud.Change[map[string]any]) error {
					if seen.put(c.ID, c.Change.Old); c.Change.New != nil {
						seen.put(c.ID, c.Change.New)
					}
					return nil
				})
			}
			text := strings.NewReplacer("PW", field, "VERSION", version).Replace(model)
			fn(t, guardModels(t, app, s, strings.ReplaceAll(policy, "FIXED", field), map[string]string{"logins": text}))
		})
	}
	var clerk, blind string
	life("before", "pw", `"1"`, func(t *testing.T, admin *apitest.Client) {
		clerk = admin.Post(t, "/v1/api-keys", `{"name":"clerk"}`).Want(t, 201).Text("/secret")
		blind = admin.Post(t, "/v1/api-keys", `{"name":"blind"}`).Want(t, 201).Text("/secret")
		admin.Post(t, "/v1/logins?id=a", `{"name":"a","pw":"pass-one","budget":4711}`).Want(t, 201)
		admin.Post(t, "/v1/logins?id=b", `{"name":"b","pw":"pass-one"}`).Want(t, 201)
		for _, as := range []*apitest.Client{admin.As(clerk), admin.As(blind)} {
			as.Patch(t, "/v1/logins/a", apitest.MergePatch, `{"name":"x"}`).Want(t, 200)
			as.Put(t, "/v1/logins/a", `{"name":"y"}`).Want(t, 200)
			for _, patch := range []string{`{"pw":"pass-two"}`, `{"pw":null}`} {
				as.Patch(t, "/v1/logins/a", apitest.MergePatch, patch).WantProblem(t, 403, "permission_denied")
			}
			as.Patch(t, "/v1/logins/a", apitest.JSONPatch, `[{"op":"add","path":"/pw","value":"pass-two"}]`).WantProblem(t, 403, "permission_denied")
			as.Post(t, "/v1/logins/a:switch", `{"revision":1}`).Want(t, 200)
			as.Get(t, "/v1/logins/a").Equal(t, "/data/name", `"a"`).Equal(t, "/data/pw", "null")
			admin.Patch(t, "/v1/logins/a", apitest.MergePatch, `{"name":"again"}`).Want(t, 200)
		}
		admin.Patch(t, "/v1/logins/a", apitest.MergePatch, `{"budget":null}`).Want(t, 200)
		seen.want(t, "a", `{"name":"again","pw":"pass-one"}`)
	})
	const migrated = `"2"` + "\nmigrations: [{from: \"1\", patch: [{op: move, from: /pw, path: /password}]}]"
	var file []byte
	life("after", "password", migrated, func(t *testing.T, admin *apitest.Client) {
		tells := func() {
			t.Helper()
			for _, path := range []string{"/v1/logins/a", "/v1/logins?returns=data,meta,revision", "/v1/logins/a/revisions/1", "/v1/logins/a/revisions/1?raw=true", "/v1/logins/b?revision=1", "/v1/logins:watch?from_seq=0", "/v1/logins/a:diff?from=1&to=2"} {
				if body := string(admin.Get(t, path).Want(t, 200).Body); strings.Contains(body, "pass-one") {
					t.Errorf("%s tells it: %s", path, body)
				}
			}
		}
		tells()
		admin.Patch(t, "/v1/logins/a", apitest.MergePatch, `{"name":"z"}`).Want(t, 200)
		seen.want(t, "a", `{"name":"z","password":"pass-one"}`)
		for !admin.Post(t, "/v1/logins:migrate", `{}`).Want(t, 200).Value("/done").(bool) {
		}
		seen.want(t, "b", `{"name":"b","password":"pass-one"}`)
		admin.As(clerk).Post(t, "/v1/logins/b:switch", `{"revision":1}`).Want(t, 200)
		tells()
		verifyClean(t, admin)
		file = admin.Get(t, "/v1:backup").Want(t, 200).Body
	})
	s.DataDir = t.TempDir()
	life("restored", "password", migrated, func(t *testing.T, admin *apitest.Client) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", admin.URL+"/v1:restore", bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/octet-stream")
		req.Header.Set("Authorization", "Bearer "+adminKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != 200 {
			t.Fatalf("restore is %d", resp.StatusCode)
		}
		admin.Get(t, "/v1/logins/a").Want(t, 200).Equal(t, "/data", `{"name":"z"}`)
		admin.Patch(t, "/v1/logins/a", apitest.MergePatch, `{"name":"restored"}`).Want(t, 200)
		seen.want(t, "a", `{"name":"restored","password":"pass-one"}`)
		verifyClean(t, admin)
	})
}
