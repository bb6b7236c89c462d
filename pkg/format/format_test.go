package format_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/format"
)

// table of a format: the section of its RFC, what is of the format, what is not.
type table struct {
	section    string
	good, poor []string
}

var tables = map[string][]table{
	"duration": {
		{"RFC 3339 appendix A, dur-date", []string{"P1Y", "P1Y2M", "P1Y2M3D", "P2M", "P2M3D", "P3D", "P0D"}, []string{"P", "P1", "1Y", "P1Y3D", "P1D2M", "P1Y1Y", "p1Y", "P-1D", "P1.5D", "P१D", " P1D"}},
		{"RFC 3339 appendix A, dur-time", []string{"PT1H", "PT1H2M", "PT1H2M3S", "PT2M3S", "PT3S", "P1DT1H"}, []string{"PT", "P1YT", "PT1D", "PT1H3S", "PT1.5S", "P1H", "PT1M1H", "PT1HT1S"}},
		{"RFC 3339 appendix A, dur-week", []string{"P2W", "P10W"}, []string{"PW", "P1W2D", "P1Y1W", "P1WT1H"}},
	},
	"ipv4": {{"RFC 2673 section 3.2", []string{"0.0.0.0", "192.0.2.1", "255.255.255.255"}, []string{"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "+1.2.3.4", "1.2.3.-4", "01.2.3.4", "0x7f.0.0.1", "2130706433", "1.2.3.4/24", "1२.0.0.1", "1.2.3.4\n"}}},
	"ipv6": {{"RFC 4291 section 2.2", []string{"::", "::1", "2001:DB8::8:800:200c:417a", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1"}, []string{"", "1.2.3.4", ":", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::1%eth0", "1::2::3", "::1/64", "[::1]", "::ffff:1.2.3.04"}}},
	"hostname": {
		{"RFC 1123 section 2.1", []string{"example.com", "a", "1host", "3com.example", "EXAMPLE", "a-b.c", strings.Repeat("a", 63)}, []string{"", ".", "example.", ".example", "a..b", "-a", "a-", "a_b", "a b", "ä.example", "例え", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a"}},
		{"RFC 5890 section 2.3.2.1", []string{"xn--4gbwdl.xn--wgbh1c", "xn--ihqwcrb4cv8a8dqg056pqjye", "XN--MNCHEN-3YA"}, []string{"xn--X", "xn--", "xn---", "aa--b", "XN--aa---o47jg78q", "xn--abc-"}},
	},
	"idn-hostname": {
		{"RFC 5890 section 2.3.2.3", []string{"실례.테스트", "example", "münchen.example", "例え。テスト", "xn--mnchen-3ya"}, []string{"", "a b", "-ä", "ä-", "ab--ä", "\u0300a", strings.Repeat("實", 62), "ä..b", "ß\u200bx"}},
		{"RFC 5892 section 2.6", []string{"ßς་〇", "\u06fd\u06fe"}, []string{"ab\u0640", "\u07fa", "〱〲〳〴〵", "a〮"}},
		{"RFC 5892 appendix A.3 to A.9", []string{"l·l", "α\u0375β", "א׳ב", "א״ב", "・ぁ", "・一", "ب\u0660ب", "ب\u06f0", "क्\u200cष", "क्\u200dष"}, []string{"a·l", "l·a", "·l", "α\u0375", "α\u0375S", "׳ב", "a״", "def・abc", "・", "\u0660\u06f0", "क\u200dष"}},
		{"RFC 5893 section 2", []string{"אבג", "אב1"}, []string{"אa", "1אב"}},
	},
	"email": {
		{"RFC 5321 section 4.1.2, Dot-string", []string{"joe.bloggs@example.com", "te~st@example.com", "a+b=c@host", "!#$%&'*+-/=?^_`{|}~@x"}, []string{"", "joe", "@example.com", ".test@example.com", "test.@example.com", "te..st@example.com", "a b@x", "a@b@c", "a,b@x", "joe@", "jöe@example.com", "a@b_c", "a@.b", "a@b."}},
		{"RFC 5321 section 4.1.2, Quoted-string", []string{`"joe bloggs"@example.com`, `"joe..b"@x`, `"joe@b"@x`, `"a\"b"@x`, `""@x`}, []string{`"a"b"@x`, `"a\"@x`, `"a@x`, `a"b"@x`, "\"a\tb\"@x", `"ö"@x`}},
		{"RFC 5321 section 4.1.3", []string{"joe@[127.0.0.1]", "joe@[IPv6:::1]", "joe@[x-tag:abc]"}, []string{"joe@[127.0.0.300]", "joe@[127.0.0.1", "joe@127.0.0.1]", "joe@[::1]", "joe@[IPv6:zz]", "joe@[]"}},
		{"RFC 5321 section 4.5.3.1", []string{strings.Repeat("a", 64) + "@x"}, []string{strings.Repeat("a", 65) + "@x", "a@" + strings.Repeat("b.", 130) + "c"}},
	},
	"idn-email": {{"RFC 6531 section 3.3", []string{"실례@실례.테스트", "joe@example.com", `"ö b"@münchen.example`}, []string{"2962", "@x", "a@-ä", "a\u0000@x"}}},
	"uri": {
		{"RFC 3986 section 3", []string{"http://foo.bar/?baz=qux#quux", "urn:oasis:names:specification:docbook:dtd:xml:4.1.2", "mailto:a@b", "tel:+1-816-555-1212", "a+b.c-1:", "x://", "http://[2001:db8::7]/c=GB?one", "http://[v1F.a:b]", "http://[V1.fe]", "file:///etc", "http://u:p@h:80/", "http://h:/", "a:b:c", "http://x?/a?b", "h:/%20"},
			[]string{"", "//foo.bar/?baz", "/abc", "abc", `\\WINDOWS\fileshare`, "bar,baz:foo", "1a:b", ":a", "http://[::1", "http://[::1]x", "http://[v.a]", "http://[v1.]", "http://h:8a/", "http://a@b@c/", "http://h:80:90/", "é:a"}},
		{"RFC 3986 section 2", []string{"h://a/b%C3%A9", "h:-._~!$&'()*+,;=:@"}, []string{"https://example.org/foo bar.txt", "h:/%", "h:/%2", "h:/%zz", `h:"`, "h:<a>", "h:{a}", "h:|", "h:^", "h:`", `h:\`, "http://ex.org/ü", "h:/a#b#c", "h:\x7f", "h:[a]", "http://a/[b]"}},
	},
	"uri-reference": {{"RFC 3986 section 4.1", []string{"", "//foo.bar/?baz=qux#quux", "/abc", "abc", "#frag", "?q", "../a", "./a:b", "a/b:c", "http://x/"}, []string{`\\WINDOWS\fileshare`, "#frag\\ment", "a b", "1:a", ":a", "é", "//[a]/", "/{x}"}}},
	"iri":           {{"RFC 3987 section 2.2", []string{"http://ƒøø.ßår/?∂éœ=πîx#πîüx", "http://ƒøø.com/blah_(wîkïpédiå)", "http://[V1.fe]", "h:?\ue000", "urn:𝒳"}, []string{"/abc", "âππ", "http:// ƒøø.com", `\\WINDOWS\filëßåré`, "http://2001:0db8:85a3:0000:0000:8a2e:0370:7334", "h:\ue000", "h:\ufdd0", "é:a", "h:\u0080", "h:\ufffd"}}},
	"iri-reference": {{"RFC 3987 section 2.2", []string{"", "âππ", "//ƒøø.ßår/?∂éœ", "#ƒrägmênt"}, []string{`\\WINDOWS\filëßåré`, "#ƒräg\\mênt", "a\u00a0 b"}}},
	"uri-template": {
		{"RFC 6570 section 2.1", []string{"", "http://example.com/dictionary", "a%20b", "é", "!#$&()*+,-./:;=?@[]_~"}, []string{"a b", "%", "%2", "a'b", `a"b`, "<", "^", "`", "|", "}", "a}b", "\\"}},
		{"RFC 6570 section 2.2", []string{"{var}", "{+var}", "{#var}", "{.var}", "{/var}", "{;var}", "{?x,y}", "{&x}", "{=x}", "{,a}"}, []string{"{", "{var", "{}", "{+}", "{++x}", "{{x}}", "{a b}", "{-x}"}},
		{"RFC 6570 section 2.3", []string{"{a,b}", "{a.b}", "{a_1}", "{1a}", "{%20a}", "{a%20b}"}, []string{"{a,}", "{a..b}", "{.a.}", "{a%}", "{é}", "{a-b}"}},
		{"RFC 6570 section 2.4", []string{"{v:1}", "{v:1000}", "{v:9999}", "{v*}", "{?v*,w:3}"}, []string{"{v:}", "{v:0}", "{v:01}", "{v:10000}", "{v:x}", "{v:1*}", "{*}", "{:1}", "{v**}"}},
	},
	"regex": {
		{"ECMA 262 section 22.2.1, Term", []string{"", "([abc])+\\s+$", "a|b|", "(?=a)b", "(?!a)", "(?<=a)b", "(?<!a)", "(?:a)*?", "a{2}", "a{2,}", "a{2,3}?", "(?<year>\\d{4})\\k<year>", "(a)\\1", "\\1(a)"}, []string{"^(abc]", "(", ")", "a)", "*a", "a**", "a{", "a{2,1}", "{2}", "(?a)", "(?<a", "(?<1>a)", "(?<a>b)(?<a>c)", "(?=a)*", "^*", "\\b+", "\\2(a)", "\\k<x>", "]", "}"}},
		{"ECMA 262 section 22.2.1, AtomEscape", []string{"\\d\\D\\s\\S\\w\\W", "\\f\\n\\r\\t\\v", "\\cA", "\\0", "\\x41", "\\u0041", "\\u{1F600}", "\\p{L}\\P{Script=Greek}", "\\^\\$\\\\\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\/"}, []string{"\\", "\\a", "\\Z", "\\A", "\\z", "\\-", "\\_", "\\u12", "\\u{110000}", "\\x4", "\\p", "\\p{}", "\\c1", "\\01", "\\é"}},
		{"ECMA 262 section 22.2.1, CharacterClass", []string{"[]", "[^]", "[a-z]", "[-a]", "[a-]", "[\\d-]", "[\\b\\-]", "[[]", "[^\\s\\S]"}, []string{"[", "[a", "[z-a]", "[\\d-z]", "[a-\\w]", "[\\1]", "[\\k]"}},
	},
}

func TestFormatsAreThoseOfTheirRFC(t *testing.T) {
	if len(tables) != len(format.Checks) {
		t.Errorf("%d tables for %d formats", len(tables), len(format.Checks))
	}
	for name, sections := range tables {
		check := format.Checks[name]
		for _, x := range sections {
			t.Run(name+"/"+x.section, func(t *testing.T) {
				for _, s := range x.good {
					if err := check(s); err != nil {
						t.Errorf("%q is refused: %v", s, err)
					}
				}
				for _, s := range x.poor {
					if check(s) == nil {
						t.Errorf("%q is taken", s)
					}
				}
			})
		}
	}
}

func FuzzFormatsDoNotPanic(f *testing.F) {
	for _, sections := range tables {
		for _, x := range sections {
			for _, s := range append(x.good, x.poor...) {
				f.Add(s)
			}
		}
	}
	f.Fuzz(func(_ *testing.T, s string) {
		for _, check := range format.Checks {
			_ = check(s)
		}
	})
}
