// Package plan says what a changed model does to the data that is there: whether
// the change can only widen what is allowed, and where it may not, which resources
// do not fit it. Nothing is changed by it.
package plan
