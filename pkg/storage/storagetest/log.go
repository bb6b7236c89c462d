// Package storagetest holds one conformance suite for each contract of
// package storage. An adapter's test is one call.
package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

func record(id string, expected uint64, data string) storage.Record {
	return storage.Record{Subject: storage.RevisionSubject("notes", id), ID: uuid.NewString(), Expected: expected, Data: []byte(data)}
}

func mustAppend(t *testing.T, l storage.Log, unit ...storage.Record) uint64 {
	t.Helper()
	seq, err := l.Append(t.Context(), unit)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return seq
}

// TestLog holds an adapter to the contract of storage.Log.
func TestLog(t *testing.T, open func(t *testing.T) storage.Log) {
	t.Run("AppendAtTheExpectedSequenceCommits", func(t *testing.T) {
		l := open(t)
		a := mustAppend(t, l, record("a", 0, "one"))
		b := mustAppend(t, l, record("a", a, "two"))
		e, err := l.Last(t.Context(), "rev.notes.a")
		if err != nil || e.Seq != b || string(e.Data) != "two" || e.Subject != "rev.notes.a" {
			t.Fatalf("last = %+v, %v; want two at %d", e, err, b)
		}
		if e, err = l.Next(t.Context(), "rev.notes.a", a+1); err != nil || e.Seq != b {
			t.Fatalf("next = %+v, %v", e, err)
		}
		if e, err = l.At(t.Context(), a); err != nil || string(e.Data) != "one" {
			t.Fatalf("at = %+v, %v", e, err)
		}
	})
	t.Run("LoadFillsInOrderAndTellsWhereItEnds", func(t *testing.T) {
		l := open(t)
		mustAppend(t, l, record("before", 0, "x"))
		n := 0
		last, err := l.Load(t.Context(), func() (storage.Record, bool, error) {
			n++
			return record(fmt.Sprint("r", n%7), 0, fmt.Sprint(n)), n <= 1500, nil
		})
		if err != nil || last != 1501 {
			t.Fatalf("%d, %v", last, err)
		}
		if e, err := l.At(t.Context(), 1000); err != nil || string(e.Data) != "999" {
			t.Fatalf("%+v, %v", e, err)
		}
		broken := errors.New("no more")
		if _, err := l.Load(t.Context(), func() (storage.Record, bool, error) { return storage.Record{}, false, broken }); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	})
	t.Run("EntriesTellThatTheirUnitGoesOn", func(t *testing.T) {
		l := open(t)
		mustAppend(t, l, record("alone", 0, "x"))
		mustAppend(t, l, record("a", 0, "x"), record("b", 0, "x"), record("c", 0, "x"))
		for seq, more := range map[uint64]bool{1: false, 2: true, 3: true, 4: false} {
			if e, err := l.At(t.Context(), seq); err != nil || e.More != more {
				t.Errorf("entry %d: %+v, %v", seq, e, err)
			}
		}
		feed, err := l.Follow(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Close()
		for _, more := range []bool{false, true, true, false} {
			if e, err := feed.Next(t.Context()); err != nil || e.More != more {
				t.Errorf("entry %+v, %v", e, err)
			}
		}
	})
	t.Run("AppendEarlyIsAnAppendThatIsSeenOnceItIsDurable", func(t *testing.T) {
		l := open(t)
		a, err := l.AppendEarly(t.Context(), []storage.Record{record("a", 0, "one")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.AppendEarly(t.Context(), []storage.Record{record("a", 0, "late")}); !errors.Is(err, storage.ErrConflict) {
			t.Fatalf("an early append at a stale sequence: %v, want a conflict", err)
		}
		b := mustAppend(t, l, record("a", a, "two"))
		feed, err := l.Follow(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Close()
		for _, want := range []uint64{a, b} {
			if e, err := feed.Next(t.Context()); err != nil || e.Seq != want {
				t.Fatalf("followed %d, %v; want %d", e.Seq, err, want)
			}
		}
	})
	t.Run("ForgetRemovesAllButTheLast", func(t *testing.T) {
		l := open(t)
		a := mustAppend(t, l, record("a", 0, "one"))
		b := mustAppend(t, l, record("a", a, "two"))
		if _, err := l.Forget(t.Context(), "rev.notes.b", 1); err == nil {
			t.Error("forgot what is not there")
		}
		if n, err := l.Forget(t.Context(), "rev.notes.a", b); err != nil || n != 1 {
			t.Fatalf("forgot %d, %v", n, err)
		}
		if e, err := l.Next(t.Context(), "rev.notes.a", 1); err != nil || e.Seq != b {
			t.Fatalf("what is left is at %d, %v; want %d", e.Seq, err, b)
		}
		mustAppend(t, l, record("a", b, "three"))
	})
	t.Run("EraseAtErasesThoseAlone", func(t *testing.T) {
		l := open(t)
		a := mustAppend(t, l, record("a", 0, "one"))
		b := mustAppend(t, l, record("a", a, "two"))
		c := mustAppend(t, l, record("a", b, "three"))
		for range 2 { // what is gone is no error
			if err := l.EraseAt(t.Context(), []uint64{b}); err != nil {
				t.Fatal(err)
			}
		}
		for seq, there := range map[uint64]bool{a: true, b: false, c: true} {
			if _, err := l.At(t.Context(), seq); there != (err == nil) {
				t.Errorf("entry %d: %v, there must be one: %t", seq, err, there)
			}
		}
		mustAppend(t, l, record("a", c, "four"))
	})
	t.Run("WhatFollowsADroppedEntryConflicts", func(t *testing.T) {
		l := open(t)
		a := mustAppend(t, l, record("a", mustAppend(t, l, record("a", 0, "zero")), "one"))
		mustAppend(t, l, record("b", 0, "other"))
		for range 2 { // what is gone is no error
			if err := l.Drop(t.Context(), "rev.notes.a", a); err != nil {
				t.Fatal(err)
			}
		}
		if e, err := l.Last(t.Context(), "rev.notes.a"); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("the last of what was dropped is %+v, %v", e, err)
		}
		for _, unit := range [][]storage.Record{{record("a", a, "late")}, {record("a", a, "late"), record("c", 0, "with it")}} {
			begun := time.Now()
			if _, err := l.Append(t.Context(), unit); !errors.Is(err, storage.ErrConflict) {
				t.Fatalf("append after a dropped entry: %v after %s, want a conflict", err, time.Since(begun))
			}
		}
		mustAppend(t, l, record("a", 0, "a new life"), record("c", 0, "with it"))
	})
	t.Run("AppendAtStaleSequenceConflicts", func(t *testing.T) {
		l := open(t)
		a := mustAppend(t, l, record("a", 0, "one"))
		for _, expected := range []uint64{0} {
			if _, err := l.Append(t.Context(), []storage.Record{record("a", expected, "late")}); !errors.Is(err, storage.ErrConflict) {
				t.Fatalf("append at %d: %v, want a conflict", expected, err)
			}
		}
		if e, _ := l.Last(t.Context(), "rev.notes.a"); e.Seq != a {
			t.Fatalf("last is %d, want %d", e.Seq, a)
		}
	})
	t.Run("RepeatedAppendIsTheSameAppend", func(t *testing.T) {
		l := open(t)
		r := record("a", 0, "one")
		a := mustAppend(t, l, r)
		if b := mustAppend(t, l, r); a != b {
			t.Fatalf("repeated append is at %d, the first at %d", b, a)
		}
		unit := []storage.Record{record("b", 0, "x"), record("c", 0, "y")}
		a = mustAppend(t, l, unit...)
		if b := mustAppend(t, l, unit...); a != b {
			t.Fatalf("repeated unit is at %d, the first at %d", b, a)
		}
	})
	t.Run("UnitCommitsAllOrNothing", func(t *testing.T) {
		l := open(t)
		mustAppend(t, l, record("taken", 0, "x"))
		_, err := l.Append(t.Context(), []storage.Record{record("free", 0, "y"), record("taken", 0, "z")})
		if !errors.Is(err, storage.ErrConflict) {
			t.Fatalf("unit with one loser: %v, want a conflict", err)
		}
		if _, err := l.Last(t.Context(), "rev.notes.free"); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("half a unit was written: %v", err)
		}
		seq := mustAppend(t, l, record("free", 0, "y"), record("other", 0, "z"))
		if e, err := l.At(t.Context(), seq); err != nil || e.Subject != "rev.notes.other" {
			t.Fatalf("the unit's sequence is not its last record's: %+v, %v", e, err)
		}
	})
	t.Run("GuardedRecordNeedsTheGuardedSubjectUnchanged", func(t *testing.T) {
		l := open(t)
		a := mustAppend(t, l, record("target", 0, "x"))
		ref := storage.Record{Subject: "ref.notes.target.h1", ID: uuid.NewString(), Expected: a, Guard: "rev.notes.target"}
		mustAppend(t, l, ref, record("source", 0, "y"))
		mustAppend(t, l, record("target", a, "moved"))
		ref2 := storage.Record{Subject: "ref.notes.target.h2", ID: uuid.NewString(), Expected: a, Guard: "rev.notes.target"}
		if _, err := l.Append(t.Context(), []storage.Record{ref2, record("source2", 0, "z")}); !errors.Is(err, storage.ErrConflict) {
			t.Fatalf("guard on a moved subject: %v, want a conflict", err)
		}
	})
	t.Run("RacingAppendsHaveOneWinner", func(t *testing.T) { racingAppends(t, open(t)) })
	t.Run("RacingUnitsHaveOneWinner", func(t *testing.T) { racingUnits(t, open(t)) })
	t.Run("TooLargeIsRefused", func(t *testing.T) {
		l := open(t)
		if _, err := l.Append(t.Context(), []storage.Record{record("a", 0, string(make([]byte, 2<<20)))}); !errors.Is(err, storage.ErrTooLarge) {
			t.Fatalf("2 MiB: %v", err)
		}
	})
	t.Run("MissingIsNotFound", func(t *testing.T) {
		l := open(t)
		if _, err := l.Last(t.Context(), "rev.notes.none"); !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
		if _, err := l.Next(t.Context(), "rev.notes.none", 1); !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
		if _, err := l.At(t.Context(), 999); !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
	})
	t.Run("FollowDeliversEverythingInOrder", func(t *testing.T) { followsInOrder(t, open(t)) })
	t.Run("StateTellsTheLastSequence", func(t *testing.T) {
		l := open(t)
		a := mustAppend(t, l, record("a", 0, "one"))
		s, err := l.State(t.Context())
		if err != nil || s.Last != a || s.Identity == "" {
			t.Fatalf("state %+v, %v", s, err)
		}
	})
}

func racingAppends(t *testing.T, l storage.Log) {
	const rounds, writers = 20, 16
	for range rounds {
		id := uuid.NewString()
		var wins atomic.Int32
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				_, err := l.Append(t.Context(), []storage.Record{record(id, 0, fmt.Sprint(i))})
				switch {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, storage.ErrConflict):
					t.Errorf("append: %v", err)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Fatalf("%d winners", wins.Load())
		}
	}
}

func racingUnits(t *testing.T, l storage.Log) {
	const rounds, writers = 10, 16
	for range rounds {
		claim := uuid.NewString()
		var wins atomic.Int32
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				id := uuid.NewString()
				_, err := l.Append(t.Context(), []storage.Record{
					{Subject: storage.ClaimSubject(claim), ID: uuid.NewString(), Data: []byte("c")}, record(id, 0, "x")})
				switch {
				case err == nil:
					wins.Add(1)
				case errors.Is(err, storage.ErrConflict):
					if _, err := l.Last(t.Context(), "rev.notes."+id); !errors.Is(err, storage.ErrNotFound) {
						t.Errorf("a loser's record is in the log: %v", err)
					}
				default:
					t.Errorf("append: %v", err)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Fatalf("%d winners", wins.Load())
		}
	}
}

func followsInOrder(t *testing.T, l storage.Log) {
	const n = 300
	var appends sync.WaitGroup
	defer appends.Wait() // an entry may be delivered before its append returns
	appends.Go(func() {
		for i := range n {
			if _, err := l.Append(t.Context(), []storage.Record{record(fmt.Sprint("k", i), 0, fmt.Sprint(i))}); err != nil {
				t.Errorf("append: %v", err)
			}
		}
	})
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.Follow(t.Context(), s.First)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	deadline := time.After(20 * time.Second)
	last := uint64(0)
	for i := range n {
		select {
		case <-deadline:
			t.Fatal("not everything was delivered in time")
		default:
		}
		e, err := f.Next(t.Context())
		if err != nil || string(e.Data) != fmt.Sprint(i) || e.Seq <= last {
			t.Fatalf("entry %d is %q at %d, %v", i, e.Data, e.Seq, err)
		}
		last = e.Seq
	}
}
