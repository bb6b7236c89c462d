// Package states says how resources stand, and to whom that is shown.
//
// A resource is what its newest event says: its meta and the revision HEAD points to.
// States finds that event: in the recent commits of this process, else in the index,
// and says how new it is. Guard asks the policy and takes out what the caller may not
// see. Reads answers gets, lists, counts, histories. What every room above shares is
// here too: Core with the stores, Options, hooks, the strategies of built-in types.
//
// The package knows the contracts of pkg/storage, and no HTTP, SQL, NATS or S3.
package states
