package api_test

import (
	"bytes"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

const tricky = `
name: tricky
title: Tricky
schema:
  type: object
  $defs: {point: {type: array, prefixItems: [{type: number}, {type: number}]}}
  properties: {name: {type: string}, at: {$ref: "#/$defs/point"}, poster: {x-binary: {maxBytes: 1000}}}
index: [name]
`

const errands = `
name: errands
schema: {type: object, properties: {what: {type: string}}}
job: {handler: {exec: ["true"]}}
`

func read(t *testing.T, b []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestTheAsyncAPIDocumentIsValid checks it with the schema that the AsyncAPI
// initiative publishes (npm package @asyncapi/specs 6.11.1, Apache-2.0).
func TestTheAsyncAPIDocumentIsValid(t *testing.T) {
	b, err := os.ReadFile("testdata/asyncapi-3.0.0.json")
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("http://asyncapi.com/definitions/3.0.0/asyncapi.json", read(t, b)); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("http://asyncapi.com/definitions/3.0.0/asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc := openapi.AsyncAPI(testenv.Types(t, tricky, errands), openapi.AsyncAPIOptions{})
	if err := schema.Validate(read(t, doc)); err != nil {
		t.Errorf("%v\n%s", err, doc)
	}
	broken := bytes.Replace(doc, []byte(`"action": "send"`), []byte(`"action": "shout"`), 1)
	if schema.Validate(read(t, broken)) == nil {
		t.Error("the schema lets everything pass")
	}
}

// TestMessagesAreAsTheDocumentSays checks every message of the stream, headers
// and body, against its channel.
func TestMessagesAreAsTheDocumentSays(t *testing.T) {
	types := testenv.Types(t, tricky, errands)
	s := testenv.Open(t, t.TempDir(), types, testenv.StackOptions{})
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:///a.json", read(t, openapi.AsyncAPI(types, openapi.AsyncAPIOptions{}))); err != nil {
		t.Fatal(err)
	}
	check := func(at string, v any) {
		t.Helper()
		schema, err := c.Compile("mem:///a.json#/components/" + (&url.URL{Path: at}).EscapedPath())
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v in %v", at, err, v)
		}
	}
	ctx := policy.WithActor(t.Context(), policy.Actor{Principal: "user:Ann \"%\" Ångström"})
	for _, typ := range []string{"tricky", "errands"} {
		if _, err := s.Manager.Create(ctx, typ, map[string]any{}, resource.CreateOptions{ID: "x"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Manager.Delete(ctx, typ, "x", resource.Match{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Manager.Upkeep.Purge(ctx, typ, "x", resource.Match{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Manager.Create(ctx, typ, map[string]any{}, resource.CreateOptions{ID: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.New(s.NATS)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(ctx, "AC_MAIN_EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	iter, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer iter.Stop()
	for n := 0; n < 4; n++ { // a tombstone and a new life of each
		m, err := iter.Next(jetstream.NextMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		name := "Tricky"
		if strings.Contains(m.Subject(), ".errands.") {
			name = "Errands"
		}
		headers := map[string]any{}
		for k, v := range m.Headers() {
			headers[k] = v[0]
		}
		check("messages/"+name+"Event/headers", headers)
		check("schemas/"+name+"Event/schema", read(t, m.Data()))
		isCloudEvent(t, m)
	}
}

// attribute is how CloudEvents 1.0 wants attributes to be named (section 3.1).
var attribute = regexp.MustCompile(`^[a-z0-9]{1,20}$`)

// isCloudEvent reads a message as the NATS protocol binding says (binary mode)
// and checks the event with the JSON schema of CloudEvents 1.0, as the npm
// package cloudevents 10.0.0 (Apache-2.0) has it.
func isCloudEvent(t *testing.T, m jetstream.Msg) {
	t.Helper()
	b, err := os.ReadFile("testdata/cloudevents-1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:///cloudevents.json", read(t, b)); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("mem:///cloudevents.json")
	if err != nil {
		t.Fatal(err)
	}
	event := map[string]any{"data": read(t, m.Data())}
	for name, v := range m.Headers() {
		name, of := strings.CutPrefix(name, "ce-")
		if !of {
			continue
		}
		if !attribute.MatchString(name) {
			t.Errorf("an attribute is called %q", name)
		}
		for _, x := range v[0] { // HTTP binding, section 3.1.3.2
			if x <= ' ' || x > '~' || x == '"' {
				t.Errorf("the header of %s holds %q", name, v[0])
			}
		}
		if event[name], err = url.PathUnescape(v[0]); err != nil || len(v) != 1 {
			t.Errorf("%s is %q, %v", name, v, err)
		}
	}
	if err := schema.Validate(event); err != nil {
		t.Errorf("%v in %v", err, event)
	}
	if event["specversion"] != "1.0" || event["principal"] != "user:Ann \"%\" Ångström" {
		t.Errorf("it says %v", event)
	}
	delete(event, "source")
	if schema.Validate(event) == nil {
		t.Error("the schema lets everything pass")
	}
}
