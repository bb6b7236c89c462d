package storage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Pruned is an entry of the log that says which revisions of a resource are not kept
// any more. Their events stay, as the history of who did what; their content is
// erased after it, wherever it is.
type Pruned struct {
	Version int    `json:"v"`
	Type    string `json:"type"`
	ID      string `json:"id"`
	// Through and Except: of the events of the resource before this entry, those are
	// pruned whose revision has a number up to Through that is not in Except, in order.
	Through int       `json:"through"`
	Except  []int     `json:"except,omitempty"`
	At      time.Time `json:"at"`
	// Principal asked for it; of the retention of a type: "retention".
	Principal string `json:"principal"`
	// Erase is what this entry newly prunes.
	Erase []Doomed `json:"erase,omitempty"`
	// Erased tells that nothing is left to erase: the log was made from a backup.
	Erased bool `json:"erased,omitempty"`

	Seq uint64 `json:"-"` // place in the log
	// Headers are those of events that held content themselves and so are erased from
	// the log, packed.
	Headers []byte `json:"-"`
}

// Doomed is a revision whose content is to be erased.
type Doomed struct {
	Number int      `json:"n"`
	Refs   []string `json:"refs,omitempty"` // of its objects
	// Told are the events that held its content, in the log or outside.
	Told     []uint64 `json:"told,omitempty"`
	Inline   []uint64 `json:"inline,omitempty"` // those of Told that held it in the log
	Binaries []string `json:"binaries,omitempty"`
}

// PrunedVersion is the format that EncodePruned writes.
const PrunedVersion = 1

// Numbers reports whether the revision of a number is one of those that are pruned.
func (p *Pruned) Numbers(n int) bool {
	if n > p.Through || n < 1 {
		return false
	}
	_, kept := slices.BinarySearch(p.Except, n)
	return !kept
}

// Covers reports whether the content that an event left is pruned.
func (p *Pruned) Covers(e *Event) bool {
	return e.Seq < p.Seq && e.Action != Purged && p.Numbers(e.Revision.Number)
}

// prunedSubjects begin the subjects of what was pruned.
const prunedSubjects = "sys.pruned."

// prunedShards is over how many subjects the resources of a type are spread, so that
// several can be pruned at a time.
const prunedShards = 16

// PrunedSubject is where the log says what was pruned of a resource and others of its
// type.
func PrunedSubject(typ, id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return fmt.Sprintf("%s%s.%d", prunedSubjects, typ, h.Sum32()%prunedShards)
}

// PrunedSubjects are those of PrunedSubject for any resource of a type.
func PrunedSubjects(typ string) string { return prunedSubjects + typ + ".>" }

// IsPruned reports whether a subject is one of PrunedSubject.
func IsPruned(subject string) bool { return strings.HasPrefix(subject, prunedSubjects) }

// AllPruned are the subjects of all types.
const AllPruned = prunedSubjects + ">"

// Encode writes the entry: a line of JSON, then the packed headers.
func (p *Pruned) Encode() ([]byte, error) {
	p.Version = PrunedVersion
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return append(append(b, '\n'), p.Headers...), nil
}

// DecodePruned reads what Encode wrote.
func DecodePruned(b []byte, seq uint64) (*Pruned, error) {
	line, headers, ok := bytes.Cut(b, []byte{'\n'})
	p := &Pruned{Seq: seq, Headers: headers}
	if err := json.Unmarshal(line, p); err != nil || !ok || p.Version < 1 || p.Version > PrunedVersion {
		return nil, fmt.Errorf("what was pruned at %d: %w: version %d, %w", seq, ErrCorrupt, p.Version, err)
	}
	return p, nil
}
