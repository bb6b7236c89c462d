//go:build race

package storagetest

// Race tells that the race detector is on, under which a database written in
// Go takes ten times as long.
const Race = true
