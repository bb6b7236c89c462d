// Package commit is how a resource changes.
//
// A write is a plan. The plan computes a step, the next event, from the newest state; the
// gate decides whether its actor may take it; claims keep unique values unique and
// references whole; the step is committed by a compare-and-set on the log. When another
// write came first the plan begins again from the newer state, so no acknowledged write
// is lost and none is made from a state that its author has not seen. Every write of the
// program goes this way: those of clients, of handlers, of schedules, of upkeep.
package commit
