package natslog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// maxForeign is how many foreign messages, or places without one, are stepped
// over in one go where they cannot be removed.
const maxForeign = 100_000

// maxErased is how many are overwritten in one go; of more the rest is only removed,
// since to overwrite one rewrites a block.
const maxErased = 20

// Foreign has fn told how many messages were found in the stream that AutoCRUD did
// not publish, and why they could not be removed, or nil. It is set before the
// Outward is used.
func (w *Outward) Foreign(fn func(n int, err error)) { w.found = fn }

// genuine returns the place in the log of the newest event, and the stream's last
// sequence. Messages behind it that AutoCRUD did not publish are erased: an event
// is never held up by them. Where that is not allowed they are stepped over.
func (w *Outward) genuine(ctx context.Context, info *jetstream.StreamInfo) (seq, last uint64, err error) {
	var foreign int
	var kept error
	defer func() {
		if foreign > 0 && w.found != nil {
			w.found(foreign, kept)
		}
	}()
	last = info.State.LastSeq
	at, all := last, w.prefix+">"
	for range maxForeign {
		m, err := w.stream.GetMsg(ctx, at)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			switch {
			case at <= info.State.FirstSeq:
				return 0, last, nil
			case kept != nil:
				at--
				continue
			}
			if m, err = w.stream.GetLastMsgForSubject(ctx, all); errors.Is(err, jetstream.ErrMsgNotFound) {
				return 0, last, nil
			}
		}
		if err != nil {
			return 0, 0, unavailable("newest event", err)
		}
		if seq, ok := w.published(m); ok {
			return seq, last, nil
		}
		foreign++
		at = m.Sequence
		remove := w.stream.SecureDeleteMsg
		if foreign > maxErased {
			remove = w.stream.DeleteMsg
		}
		if kept == nil { // else the next is refused too
			kept = remove(ctx, m.Sequence)
		}
		if at <= info.State.FirstSeq {
			return 0, last, nil
		}
		at--
	}
	return 0, 0, fmt.Errorf("stream %s ends with %d messages that AutoCRUD did not publish, and they cannot be removed: %w", OutwardName(w.o.Namespace), foreign, storage.ErrCorrupt)
}

// published is the place in the log of the event that a message is; false when it
// is none that this program publishes.
func (w *Outward) published(m *jetstream.RawStreamMsg) (seq uint64, ok bool) {
	seq, err := strconv.ParseUint(m.Header.Get(ceSequence), 10, 64)
	if err != nil || seq == 0 || m.Header.Get(ceID) == "" {
		return 0, false
	}
	typ, action, _ := strings.Cut(strings.TrimPrefix(m.Header.Get(ceType), "autocrud."), ".")
	return seq, m.Subject == w.prefix+typ+"."+action+"."+m.Header.Get(ceSubject)
}
