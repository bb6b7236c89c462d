package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// downloadBinary sends a binary through a resource that refers to it. A cache may keep
// it and asks again each time, which the tag makes cheap: so a purge, or a right
// that was taken away, holds from the next request on. What is stored never runs
// as a page of this origin: it is sandboxed, its type is not guessed, and all but the
// media that are shown are attachments.
func downloadBinary(a *API, c call) error {
	asked, ifRange := first(c.header("Range")), first(c.header("If-Range"))
	var cancel func()
	c.r, cancel = long(c.w, c.r) // the store is read for as long as the client takes
	defer cancel()
	r, mediaType, err := a.m.Binaries.OpenBinary(c.r.Context(), c.t.Name, c.id, c.n)
	if err != nil {
		return err
	}
	defer r.Close()
	asItIs(c.w)
	h := c.w.Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'") // with a 304 too, whose headers a cache takes over
	tag := strings.TrimPrefix(c.n, "sha256:")
	if done, err := c.unmodified(tag); done || err != nil {
		return err
	}
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if c.r.Method != http.MethodGet || ifRange != "" && ifRange != `"`+tag+`"` { // weak ones and times never match
		asked = ""
	}
	wanted, ok := rangesOf(asked, size)
	if !ok {
		notInRange(c.w, c.r, size)
		return nil
	}
	h.Set("Content-Type", mediaType)
	if !shown(mediaType) {
		h.Set("Content-Disposition", "attachment")
	}
	c.tag(tag)
	plain := c.r.Clone(c.r.Context())
	plain.Header = http.Header{}
	if wanted != "" {
		plain.Header.Set("Range", wanted)
	}
	defer a.whileValid(c.r, cancel, nil)()
	http.ServeContent(c.w, plain, "", time.Time{}, &whileRunning{c.r.Context(), r})
	return nil
}

// whileRunning is a binary that ends with a context, so that no download goes on without
// the right to it.
type whileRunning struct {
	ctx context.Context
	io.ReadSeeker
}

// Read implements io.Reader.
func (w *whileRunning) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.ReadSeeker.Read(p)
}

// shownMedia are the kinds of binaries that a browser shows where it is: pictures
// of dots, sound and films, none of which holds a script.
var shownMedia = []string{"image/png", "image/apng", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp",
	"audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/webm", "audio/aac", "audio/flac", "video/mp4", "video/ogg", "video/webm"}

// shown reports whether a binary of the media type is no attachment.
func shown(mediaType string) bool {
	kind, _, _ := strings.Cut(mediaType, ";")
	return slices.Contains(shownMedia, strings.ToLower(strings.TrimSpace(kind)))
}

// maxRanges bounds the parts of one answer; a request for more gets the whole.
const maxRanges = 100

// rangesOf reads Range (RFC 9110 section 14.2) and writes it again with only the
// ranges that lie in size bytes; "" asks for the whole binary: without a Range, or
// with an unknown unit. ok is false when no range lies in it.
func rangesOf(asked string, size int64) (wanted string, ok bool) {
	unit, set, given := strings.Cut(asked, "=")
	if !given || !strings.EqualFold(unit, "bytes") {
		return "", true
	}
	var out []string
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue
		}
		first, last, ok := oneRange(spec, size)
		switch {
		case !ok:
			return "", false
		case first <= last:
			out = append(out, fmt.Sprintf("%d-%d", first, last))
		}
	}
	if len(out) == 0 {
		// An empty binary has no range; clients that always ask for one are answered.
		return "", size == 0 && strings.Trim(set, " \t") != "-0"
	}
	if len(out) > maxRanges {
		return "", true
	}
	return "bytes=" + strings.Join(out, ","), true
}

// oneRange reads one of the forms 5-9, 5- and -5; first is after last when it
// holds nothing of size bytes.
func oneRange(spec string, size int64) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(spec, "-")
	if !ok || from == "" && to == "" {
		return 0, 0, false
	}
	last = size - 1
	if to != "" {
		if last, ok = position(to); !ok {
			return 0, 0, false
		}
	}
	if from == "" {
		return max(size-last, 0), size - 1, true
	}
	if first, ok = position(from); !ok || to != "" && first > last {
		return 0, 0, false
	}
	return first, min(last, size-1), true
}

// position reads digits; more than fit mean the largest number.
func position(text string) (int64, bool) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, _ := strconv.ParseInt(text, 10, 64) // the largest one when it is out of range
	return n, true
}

// notInRange answers that nothing of the binary is where it was asked for.
func notInRange(w http.ResponseWriter, r *http.Request, size int64) {
	w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
	writeProblem(w, problem{Type: "urn:autocrud:problem:invalid_request", Title: http.StatusText(http.StatusRequestedRangeNotSatisfiable),
		Status: http.StatusRequestedRangeNotSatisfiable, Code: fault.InvalidRequest, RequestID: policy.ActorOf(r.Context()).RequestID,
		Detail: fmt.Sprintf("nothing of the %d bytes of the binary is in this range", size)})
}
