package resource

// builtin is what the engine does for a type of the program itself beyond what its
// schema says.
type builtin struct {
	check func(m *Manager, content []byte) error // refuses content that fits the schema and cannot work
}

// builtins lists them by the name of their type.
func builtins() map[string]builtin {
	return map[string]builtin{
		APIKeys:       {check: smallEnough},
		Roles:         {check: checkRole},
		Bindings:      {check: checkBinding},
		QueueSettings: {check: checkQueue},
		BulkJobs:      {check: checkBulk},
		Schedules:     {check: checkSchedule},
	}
}
