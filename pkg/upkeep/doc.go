// Package upkeep finishes what writes began, and changes many resources: purges, cascades,
// expiry, the sweep of what nothing refers to, changes of all that match a filter.
package upkeep
