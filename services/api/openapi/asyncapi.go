package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// AsyncAPIOptions says what the document tells about the servers.
type AsyncAPIOptions struct {
	Title     string // default "AutoCRUD events"
	Version   string // default "1"
	Namespace string // default "main"
	Host      string // host:port of NATS; default 127.0.0.1:4222
	ServerURL string // base URL of the API; default http://127.0.0.1:8080
}

// AsyncAPI describes the events of the types as an AsyncAPI 3.0 document in JSON:
// the stream that subscribers read, its live form, and watches over HTTP. Types
// of the program itself are not told outside. The same types give the same
// bytes.
func AsyncAPI(types []*model.Type, o AsyncAPIOptions) []byte {
	ns := orElse(o.Namespace, "main")
	d := newDocument(types, Options{})
	channels, operations, messages := object{}, object{}, object{}
	schemas := sharedSchemas()
	for _, t := range types {
		if t.Builtin {
			continue
		}
		name := d.names[t.Name].write
		told := mustDecode(t.Schema)
		if t.WritesOnly() { // what is required may be what is never told
			told = loosen(told)
		}
		schemas = append(schemas, member{name, schemaFormat(moveRefs(inlineBinaries(told), name+"/schema"))},
			member{name + "Event", schemaFormat(d.eventSchema(t, name))})
		messages = append(messages, member{name + "Event", eventMessage(t, name)})
		for _, c := range []struct{ key, server, address, text string }{
			{name + "Events", "nats", "ac." + ns + ".event." + t.Name + ".{action}.{id}", "Kept for a while in the stream " + storage.StreamName(ns, storage.OutwardStream) + "; read it with a consumer."},
			{name + "Live", "nats", "ac." + ns + ".live." + t.Name + ".{action}.{id}", "Each stored event, once, to every listener."},
			{name + "Watch", "http", "/v1/" + t.Name + ":watch", "Server-Sent Events that resume from any point of the log; see the OpenAPI document."},
		} {
			channel := object{{"address", c.address}, {"description", c.text}, {"servers", []any{object{{"$ref", "#/servers/" + c.server}}}},
				{"messages", object{{"event", object{{"$ref", "#/components/messages/" + name + "Event"}}}}}}
			if c.server == "nats" {
				channel = append(channel, member{"parameters", object{{"action", object{{"$ref", "#/components/parameters/action"}}}, {"id", object{{"$ref", "#/components/parameters/id"}}}}})
			}
			channels = append(channels, member{c.key, channel})
			operations = append(operations, member{"send" + c.key, object{{"action", "send"}, {"channel", object{{"$ref", "#/channels/" + c.key}}},
				{"summary", "What happens to " + t.Name}, {"messages", []any{object{{"$ref", "#/channels/" + c.key + "/messages/event"}}}}}})
		}
	}
	protocol, host, _ := strings.Cut(orElse(o.ServerURL, "http://127.0.0.1:8080"), "://")
	actions := []any{}
	for _, a := range storage.Actions {
		actions = append(actions, string(a))
	}
	doc := object{
		{"asyncapi", "3.0.0"},
		{"info", object{{"title", orElse(o.Title, "AutoCRUD events")}, {"version", orElse(o.Version, "1")},
			{"description", "Every committed write, once and in order, as CloudEvents 1.0. Events come after the index holds them: who is told of one finds it."}}},
		{"defaultContentType", "application/json"},
		{"servers", object{
			{"nats", object{{"host", orElse(o.Host, "127.0.0.1:4222")}, {"protocol", "nats"}, {"description", "NATS with JetStream"}}},
			{"http", object{{"host", host}, {"protocol", protocol}, {"description", "The API"}}}}},
		{"channels", channels},
		{"operations", operations},
		{"components", object{{"messages", messages}, {"schemas", schemas}, {"parameters", object{
			{"action", object{{"description", "What happened"}, {"enum", actions}}},
			{"id", object{{"description", "Id of the resource"}}}}}}},
	}
	var out bytes.Buffer
	if err := json.Indent(&out, appendJSON(nil, doc), "", "  "); err != nil {
		panic(fmt.Sprintf("openapi: the AsyncAPI document is no JSON: %v", err)) // appendJSON writes nothing else
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// schemaFormat says which JSON Schema a schema is written in: AsyncAPI's own is
// an older one.
func schemaFormat(schema any) object {
	return object{{"schemaFormat", "application/schema+json;version=draft-2020-12"}, {"schema", schema}}
}

// eventSchema is the envelope of an event, or what a purge leaves.
func (d *document) eventSchema(t *model.Type, name string) object {
	envelope := recordSchema(object{{"data", object{{"$ref", "#/components/schemas/" + name + "/schema"}}},
		{"meta", componentRef("schemas", metaName(t))}, {"revision", componentRef("schemas", "Revision")}}, "meta", "revision")
	purged := recordSchema(object{{"meta", recordSchema(object{{"type", stringSchema}, {"id", stringSchema},
		{"seq", countSchema}, {"deleted", object{{"const", true}}}}, "type", "id", "seq", "deleted")}}, "meta")
	return object{{"anyOf", []any{envelope, append(purged, member{"additionalProperties", false}, member{"description", "What a purge leaves"})}}}
}

func eventMessage(t *model.Type, name string) object {
	text := object{{"type", "string"}}
	headers := object{
		{"ce-specversion", object{{"type", "string"}, {"const", "1.0"}}},
		{"ce-id", object{{"type", "string"}, {"description", "Unique for ever"}}},
		{"ce-source", object{{"type", "string"}, {"format", "uri-reference"}}},
		{"ce-type", object{{"type", "string"}, {"pattern", "^autocrud\\." + t.Name + "\\.[a-z_]+$"}}},
		{"ce-subject", object{{"type", "string"}, {"description", "Id of the resource"}}},
		{"ce-time", object{{"type", "string"}, {"format", "date-time"}}},
		{"ce-datacontenttype", object{{"type", "string"}, {"const", "application/json"}}},
		{"ce-sequence", object{{"type", "string"}, {"pattern", "^[0-9]+$"}, {"description", "Place in the log; grows"}}},
		{"ce-sequencetype", object{{"type", "string"}, {"const", "Integer"}}},
		{"ce-principal", object{{"type", "string"}, {"description", "Who did it"}}},
		{"ce-cause", object{{"type", "string"}, {"description", "Id of the event that made this one happen"}}},
		{"ce-traceparent", object{{"type", "string"}, {"description", "The span in which it was written (W3C Trace Context)"}}},
		{"ce-dataref", object{{"type", "string"}, {"format", "uri-reference"}, {"description", "Where the data is when it is too large for a message"}}},
		{"Nats-Msg-Id", text},
	}
	schema := recordSchema(headers, "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-sequence")
	return object{{"name", name + "Event"}, {"title", "Something happened to a resource of the type " + t.Name},
		{"contentType", "application/json"}, {"headers", schema},
		{"payload", object{{"$ref", "#/components/schemas/" + name + "Event"}}}}
}
