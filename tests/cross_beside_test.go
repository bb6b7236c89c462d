package tests_test

// beside are the methods and commands that have no row, and why.
var beside = map[string]string{}

// The reasons of many of them.
const (
	reads    = "it writes nothing; what it tells is told by the requests that call it"
	internal = "only the program's own loops call it"
	between  = "one room of the domain asks another for it; no request, command or handler calls it"
	operates = "it is about the store, not about a resource; its request has a row"
)

func init() {
	for reason, names := range map[string][]string{
		reads: {"Types", "Type", "Get", "List", "Count", "Aggregate", "Revisions", "History", "Diff", "Referrers", "Expand", "Logs", "LogAfter", "OpenBinary",
			"Can", "Check", "May", "Admin", "Knows", "MayKnow", "KnowsSome", "MayWriteSome", "Auditor", "Audit", "AuditsReads", "Watch", "Watches", "Queues", "Queue", "AllQueueSettings", "Indexing", "PageToken", "PageAfter",
			"MayWatchAll", "Restorable", "Plan"},
		internal: {"Adopt", "Unadopted", "RunAfterHooks", "Tell", "RunBulk", "Expire", "JobEnded", "WriteLog", "JobsIn", "Heads", "JobState", "Newest", "Claim", "Finish",
			"CancelFor", "ActFor", "ActForJob", "MayRun", "PruneEvery", "Prune", "Known", "AllSchedules", "Fire", "Secrets", "Sweep", "SweepEvery", "Upkeep", "RunWatches",
			"LeaveBinaries", "Do", "MayTell", "Purged", "Judged"},
		between: {"AccessTo", "ActForOwner", "Answer", "ByID", "ClaimHash", "Claimed", "Content", "ContentNow", "EventAt", "EventBefore", "Fill", "Find", "Freshen", "Head",
			"Hides", "Hold", "Holdings", "Indexed", "LastEvent", "MayHave", "MayOpen", "MayPlan", "MayRead", "Narrow", "NextRevision", "Now", "PatchWith", "PlanCreate",
			"PlanPatch", "Planned", "PolicyVersion", "Prepare", "RawContent", "ReadAll", "Readable", "Redacted", "Run", "Search", "Searchable", "StillGone", "SweepBinary",
			"Shown", "TellRead", "Tombstone", "Unchanged", "Unfit", "Unpruned", "UnprunedNumber", "Unseal", "ValuesNow", "ViewOf", "ViewOn", "Published", "WatchablePublished", "MayAsShown", "MayRefer", "Opened", "Watched", "Visible", "WaitIndexed", "Watchable", "WatchableFrom",
			"WatchesAll", "Write", "WriteFrom", "Wrote"},
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
		"it runs a service": {"up", "dev", "api", "indexer", "worker"},
		"it prints what it is given or what the program is": {"models", "policies", "openapi", "asyncapi", "version", "health"},
		"it writes files, and changes nothing of a server":  {"init", "client"},
		"it sends requests, which have their rows; hands_test.go runs it": {"apply", "can", "cancel", "completion", "context", "create", "delete", "describe", "diff", "edit", "explain", "get",
			"history", "login", "logout", "logs", "patch", "publish", "rerun", "rollback", "run", "types", "undelete", "use", "watch"},
		operates: {"provision", "reindex", "verify", "gc", "migrate", "backup", "restore", "rebuild-log"},
	} {
		for _, name := range names {
			beside["command "+name] = reason
		}
	}
	for name, reason := range map[string]string{"password": "it needs a user, or a link, which works once", "reset": "each email may ask for few links", "endSession": "it needs a session"} {
		beside[name] = reason + "; people_test.go asks it"
	}
	for _, name := range []string{"loginAtIssuer", "loginFromIssuer"} {
		beside[name] = "it needs an issuer; signin_test.go asks it"
	}
}
