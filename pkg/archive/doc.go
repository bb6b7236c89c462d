// Package archive is every form in which a log leaves the log and comes back: the
// archive beside the blobs, from which a lost log is rebuilt, and the backup file,
// one portable, checksummed stream. It also reads a whole log and tells what is
// lost of it, and marks a log that is being loaded, so that nothing acts on half
// of a history.
//
// It knows the contracts of pkg/storage and no type.
package archive
