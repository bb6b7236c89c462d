package natslog

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// sealLength is of the end of a sealed name, in hexadecimal digits.
	sealLength = 32
	// MaxSubscribers is how many consumers subscribers outside may have.
	MaxSubscribers = 128
)

// Seal gives subscriptions names that cannot be guessed without the key: on NATS
// a client that knows the name of a consumer can take its messages. All processes of a
// namespace have the same key. Without one names are as they are.
func (w *Outward) Seal(key []byte) { w.key = key }

func (w *Outward) seal(name string) string {
	if w.key == nil {
		return name
	}
	mac := hmac.New(sha256.New, w.key)
	mac.Write([]byte(name))
	return name + "-" + hex.EncodeToString(mac.Sum(nil))[:sealLength]
}

// unseal is the name of a consumer that Subscribe made.
func (w *Outward) unseal(sealed string) (name string, own bool) {
	if w.key == nil {
		return sealed, true
	}
	if len(sealed) <= sealLength+1 {
		return "", false
	}
	name = sealed[:len(sealed)-sealLength-1]
	return name, hmac.Equal([]byte(w.seal(name)), []byte(sealed))
}

// Adopt takes over the subscriptions, of those names that own tells, that have
// names without a seal because an older version made them: a sealed one goes on
// where each is. An older process that still runs may use the other to its end.
func (w *Outward) Adopt(ctx context.Context, own func(name string) bool) error {
	old, err := w.unsealed(ctx)
	if err != nil {
		return err
	}
	for _, c := range old {
		if !own(c.Name) || c.Config.DeliverSubject != "" {
			continue
		}
		cfg := c.Config
		cfg.Name, cfg.Durable = w.seal(c.Name), w.seal(c.Name)
		if c.Delivered.Stream > 0 {
			cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, c.AckFloor.Stream+1, nil
		}
		if _, err := w.stream.CreateConsumer(ctx, cfg); err != nil && !errors.Is(err, jetstream.ErrConsumerExists) {
			return unavailable("take over a subscription", err)
		}
	}
	return nil
}

// Police takes away, every so often until ctx ends, what subscribers outside may not have: more
// than 128 consumers, of which the newest go, such as push their messages
// somewhere, and such with the names of the program's own. told is called with
// what went.
func (w *Outward) Police(ctx context.Context, every time.Duration, own func(name string) bool, told func(names []string, err error)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		if names, err := w.police(ctx, own); ctx.Err() == nil && (len(names) > 0 || err != nil) {
			told(names, err)
		}
	}
}

func (w *Outward) police(ctx context.Context, own func(name string) bool) (gone []string, err error) {
	theirs, err := w.unsealed(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(theirs, func(a, b *jetstream.ConsumerInfo) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	kept := 0
	for _, c := range theirs {
		// An older process still asks for what is next under the old name.
		left := own(c.Name) && c.NumWaiting == 0 && time.Since(c.Created) > 2*time.Minute
		if c.Config.DeliverSubject == "" && !left && kept < MaxSubscribers {
			kept++
			continue
		}
		if err := w.stream.DeleteConsumer(ctx, c.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return gone, unavailable("take a consumer away", err)
		}
		gone = append(gone, c.Name)
	}
	return gone, nil
}

// unsealed are the consumers that Subscribe did not make.
func (w *Outward) unsealed(ctx context.Context) (out []*jetstream.ConsumerInfo, err error) {
	var names []string
	list := w.stream.ConsumerNames(ctx)
	for name := range list.Name() {
		if _, sealed := w.unseal(name); !sealed {
			names = append(names, name)
		}
	}
	if list.Err() != nil {
		return nil, unavailable("list subscriptions", list.Err())
	}
	for _, name := range names {
		c, err := w.stream.Consumer(ctx, name)
		switch {
		case err == nil:
			out = append(out, c.CachedInfo())
		case !errors.Is(err, jetstream.ErrConsumerNotFound) && !errors.Is(err, jetstream.ErrNotPullConsumer):
			return nil, unavailable("look at a consumer", err)
		case errors.Is(err, jetstream.ErrNotPullConsumer):
			c, err := w.stream.PushConsumer(ctx, name)
			if err == nil {
				out = append(out, c.CachedInfo())
			}
		}
	}
	return out, nil
}
