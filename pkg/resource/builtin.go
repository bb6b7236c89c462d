package resource

import "maps"

// builtins lists the strategies of the types of the program itself.
func builtins(m *Manager) Strategies {
	out := giving{access: m.o.Access, types: m.types, log: m.log, claimed: m.Claims.claimed}.strategies()
	maps.Copy(out, Strategies{
		QueueSettings: {Check: checkQueue, ByLimited: true, Told: true},
		BulkJobs:      {Check: m.Bulk.checkBulk, Hands: m.Bulk.mayBulk, Runs: m.Bulk.mayRunBulk},
		Schedules:     {Check: m.Jobs.checkSchedule, Hands: m.Jobs.maySchedule, Show: m.Jobs.showTimes, ShowsInLists: true, ActsLater: true},
		Webhooks:      {Check: m.Webhooks.checkWebhook, Hands: m.Webhooks.mayBeTold, ActsLater: true},
	})
	return out
}
