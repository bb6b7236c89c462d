package natslog

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A tail is told of random flights: committed, refused and unknown ones, of single
// records and of units, with guards, beside others who write and loads. What it proves
// is true, and it proves most of what is.
func TestWhatTheTailProvesIsTrue(t *testing.T) {
	const rounds = 60_000
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		last, newest := uint64(0), map[string]uint64{}
		writes := func(subject string) uint64 {
			last++
			newest[subject] = last
			return last
		}
		name := func() string { return fmt.Sprint("rev.", rng.IntN(300)) }
		tail := newTail(0)
		tail.most = 64
		asked, proved, told, unseen := 0, 0, 0, false // unseen: of others, since something was committed
		for range rounds {
			switch rng.IntN(200) {
			case 0: // another program writes
				writes(name())
				unseen = true
			case 1:
				done := tail.others()
				for range rng.IntN(5) {
					writes(name())
				}
				done()
			}
			var group []*pending
			used := newSubjects(8)
			for range 1 + rng.IntN(4) {
				p := &pending{}
				for range 1 + rng.IntN(3) {
					r := storage.Record{Subject: name()}
					checked := r.Subject
					if rng.IntN(4) == 0 {
						r.Guard = name()
						checked = r.Guard
					}
					r.Expected = newest[checked]
					switch rng.IntN(8) {
					case 0: // an old state
						r.Expected = uint64(rng.Int64N(int64(r.Expected) + 1))
					case 1: // the sequence of something else
						if last > tail.floor {
							r.Expected = tail.floor + 1 + uint64(rng.Int64N(int64(last-tail.floor)))
						}
					case 2:
					default:
						r.AsOf = last
					}
					p.unit = append(p.unit, r)
				}
				if !used.clash(p) && !selfClash(p) {
					used.add(p)
					group = append(group, p)
				}
			}
			sure, after, known := tail.plan(group)
			if known && !unseen && after != last {
				t.Fatalf("the tail ends at %d, the log at %d", after, last)
			}
			ends := make([]uint64, len(group))
			lost := false
			for i, p := range group {
				holds := true
				for _, r := range p.unit {
					checked := r.Subject
					if r.Guard != "" {
						checked = r.Guard
					}
					holds = holds && newest[checked] == r.Expected
				}
				if sure[i] && !holds && after == last {
					t.Fatalf("seed %d: the tail proves %+v, newest %v", seed, p.unit, newest)
				}
				if holds {
					asked++
				}
				if holds && sure[i] {
					proved++
				}
				if !holds || rng.IntN(20) == 0 {
					continue // refused
				}
				for _, r := range p.unit {
					ends[i] = writes(r.Subject)
				}
				unseen = false
				if after != 0 && known {
					after = last
				}
				lost = lost || rng.IntN(300) == 0
			}
			if lost {
				tail.lose()
				continue
			}
			if tail.settle(group, ends) {
				told++
			}
		}
		if proved < asked/2 {
			t.Errorf("seed %d: %d of %d were proved", seed, proved, asked)
		}
		t.Logf("seed %d: %d of %d proved, told of others %d times", seed, proved, asked, told)
	}
}

// selfClash reports whether a unit writes a subject twice or guards one that it wrote.
func selfClash(p *pending) bool {
	seen := map[string]bool{}
	for _, r := range p.unit {
		if seen[r.Subject] || seen[r.Guard] {
			return true
		}
		seen[r.Subject] = true
	}
	return false
}

// What a unit guards is not written by another unit of the same flight, whichever
// came first: both were compared before either was sent.
func TestAFlightDoesNotWriteWhatItGuards(t *testing.T) {
	unit := func(records ...storage.Record) *pending { return &pending{unit: records} }
	w := func(subject string) storage.Record { return storage.Record{Subject: subject} }
	g := func(subject, guard string) storage.Record { return storage.Record{Subject: subject, Guard: guard} }
	for name, x := range map[string]struct {
		first, second *pending
		together      bool
	}{
		"two subjects":               {unit(w("rev.a")), unit(w("rev.b")), true},
		"one subject":                {unit(w("rev.a")), unit(w("rev.a")), false},
		"guarded, then written":      {unit(g("ref.x", "rev.a"), w("rev.b")), unit(w("rev.a")), false},
		"written, then guarded":      {unit(w("rev.a")), unit(g("ref.x", "rev.a"), w("rev.b")), false},
		"wide guard, then written":   {unit(g("ref.a.delete", "ref.a.>"), w("rev.a")), unit(g("ref.a.x", "rev.c"), w("rev.b")), false},
		"written, then wide guard":   {unit(g("ref.a.x", "rev.c"), w("rev.b")), unit(g("ref.a.delete", "ref.a.>"), w("rev.a")), false},
		"wide guards of two targets": {unit(g("ref.a.delete", "ref.a.>"), w("rev.a")), unit(g("ref.b.delete", "ref.b.>"), w("rev.b")), true},
		"one guarded twice":          {unit(g("ref.x", "rev.a"), w("rev.b")), unit(g("ref.y", "rev.a"), w("rev.c")), true},
	} {
		l := &Log{queue: []*pending{x.first, x.second}}
		if got := len(l.take()) == 2; got != x.together {
			t.Errorf("%s: in one flight: %v", name, got)
		}
	}
}
