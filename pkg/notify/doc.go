// Package notify tells of what happened: watches, what a webhook is told, and
// after-hooks of writes.
package notify
