// Package search measures searches over HTTP beside the best statement that can
// be written by hand for the same answer, on both databases, in the same run.
// It is a test, so that it cannot rot: `make test` runs it small, `make
// bench-search` with a million rows.
//
// Figures are for ratios within one run; they do not carry from machine to
// machine.
package search
