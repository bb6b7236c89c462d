package openapi

import (
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const (
	sampleID      = "018f3c2e-7b4a-7c11-9d2e-5a6b7c8d9e0f"
	sampleInstant = "2026-01-02T15:04:05.123456Z"
	sampleDigest  = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bd22cd15d6c15b0f00a08"
)

// withBody marks a body of JSON.
func withBody(required bool, content object) object {
	return object{{"required", required}, {"content", content}}
}

func (d *document) dataBody(t *model.Type) object {
	return withBody(true, withForm(t, jsonContent(componentRef("schemas", d.names[t.Name].write), sampleData(t))))
}

func (d *document) replaceBody(t *model.Type) object {
	return withBody(true, withForm(t, jsonContent(componentRef("schemas", d.names[t.Name].replace), sampleData(t))))
}

func (d *document) patchBody(t *model.Type) object {
	merge, patch := any(map[string]any{}), any([]any{})
	if m, ok := sampleData(t).(map[string]any); ok {
		for _, k := range sortedKeys(m) {
			merge = map[string]any{k: m[k]}
			patch = []any{object{{"op", "add"}, {"path", pointerToKey(k)}, {"value", m[k]}}}
			break
		}
	}
	content := mediaContent("application/merge-patch+json", append(freeObject(), member{"description", "RFC 7396"}), merge)
	return withBody(true, append(content, mediaContent("application/json-patch+json", componentRef("schemas", "JSONPatch"), patch)...))
}

func emptyBody(*document, *model.Type) object {
	return withBody(false, jsonContent(object{{"type", "object"}, {"maxProperties", 0}}, object{}))
}

func restoreBody(*document, *model.Type) object {
	return withBody(false, jsonContent(recordSchema(object{{"revision", object{{"type", "integer"}, {"minimum", 1}}},
		{"patch", patchSchema("RFC 7396, or RFC 6902 when it is a list")}}), object{}))
}

func switchBody(*document, *model.Type) object {
	return withBody(true, jsonContent(recordSchema(object{{"revision", object{{"type", "integer"}, {"minimum", 1}}}}, "revision"), object{{"revision", 2}}))
}

func statusBody(*document, *model.Type) object {
	return withBody(true, jsonContent(recordSchema(object{{"status", statusSchema}}, "status"), object{{"status", "stable"}}))
}

var (
	atMember     = member{"at", object{{"type", []any{"string", "null"}}, {"format", "date-time"}, {"description", "In the future, with its zone; null cancels what is scheduled"}}}
	newestMember = member{"revision", object{{"type", "string"}, {"enum", []any{"newest"}}, {"description", "Publish what is HEAD when the time comes; without it, what is HEAD now"}}}
)

// sampleLater is a time that is in the future.
const sampleLater = "2099-12-31T23:59:59Z"

func publishBody(*document, *model.Type) object {
	return withBody(false, jsonContent(closed(recordSchema(object{atMember, newestMember})), object{}))
}

func unpublishBody(*document, *model.Type) object {
	return withBody(false, jsonContent(closed(recordSchema(object{atMember})), object{}))
}

func (d *document) releaseBody(*model.Type) object {
	item := closed(recordSchema(object{{"type", stringSchema}, {"id", stringSchema},
		{"if_match", object{{"type", "string"}, {"description", "An ETag, as in the header If-Match"}}}}, "type", "id"))
	items := []any{}
	if len(d.types) > 0 {
		items = []any{object{{"type", d.types[0].Name}, {"id", sampleID}}}
	}
	return withBody(true, jsonContent(closed(recordSchema(object{atMember, newestMember, {"items", object{{"type", "array"}, {"minItems", 1}, {"maxItems", 100}, {"items", item}}}}, "items")),
		object{{"at", sampleLater}, {"items", items}}))
}

func closed(schema object) object { return append(schema, member{"additionalProperties", false}) }

func (d *document) envelope(t *model.Type) object {
	return sampled(t, d.names[t.Name].envelope)
}

func (d *document) partial(t *model.Type) object {
	return sampled(t, d.names[t.Name].partial)
}

func (d *document) whole(t *model.Type) object {
	return sampled(t, d.names[t.Name].whole)
}

// sampled is the content of an answer about one resource. It has no example where
// data has none.
func sampled(t *model.Type, schema string) object {
	if sampleRead(t) == nil {
		return jsonContent(componentRef("schemas", schema), nil)
	}
	return jsonContent(componentRef("schemas", schema), sampleEnvelope(t, true))
}

// queued is the answer about a job of a type.
func (d *document) queued(job string) object {
	if n, known := d.names[job]; known {
		return jsonContent(componentRef("schemas", n.whole), nil)
	}
	return jsonContent(recordSchema(object{{"meta", componentRef("schemas", "JobMeta")}}, "meta"), nil)
}

func (d *document) page(t *model.Type) object {
	page := componentRef("schemas", d.names[t.Name].page)
	if sampleRead(t) == nil {
		return jsonContent(page, nil)
	}
	return jsonContent(page, samplePage(sampleEnvelope(t, false)))
}

func (d *document) metaOnly(t *model.Type) object {
	return jsonContent(recordSchema(object{{"meta", componentRef("schemas", metaName(t))}}, "meta"),
		object{{"meta", sampleMeta(t, true)}})
}

func revisionsAnswer(_ *document, t *model.Type) object {
	return jsonContent(componentRef("schemas", "RevisionPage"), samplePage(object{{"revision", sampleRevision(t)}}))
}

func historyAnswer(*document, *model.Type) object {
	return jsonContent(componentRef("schemas", "EventPage"), samplePage(object{
		{"seq", 1842}, {"action", "created"}, {"at", sampleInstant}, {"principal", "key:importer"},
		{"request_id", "01JH2V4K7E"}, {"revision", sampleID + ":1"}, {"address", "192.0.2.7"}}))
}

func (d *document) model(*model.Type) object {
	return jsonContent(componentRef("schemas", "Model"), sampleModel(d.types))
}

func (d *document) modelPage(*model.Type) object {
	return jsonContent(componentRef("schemas", "ModelPage"), samplePage(sampleModel(d.types)))
}

func sampleModel(types []*model.Type) object {
	if len(types) == 0 {
		return object{{"name", "things"}, {"schema", object{{"type", "object"}}}}
	}
	return object{{"name", types[0].Name}, {"schema", mustDecode(types[0].Schema)}}
}

func samplePage(item object) object {
	return object{{"items", []any{item}}, {"next_page_token", ""}}
}

func sampleEnvelope(t *model.Type, revision bool) object {
	out := object{}
	if data := sampleRead(t); data != nil {
		out = append(out, member{"data", data})
	}
	out = append(out, member{"meta", sampleMeta(t, false)})
	if revision {
		out = append(out, member{"revision", sampleRevision(t)})
	}
	return out
}

func sampleMeta(t *model.Type, deleted bool) object {
	out := object{
		{"type", t.Name}, {"id", sampleID}, {"current_revision", sampleID + ":1"}, {"revision_count", 1},
		{"status", string(t.DefaultStatus)}, {"schema_version", t.Version}, {"seq", 1842},
		{"created_at", sampleInstant}, {"created_by", "key:importer"}, {"updated_at", sampleInstant}, {"updated_by", "key:importer"},
		{"deleted", deleted}, {"published", samplePublished(t, deleted)},
	}
	if t.Job != nil {
		out = append(out, member{"job", object{
			{"state", "pending"}, {"queue", t.Job.Queue}, {"priority", 0}, {"attempts", 0}, {"max_attempts", t.Job.MaxAttempts},
			{"run_at", sampleInstant}, {"started_at", nil}, {"finished_at", nil}, {"next_attempt_at", nil},
			{"progress", nil}, {"error", nil}, {"result", nil}}})
	}
	return out
}

func samplePublished(t *model.Type, deleted bool) any {
	if deleted || t.DefaultStatus == storage.Draft {
		return nil
	}
	return 1
}

func sampleRevision(t *model.Type) object {
	return object{
		{"id", sampleID + ":1"}, {"number", 1}, {"parent", nil}, {"status", string(t.DefaultStatus)}, {"schema_version", t.Version},
		{"hash", sampleDigest}, {"size", 512}, {"created_at", sampleInstant}, {"created_by", "key:importer"},
		{"updated_at", sampleInstant}, {"updated_by", "key:importer"}, {"message", nil},
	}
}
