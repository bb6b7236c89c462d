package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// The conditions of RFC 9110 section 13, for every method that has something to
// compare with. Nothing has a Last-Modified, so conditions on a time are ignored,
// as sections 13.1.3 and 13.1.4 ask.

// writeMatch reads the conditions of a write to a resource. A false If-None-Match is
// an error for it (section 13.1.2).
func (c call) writeMatch() (resource.Match, error) {
	match, noneMatch := c.header("If-Match"), c.header("If-None-Match")
	m, err := parseMatch(match)
	if err != nil {
		return m, err
	}
	tags, any, err := etags(noneMatch)
	if err != nil {
		return m, fault.Errorf(fault.InvalidRequest, "If-None-Match: %w", err)
	}
	m.Absent = any
	for _, t := range tags { // compared weakly
		m.Not = append(m.Not, t.value)
	}
	return m, nil
}

func parseMatch(headers []string) (resource.Match, error) {
	var m resource.Match
	tags, any, err := etags(headers)
	if err != nil {
		return m, fault.Errorf(fault.InvalidRequest, "If-Match: %w", err)
	}
	m.Any = any
	for _, t := range tags {
		if t.weak {
			t.value = "W/" + t.value // a weak tag never matches strongly
		}
		m.Events = append(m.Events, t.value)
	}
	return m, nil
}

// conditions are those of a GET.
type conditions struct {
	wanted  bool // whether there are any
	match   resource.Match
	none    []etag
	noneAny bool
}

// readConditions reads those of a GET, of which its row has one, both or none.
func (c *call) readConditions() (err error) {
	match, noneMatch := c.declared("If-Match"), c.declared("If-None-Match")
	if c.wanted = len(match)+len(noneMatch) > 0; !c.wanted {
		return nil
	}
	if c.match, err = parseMatch(match); err != nil {
		return err
	}
	if c.none, c.noneAny, err = etags(noneMatch); err != nil {
		return fault.Errorf(fault.InvalidRequest, "If-None-Match: %w", err)
	}
	return nil
}

// holds compares the conditions with the tag of what would be answered, in the
// order of section 13.2.2: a false If-Match is an error, a false If-None-Match says
// that nothing was modified.
func (c conditions) holds(tag string) (modified bool, err error) {
	if !c.wanted {
		return true, nil
	}
	if !c.match.Holds(tag) {
		return true, errNotMatched
	}
	modified = !c.noneAny
	for _, t := range c.none {
		modified = modified && t.value != tag // compared weakly
	}
	return modified, nil
}

var errNotMatched = fault.Errorf(fault.PreconditionFailed, "this is not the state that If-Match names")

// unmodified compares the conditions of a GET with the state that it would show,
// and answers when that is what the client has already. The tag is that of the
// coding the client would get; where that depends on the size of the answer, the
// answer is made, and not sent.
func (c call) unmodified(event string) (answered bool, err error) {
	modified, err := c.conditions.holds(event)
	if err != nil || modified {
		return false, err
	}
	in := uncoded
	if p := packing(c.w); p != nil && !p.off {
		if in = p.coding; !p.must && !c.hasPacked(event) {
			p.unchanged = true // its size tells which tag it has
			return false, nil
		}
	}
	c.w.Header().Set("ETag", in.tag(event))
	c.w.WriteHeader(http.StatusNotModified)
	return true, nil
}

// hasPacked reports whether what the client has of this state was compressed.
func (c conditions) hasPacked(event string) bool {
	return slices.ContainsFunc(c.none, func(t etag) bool { return t.value == event && t.in != uncoded })
}

// untagged is for what is read and has no tag: no If-Match but * can hold.
func (c call) untagged() error {
	if !c.conditions.match.Holds("") {
		return fault.Errorf(fault.PreconditionFailed, "this answer has no ETag, so no If-Match can hold")
	}
	return nil
}

// etag is one that a client sent. The state it names is the same in every coding.
type etag struct {
	weak  bool
	value string
	in    coding
}

// etags reads a list of entity tags, of which elements may be empty (section
// 5.6.1.2), or *.
func etags(headers []string) (tags []etag, any bool, err error) {
	for _, h := range headers {
		rest := strings.Trim(h, " \t")
		if rest == "*" && len(headers) == 1 {
			return nil, true, nil
		}
		for rest = strings.TrimLeft(rest, ", \t"); rest != ""; rest = strings.TrimLeft(rest, ", \t") {
			var t etag
			rest, t.weak = strings.CutPrefix(rest, "W/")
			if !strings.HasPrefix(rest, `"`) {
				return nil, false, errBadTag
			}
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 || len(tags) >= maxTags {
				return nil, false, errBadTag
			}
			t.value, t.in = cutCoding(rest[1 : end+1])
			tags = append(tags, t)
			rest = strings.TrimLeft(rest[end+2:], " \t")
			if rest != "" && rest[0] != ',' {
				return nil, false, errBadTag
			}
		}
	}
	if len(headers) > 0 && len(tags) == 0 {
		return nil, false, errBadTag
	}
	return tags, false, nil
}

// maxTags bounds the tags of a condition.
const maxTags = 100

var errBadTag = fault.Errorf(fault.InvalidRequest, `want * or a list of quoted tags like "abc"`)
