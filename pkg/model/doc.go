// Package model is what an application defines: types, read from files or Go
// structs, and everything that follows from a type alone: its schema with
// defaults and validation, the values that are indexed, the binaries a document
// holds, migrations between versions, what is never shown. It also reads and
// writes the one canonical JSON.
//
// Nothing here stores anything or knows the caller.
package model
