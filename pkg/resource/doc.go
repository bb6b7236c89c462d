// Package resource is the domain: types and the Manager, through which every
// operation on a resource goes, from HTTP, from jobs and from Go.
//
// A resource is what its newest event says: its meta and the revision HEAD
// points to. A write computes the next event from that state and commits it by
// a compare-and-set on the log; when another write came first it begins again
// from the newer state, so no acknowledged write is lost and none is made from
// a state its author has not seen. Reads come from the recent commits of this
// process, else from the index, and say how new they are.
//
// The package knows the contracts of pkg/storage, and no HTTP, SQL, NATS or S3.
package resource
