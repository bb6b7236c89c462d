package api

import "github.com/autocrud-go/autocrud/pkg/resource"

const watchText = "Server-Sent Events: id is the sequence in the log, event the action (or left, when the resource no longer matches the filter), " +
	"data the envelope. A connection that ends is resumed with Last-Event-ID or from_seq; event resume asks for that. " +
	"From the Autocrud-Index-Seq of a list nothing is missed."

// watchOperations follow what happens.
func watchOperations() []operation {
	op := func(path, name, summary string, problems ...string) operation {
		return operation{Operation: Operation{Method: "GET", Path: path, Name: name}, summary: summary, description: watchText,
			parameters: []string{"from_seq", "watch_filter", "Last-Event-ID"},
			responses:  []answer{{"200", "Events until the client leaves", nil, eventStream}},
			problems:   append([]string{"400", "404", "405", "410", "503"}, problems...)}
	}
	return []operation{
		op("/v1/{type}:watch", "watch", "Follow what happens to {many}"),
		op("/v1/{type}/{id}:watch", "watch_one", "Follow what happens to {one}"),
	}
}

var watchAllOperation = operation{
	Operation: Operation{Method: "GET", Path: "/v1:watch", Name: "watch"}, summary: "Follow what happens to all types",
	description: watchText + " A filter may name meta fields only. Types of the program itself are watched one by one.",
	parameters:  []string{"from_seq", "watch_filter", "Last-Event-ID"},
	responses:   []answer{{"200", "Events until the client leaves", nil, eventStream}},
	problems:    []string{"400", "405", "410", "503"},
}

func eventStream(*document, *resource.Type) object {
	return mediaContent("text/event-stream", object{{"type", "string"}}, "id: 1842\nevent: updated\ndata: {\"data\":{},\"meta\":{}}\n\n")
}

func watchParameters(add func(key, in, name, description string, schema object, example any)) {
	seq := object{{"type", "integer"}, {"minimum", 0}}
	add("from_seq", "query", "from_seq", "Begin after this sequence; 0: everything that is kept. Without it: from now on", seq, nil)
	add("watch_filter", "query", "filter", "Condition as in a list", object{{"type", "string"}}, nil)
	add("Last-Event-ID", "header", "Last-Event-ID", "Where the connection before ended; goes before from_seq", seq, nil)
}
