// Package admin is about the whole store: backup, restore, verification, migration, the
// plan of changed models, the audit log. All of it needs an admin.
package admin
