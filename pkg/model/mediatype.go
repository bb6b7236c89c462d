package model

import (
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// maxMediaType is how many bytes a media type may have.
const maxMediaType = 255

// mediaToken is a type or a subtype (RFC 6838 section 4.2).
var mediaToken = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$`)

// MediaType checks that s is one media type, with parameters or without, as a
// header Content-Type may hold it (RFC 9110 section 8.3.1), and returns it with
// its type in lower case. A list of them, control characters and what is not
// ASCII are none.
func MediaType(s string) (string, error) {
	bad := fmt.Errorf("%.100q is no media type such as image/png", s)
	if len(s) > maxMediaType {
		return "", fmt.Errorf("a media type has at most %d bytes", maxMediaType)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", bad
		}
	}
	base, parameters, err := mime.ParseMediaType(s)
	kind, sub, ok := strings.Cut(base, "/")
	if err != nil || !ok || !mediaToken.MatchString(kind) || !mediaToken.MatchString(sub) {
		return "", bad
	}
	if len(parameters) == 0 {
		return base, nil
	}
	out := mime.FormatMediaType(base, parameters)
	if out == "" || len(out) > maxMediaType {
		return "", bad
	}
	return out, nil
}

// vague media types say little, so that what the writer says is believed.
var vague = []string{"application/octet-stream", "text/plain", "text/xml", "application/zip"}

// families of media types that no content of another one can be, whatever is
// said.
var families = []string{"audio/", "font/", "image/", "video/"}

// FitsMediaType reports whether content that looks like a media type may be said to be of
// another one, and what it counts as then.
func FitsMediaType(looks, said string) (string, bool) {
	base, _, _ := strings.Cut(looks, ";")
	Reason, _, more := strings.Cut(said, ";")
	detected := mimetype.Lookup(base)
	switch {
	case said == "":
		return looks, true
	case Reason == base && (more || slices.Contains(vague, base)):
		return said, true
	case Reason == base || detected != nil && detected.Is(Reason): // another name of it
		return looks, true
	case Reason == "text/plain":
		return said, base == "application/octet-stream" || isText(detected)
	case base == "application/json":
		return said, strings.HasSuffix(Reason, "+json")
	case Reason == "image/svg+xml":
		return said, slices.Contains(vague, base) && base != "application/zip"
	case base == "application/octet-stream":
		return said, true
	}
	return said, slices.Contains(vague, base) && !slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(Reason, f) })
}

func isText(m *mimetype.MIME) bool {
	for ; m != nil; m = m.Parent() {
		if m.Is("text/plain") {
			return true
		}
	}
	return false
}
