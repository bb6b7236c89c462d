// Package resource is the door to the domain. Applications get the Manager, through which
// every operation on a resource goes; the program has the Domain, which puts the rooms
// together: how resources stand (pkg/states), how they change (pkg/commit), and above
// them pkg/rights, pkg/jobs, pkg/upkeep, pkg/notify and pkg/admin. Types of those rooms
// that an application writes down have their names here too.
package resource
