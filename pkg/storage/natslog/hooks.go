package natslog

import (
	"github.com/nats-io/nats-server/v2/server"
)

const (
	// hooksName is the account of subscribers outside.
	hooksName = "HOOKS"
	// hooksAPI is what requests to JetStream are called in it: by their own names
	// the server would answer that this account has no streams.
	hooksAPI = "HOOKS.API."
	jsAPI    = "$JS.API."
)

func (l Listen) namespace() string {
	if l.Namespace == "" {
		return "main"
	}
	return l.Namespace
}

// hookCalls are the requests to JetStream that a subscriber may make. It may not
// list consumers: a client that knows the name of one can read and remove it, and
// the program's own have names that cannot be guessed.
func hookCalls(stream string) []string {
	return []string{"CONSUMER.CREATE." + stream, "CONSUMER.CREATE." + stream + ".>", "CONSUMER.DURABLE.CREATE." + stream + ".>", "CONSUMER.INFO." + stream + ".>",
		"CONSUMER.DELETE." + stream + ".>", "STREAM.INFO." + stream, "STREAM.NAMES", "INFO"}
}

// hooksAccount imports from the account with the stream of events what a
// subscriber needs. Answers cross that border on subjects that the server makes,
// so wherever a request wants its answer to be put, it is in this account, where
// nothing is stored.
func hooksAccount(events *server.Account, namespace string) (*server.Account, error) {
	hooks := server.NewAccount(hooksName)
	to, stream := []*server.Account{hooks}, OutwardName(namespace)
	share := func(call string, answers server.ServiceRespType) error {
		if err := events.AddServiceExportWithResponse(jsAPI+call, answers, to); err != nil {
			return err
		}
		return hooks.AddServiceImport(events, hooksAPI+call, jsAPI+call)
	}
	if err := hooks.AddMapping(jsAPI+">", hooksAPI+">"); err != nil {
		return nil, err
	}
	for _, call := range hookCalls(stream) {
		if err := share(call, server.Singleton); err != nil {
			return nil, err
		}
	}
	if err := share("CONSUMER.MSG.NEXT."+stream+".>", server.Streamed); err != nil {
		return nil, err
	}
	ack, live := "$JS.ACK."+stream+".>", "ac."+namespace+".live.>"
	if err := events.AddServiceExport(ack, to); err != nil {
		return nil, err
	}
	if err := hooks.AddServiceImport(events, ack, ack); err != nil {
		return nil, err
	}
	if err := events.AddStreamExport(live, to); err != nil {
		return nil, err
	}
	return hooks, hooks.AddStreamImport(events, live, "")
}

// hookPermissions are the rights of a subscriber in its account.
func hookPermissions(namespace string) *server.Permissions {
	stream := OutwardName(namespace)
	may := []string{hooksAPI + "CONSUMER.MSG.NEXT." + stream + ".>", "$JS.ACK." + stream + ".>"}
	for _, call := range hookCalls(stream) {
		may = append(may, hooksAPI+call)
	}
	return &server.Permissions{Publish: &server.SubjectPermission{Allow: may},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>", "ac." + namespace + ".live.>"}}}
}
