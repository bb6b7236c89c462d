package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// coding is a content coding (RFC 9110 section 8.4.1); uncoded is none.
type coding string

const (
	uncoded   coding = ""
	gzipped   coding = "gzip"
	zstandard coding = "zstd"
)

// tag is the entity tag of an answer in this coding: each coding has one of its
// own, because their bytes differ (section 8.8.3.3).
func (c coding) tag(opaque string) string {
	if c != uncoded {
		opaque += "+" + string(c)
	}
	return `"` + opaque + `"`
}

// mark sets the headers of an answer that is in this coding already.
func (c coding) mark(h http.Header, opaque string) {
	if c != uncoded {
		h.Set("Content-Encoding", string(c))
	}
	h.Set("ETag", c.tag(opaque))
}

// cutCoding takes the coding from an opaque tag. No id of an event holds a +.
func cutCoding(opaque string) (string, coding) {
	for _, c := range []coding{gzipped, zstandard} {
		if rest, ok := strings.CutSuffix(opaque, "+"+string(c)); ok {
			return rest, c
		}
	}
	return opaque, uncoded
}

// withoutCodings is a condition that names the same states without a coding: sent
// again with the tag of another coding, a request is still the same.
var withoutCodings = strings.NewReplacer(`+gzip"`, `"`, `+zstd"`, `"`)

// codings is what an Accept-Encoding gives each coding: thousandths, 0 for what is
// not acceptable, unnamed for what it does not name.
type codings struct{ gzip, zstd, identity, any int }

const unnamed = -1

// readCodings reads Accept-Encoding (section 12.5.3). An element that is malformed
// is none.
func readCodings(headers []string) codings {
	c := codings{unnamed, unnamed, unnamed, unnamed}
	for _, h := range headers {
		for part := range strings.SplitSeq(h, ",") {
			name, weight, given := strings.Cut(part, ";")
			q, ok := quality(weight)
			if !given {
				q, ok = 1000, true
			}
			if !ok {
				continue
			}
			switch strings.ToLower(strings.Trim(name, " \t")) {
			case "gzip", "x-gzip": // section 8.4.1.3: the same
				c.gzip = q
			case "zstd":
				c.zstd = q
			case "identity":
				c.identity = q
			case "*":
				c.any = q
			}
		}
	}
	return c
}

// quality reads a weight (section 12.4.2) as thousandths.
func quality(weight string) (int, bool) {
	name, value, _ := strings.Cut(strings.Trim(weight, " \t"), "=")
	if !strings.EqualFold(name, "q") || value == "" || len(value) > len("0.000") || strings.Trim(value, "0123456789.") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(value, 64)
	return int(f*1000 + 0.5), err == nil && f <= 1
}

// weight of a coding that may be covered by *.
func (c codings) weight(named int) int {
	if named == unnamed {
		named = c.any
	}
	return max(named, 0)
}

// orGzip is for what is kept in no other coding: that, or none.
func (c codings) orGzip() coding {
	if q := c.weight(c.gzip); q > 0 && q >= c.identity {
		return gzipped
	}
	return uncoded
}

// best is the coding that the client likes best. What it names goes before what *
// covers, and zstd before gzip. Without anything that it takes it gets identity, as
// if it had not asked.
func (c codings) best() coding {
	best, q := uncoded, c.weight(c.gzip)
	if q > 0 {
		best = gzipped
	}
	if z := c.weight(c.zstd); z > q || z == q && z > 0 && c.zstd != unnamed {
		best, q = zstandard, z
	}
	if q < c.identity {
		return uncoded
	}
	return best
}

// takesPlain reports whether an answer may be without a coding: it may unless that
// is excluded.
func (c codings) takesPlain() bool {
	return c.identity > 0 || c.identity == unnamed && c.any != 0
}

// varies says that answers depend on a header of the request.
func varies(h http.Header, name string) {
	if !slices.Contains(h["Vary"], name) {
		h.Add("Vary", name)
	}
}
