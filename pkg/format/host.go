package format

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// hostname checks RFC 1123 section 2.1 with the A-labels of RFC 5890 section
// 2.3.2.1: letters, digits and hyphens, and what begins with "xn--" stands for a
// label that may be.
func hostname(s string) error {
	if len(s) > 253 {
		return errors.New("has more than 253 characters")
	}
	for label := range strings.SplitSeq(s, ".") {
		if err := ldh(label); err != nil {
			return err
		}
		if len(label) >= 4 && label[2:4] == "--" {
			if !strings.EqualFold(label[:4], "xn--") {
				return errors.New("has a label with hyphens in its third and fourth place")
			}
			if err := aLabel(label); err != nil {
				return err
			}
		}
	}
	return nil
}

func ldh(label string) error {
	switch {
	case label == "":
		return errors.New("has an empty label")
	case len(label) > 63:
		return errors.New("has a label of more than 63 characters")
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("has a label that begins or ends with a hyphen")
	}
	for _, r := range label {
		if r > 127 || !isAlpha(byte(r)) && !isDigit(byte(r)) && r != '-' {
			return fmt.Errorf("has the character %q", r)
		}
	}
	return nil
}

// aLabel checks that the label which an A-label stands for is a U-label, and has
// this form.
func aLabel(label string) error {
	label = strings.ToLower(label)
	u, err := idna.Punycode.ToUnicode(label)
	if err != nil {
		return errors.New("has a label that is no Punycode")
	}
	if back, err := idna.Punycode.ToASCII(u); err != nil || back != label {
		return errors.New("has a label that is no Punycode")
	}
	return uLabel(u)
}

// Between labels stand "." and what RFC 3490 section 3.1 takes for it.
var dots = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

// idnHostname checks RFC 5890 section 2.3.2.3: each label is one of ASCII, an
// A-label or a U-label.
func idnHostname(s string) error {
	length := 0
	for label := range strings.SplitSeq(dots.Replace(s), ".") {
		ascii := label
		if strings.IndexFunc(label, func(r rune) bool { return r > 127 }) >= 0 {
			if err := uLabel(label); err != nil {
				return err
			}
			var err error
			if ascii, err = idna.Punycode.ToASCII(label); err != nil {
				return errors.New("has a label that cannot be written in ASCII")
			}
		}
		if err := hostname(ascii); err != nil {
			return err
		}
		length += len(ascii) + 1
	}
	if length-1 > 253 {
		return errors.New("has more than 253 characters in ASCII")
	}
	return nil
}

// registered checks the code points, the rule of Bidi (RFC 5893) and joiners.
var registered = idna.New(idna.ValidateLabels(true), idna.BidiRule(), idna.CheckHyphens(true), idna.CheckJoiners(true), idna.StrictDomainName(true), idna.Transitional(false))

// uLabel checks one label by RFC 5891 section 4.2 and RFC 5892.
func uLabel(label string) error {
	if label == "" || strings.IndexFunc(label, func(r rune) bool { return r > 127 }) < 0 {
		return errors.New("has a label in Punycode that needs none")
	}
	if same, err := registered.ToUnicode(label); err != nil || same != label {
		return errors.New("has a label that is not allowed by RFC 5892")
	}
	runes := []rune(label)
	if unicode.Is(unicode.M, runes[0]) {
		return errors.New("has a label that begins with a mark")
	}
	for i, r := range runes {
		if !allowedIn(runes, i) {
			return fmt.Errorf("has the character %q where it is not allowed", r)
		}
	}
	return nil
}

// allowedIn decides the exceptions of RFC 5892 section 2.6 and the rules of its
// appendix A that look at the whole label; what it does not know is allowed.
func allowedIn(label []rune, i int) bool {
	before, after := rune(0), rune(0)
	if i > 0 {
		before = label[i-1]
	}
	if i+1 < len(label) {
		after = label[i+1]
	}
	switch r := label[i]; {
	case r == 0x00b7: // A.3 middle dot, between two l
		return before == 'l' && after == 'l'
	case r == 0x0375: // A.4 Greek keraia
		return unicode.Is(unicode.Greek, after)
	case r == 0x05f3 || r == 0x05f4: // A.5, A.6 Hebrew geresh, gershayim
		return unicode.Is(unicode.Hebrew, before)
	case r == 0x30fb: // A.7 Katakana middle dot
		return hasScript(label, unicode.Hiragana, unicode.Katakana, unicode.Han)
	case r >= 0x0660 && r <= 0x0669: // A.8 Arabic-Indic digits, of one kind
		return !hasBetween(label, 0x06f0, 0x06f9)
	case r >= 0x06f0 && r <= 0x06f9: // A.9
		return !hasBetween(label, 0x0660, 0x0669)
	case r == 0x0640 || r == 0x07fa || r == 0x302e || r == 0x302f || r >= 0x3031 && r <= 0x3035 || r == 0x303b: // disallowed
		return false
	case r == 0x00ad, r == 0x034f, r == 0x200b, r >= 0x2060 && r <= 0x2064, r == 0xfeff, r >= 0xfe00 && r <= 0xfe0f, r >= 0x180b && r <= 0x180f: // nothing is seen of them
		return false
	}
	return true
}

func hasScript(label []rune, scripts ...*unicode.RangeTable) bool {
	for _, r := range label {
		if r != 0x30fb && unicode.In(r, scripts...) {
			return true
		}
	}
	return false
}

func hasBetween(label []rune, low, high rune) bool {
	for _, r := range label {
		if r >= low && r <= high {
			return true
		}
	}
	return false
}
