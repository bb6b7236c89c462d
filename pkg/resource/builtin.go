package resource

import "github.com/autocrud-go/autocrud/pkg/policy"

// builtin is what the engine does for a type of the program itself beyond what its
// schema says.
type builtin struct {
	check func(m *Manager, content []byte) error // refuses content that fits the schema and cannot work
}

// builtins lists them by the name of their type.
func builtins() map[string]builtin {
	return map[string]builtin{
		policy.APIKeys:  {check: func(_ *Manager, content []byte) error { return policy.SmallEnough(content) }},
		policy.Roles:    {check: func(m *Manager, content []byte) error { return policy.CheckRole(m.o.Access, m.Types(), content) }},
		policy.Bindings: {check: func(m *Manager, content []byte) error { return policy.CheckBinding(m.o.Access, m.Types(), content) }},
		QueueSettings:   {check: checkQueue},
		BulkJobs:        {check: checkBulk},
		Schedules:       {check: checkSchedule},
	}
}
