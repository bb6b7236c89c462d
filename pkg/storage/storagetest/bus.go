package storagetest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestBus holds an adapter to the contract of storage.Bus. Open gives two ends, as
// two processes have them.
func TestBus(t *testing.T, open func(t *testing.T) (a, b storage.Bus)) {
	// receive waits for a message, with a deadline.
	receive := func(t *testing.T, from <-chan string) string {
		t.Helper()
		select {
		case text := <-from:
			return text
		case <-time.After(20 * time.Second):
			t.Fatal("nothing came")
			return ""
		}
	}
	listen := func(t *testing.T, b storage.Bus, subject string) (<-chan string, func()) {
		t.Helper()
		heard := make(chan string, 100)
		stop, err := b.Listen(subject, func(data []byte) { heard <- string(data) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		return heard, stop
	}
	// tell sends until it is heard: a listener of another process may be known late.
	tell := func(t *testing.T, b storage.Bus, subject, text string, heard <-chan string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			if err := b.Tell(subject, []byte(text)); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-heard:
				if got != text {
					t.Errorf("heard %q, want %q", got, text)
				}
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
		t.Fatal("nobody heard it")
	}
	t.Run("WhatIsToldIsHeardByAllWhoListen", func(t *testing.T) {
		a, b := open(t)
		first, _ := listen(t, a, "news")
		second, _ := listen(t, b, "news")
		tell(t, a, "news", "one", second)
		if got := receive(t, first); got != "one" {
			t.Errorf("heard %q", got)
		}
	})
	t.Run("AnotherSubjectIsNotHeard", func(t *testing.T) {
		a, b := open(t)
		other, _ := listen(t, b, "other")
		news, _ := listen(t, b, "news")
		if err := a.Tell("other.deeper", []byte("not this")); err != nil {
			t.Fatal(err)
		}
		tell(t, a, "news", "this", news)
		tell(t, a, "other", "and this", other)
	})
	t.Run("MessagesOfOneSenderComeInOrder", func(t *testing.T) {
		a, b := open(t)
		heard, _ := listen(t, b, "news")
		tell(t, a, "news", "ready", heard)
		for _, text := range []string{"1", "2", "3", "4"} {
			if err := a.Tell("news", []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{"1", "2", "3", "4"} {
			got := receive(t, heard)
			for got == "ready" { // told more than once
				got = receive(t, heard)
			}
			if got != want {
				t.Fatalf("heard %q, want %q", got, want)
			}
		}
	})
	t.Run("AQuestionIsAnsweredByOneThatServes", func(t *testing.T) {
		a, b := open(t)
		answer := func(_ context.Context, data []byte) []byte { return bytes.ToUpper(data) }
		stop, err := b.Serve("shout", answer)
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		if got := ask(t, a, "shout", "hello"); got != "HELLO" {
			t.Errorf("the answer is %q", got)
		}
	})
	t.Run("AQuestionThatNoneServesIsUnavailable", func(t *testing.T) {
		a, b := open(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := a.Ask(ctx, "nothing", nil); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("no server at all: %v", err)
		}
		stop, err := b.Serve("slow", func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := a.Ask(short, "slow", nil); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("no answer in time: %v", err)
		}
	})
	t.Run("AServerThatStoppedIsAskedNoMore", func(t *testing.T) {
		a, b := open(t)
		stop, err := b.Serve("shout", func(_ context.Context, data []byte) []byte { return data })
		if err != nil {
			t.Fatal(err)
		}
		ask(t, a, "shout", "there")
		stop()
		for deadline := time.Now().Add(20 * time.Second); ; {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := a.Ask(ctx, "shout", nil)
			cancel()
			if errors.Is(err, storage.ErrUnavailable) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is answered still: %v", err)
			}
		}
	})
	t.Run("AConnectionTellsSinceWhenItIs", func(t *testing.T) {
		a, _ := open(t)
		since := a.Connected()
		if since.IsZero() || since.After(time.Now()) || !since.Equal(a.Connected()) {
			t.Errorf("connected since %v", since)
		}
	})
}

// ask asks until there is an answer: one that serves in another process may be
// known late.
func ask(t *testing.T, b storage.Bus, subject, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		answer, err := b.Ask(ctx, subject, []byte(text))
		if err == nil {
			return string(answer)
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
