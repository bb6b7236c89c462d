package tests_test

// beside are the methods and commands that have no row, and why.
var beside = map[string]string{}

// The reasons of many of them.
const (
	reads    = "it writes nothing; what it tells is told by the requests that call it"
	internal = "only the program's own loops call it"
	operates = "it is about the store, not about a resource; its request has a row"
)

func init() {
	for reason, names := range map[string][]string{
		reads: {"Types", "Type", "Get", "List", "Count", "Aggregate", "Revisions", "History", "Diff", "Referrers", "Expand", "Logs", "LogAfter", "OpenBinary",
			"Can", "Check", "May", "Admin", "Knows", "MayKnow", "KnowsSome", "MayWriteSome", "Auditor", "Audit", "AuditsReads", "Watch", "Watches", "Queues", "Queue", "AllQueueSettings", "Indexing", "PageToken", "PageAfter",
			"MayWatchAll", "Restorable", "Plan"},
		internal: {"Adopt", "Unadopted", "RunAfterHooks", "Tell", "RunBulk", "Expire", "JobEnded", "WriteLog", "JobsIn", "Heads", "JobState", "Newest", "Claim", "Finish",
			"CancelFor", "ActFor", "ActForJob", "MayRun", "PruneEvery", "Prune", "Known", "AllSchedules", "Fire", "Secrets", "Sweep", "SweepEvery", "Upkeep", "RunWatches",
			"LeaveBinaries", "MayTell", "Purged", "Judged"},
		operates: {"Backup", "RestoreBackup", "Verify", "Reindex", "MigrateAll", "PauseQueue", "PutBinary"},
		"its request has a row, which calls nothing else": {"RunAction", "QueueAction", "QueueBulk", "RotateKey", "ReplayWebhook"},
	} {
		for _, name := range names {
			beside["Go Manager."+name] = reason
		}
	}
	for _, name := range []string{"Get", "List", "Page", "Count", "History"} {
		beside["Go Typed."+name] = reads
	}
	for reason, names := range map[string][]string{
		"it runs a service": {"up", "api", "indexer", "worker"},
		"it prints what it is given or what the program is": {"models", "policies", "openapi", "asyncapi", "version", "health"},
		operates: {"provision", "reindex", "verify", "gc", "migrate", "backup", "restore", "rebuild-log"},
	} {
		for _, name := range names {
			beside["command "+name] = reason
		}
	}
	for name, reason := range map[string]string{"password": "it needs a user, or a link, which works once", "reset": "each email may ask for few links", "endSession": "it needs a session"} {
		beside[name] = reason + "; people_test.go asks it"
	}
}
