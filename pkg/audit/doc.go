// Package audit keeps what no event of a resource tells: refusals and reads that are
// audited. Entries are kept in chains whose alteration shows.
package audit
