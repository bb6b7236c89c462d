package openapi

import (
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// The bodies of requests.
var (
	EmptyBody     Part = emptyBody // nothing, or {}
	DataBody      Part = (*document).dataBody
	ReplaceBody   Part = (*document).replaceBody // data in the place of other data
	PatchBody     Part = (*document).patchBody   // of either kind
	RestoreBody   Part = restoreBody
	SwitchBody    Part = switchBody
	StatusBody    Part = statusBody
	PublishBody   Part = publishBody
	UnpublishBody Part = unpublishBody
	ReleaseBody   Part = (*document).releaseBody
	SearchBody    Part = searchBody // the parameters of a list
	BulkBody      Part = bulkBody
	PruneBody     Part = pruneBody
	ReplayBody    Part = replayBody // where deliveries begin again
	RotateBody    Part = rotateBody // how long the secret before stays good
	BatchBody     Part = (*document).batchBody
	QuestionBody  Part = questionBody // what is asked of the policy
	ModelsBody    Part = modelsBody   // model files
	UploadBody    Part = uploadBody
	BackupBody    Part = backupBody
)

// The contents of answers about one resource, or one revision of it.
var (
	Envelope Part = (*document).envelope // what was written
	Partial  Part = (*document).partial  // what is read, of which parts can be left out
	Whole    Part = (*document).whole    // all parts of what is read
	MetaOnly Part = (*document).metaOnly
	Diff     Part = diffAnswer
	Logs     Part = logsAnswer
	Delivery Part = deliveryAnswer
)

// The contents of answers about several.
var (
	Page         Part = (*document).page
	Revisions    Part = revisionsAnswer
	History      Part = historyAnswer
	Referrers    Part = referrersAnswer
	Deliveries   Part = deliveriesAnswer
	Count        Part = countAnswer
	Groups       Part = groupsAnswer
	Migration    Part = migrationAnswer
	BatchResults Part = batchAnswer
	EventStream  Part = eventStream
)

// The contents of answers about the server.
var (
	Verified  Part = verifiedAnswer
	Swept     Part = sweptAnswer
	Restored  Part = restoredAnswer
	Indexing  Part = indexingAnswer
	Queue     Part = queueAnswer
	Queues    Part = queuesAnswer
	Decision  Part = decisionAnswer // of the policy
	Uploaded  Part = uploadedAnswer
	Audit     Part = auditAnswer
	Plan      Part = planAnswer // of changed models
	Model     Part = (*document).model
	ModelPage Part = (*document).modelPage
	AnyObject Part = anyObject
	AnyBinary Part = anyBinary
)

// QueuedBulk is the answer about a job that changes many resources.
var QueuedBulk = Queued(upkeep.BulkJobs)

// Queued is the answer about a job of a type.
func Queued(job string) Part {
	return func(d *document, _ *model.Type) object { return d.queued(job) }
}

// ActionInput is the body that a custom action takes.
func ActionInput(x *resource.Action) Part {
	return func(d *document, _ *model.Type) object {
		needed := x.Input.Validate(x.Input.Defaults(map[string]any{})) != nil
		return withBody(needed, jsonContent(componentRef("schemas", d.actions[x].input), sampleData(x.Input)))
	}
}

// ActionOutput is the answer of a custom action.
func ActionOutput(x *resource.Action) Part {
	return func(d *document, _ *model.Type) object {
		return jsonContent(componentRef("schemas", d.actions[x].output), nil)
	}
}

// Text is an answer of text of a media type.
func Text(mediaType string) Part {
	return func(*document, *model.Type) object {
		return mediaContent(mediaType, object{{"type", "string"}}, nil)
	}
}
