// Package rights is what the built-in types that give rights do beyond their schema: API
// keys, roles and bindings. A principal gives only rights that it has.
package rights
