package model_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model"
)

func TestMergeKeysOfAModelAreFollowed(t *testing.T) {
	typ := testenv.Types(t, `
name: people
schema:
  type: object
  properties:
    name: &text {type: string, maxLength: 3}
    nick: {<<: *text, maxLength: 5}
    both: {<<: [*text, {minLength: 2, maxLength: 9}]}
    last: {maxLength: 4, <<: *text}
`)[0]
	for doc, ok := range map[string]bool{
		`{"name":"abc","nick":"abcde","both":"ab","last":"abcd"}`: true,
		`{"nick":"abcdef"}`: false, `{"nick":5}`: false, `{"both":"a"}`: false, `{"both":"abcd"}`: false, `{"last":"abcde"}`: false,
	} {
		if err := typ.Validate(testenv.Doc(t, doc)); (err == nil) != ok {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestMistakesOfAModelFileAreToldInPlainWords(t *testing.T) {
	for name, c := range map[string][3]string{
		"AnOctalNumber":     {"m.yaml", "name: m\nschema: {type: object, properties: {n: {default: 010}}}\n", "m.yaml:2: 010 begins with 0"},
		"AMergeOfText":      {"m.yaml", "name: m\nschema: {<<: text, type: object}\n", "a merge key (<<) takes a mapping"},
		"BrokenJSON":        {"m.json", "{\n\"name\": \"m\",}", "m.json:2: invalid JSON"},
		"AHintThatIsNone":   {"m.yaml", "name: m\nschema: {type: object, properties: {n: {type: string, format: byte}}}\n", ""},
		"AFormatMisspelt":   {"m.yaml", "name: m\nschema: {type: object, properties: {n: {type: string, format: emial}}}\n", `did you mean "email"?`},
		"ALookAround":       {"m.yaml", "name: m\nschema: {type: object, properties: {n: {pattern: \"a(?=b)\"}}}\n", "looking around"},
		"ABackReference":    {"m.yaml", "name: m\nschema: {type: object, properties: {n: {pattern: '(a)\\1'}}}\n", "back references"},
		"ARealOctalIsKnown": {"m.yaml", "name: m\nschema: {type: object, properties: {n: {default: 0o10}}}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := model.ParseType(c[0], []byte(c[1]))
			got := ""
			if len(problems) > 0 {
				got = problems.Error()
			}
			if c[2] == "" && got != "" || !strings.Contains(got, c[2]) || strings.Contains(got, "invalid_request") {
				t.Fatalf("%q, want %q", got, c[2])
			}
		})
	}
}

func TestAModelFileMayBeginWithAByteOrderMark(t *testing.T) {
	for file, text := range map[string]string{
		"m.yaml": "name: m\nschema: {type: object}\n",
		"m.json": `{"name": "m", "schema": {"type": "object"}}`,
	} {
		if typ, problems := model.ParseType(file, []byte("\uFEFF"+text)); len(problems) > 0 || typ.Name != "m" {
			t.Errorf("%s: %v", file, problems)
		}
	}
	if _, problems := model.ParseType("m.json", []byte("\uFEFF{\n\"name\": \"m\",}")); !strings.Contains(problems.Error(), "m.json:2: ") {
		t.Error(problems)
	}
}

func TestPatternsAreThoseOfECMA(t *testing.T) {
	for pattern, c := range map[string][2][]string{ // what matches, what does not
		`^\s$`:                  {{" ", "\u00a0", "\v", "\ufeff", "\u2029"}, {"a", "\u180e", "\u200b"}},
		`^\S$`:                  {{"a", "é"}, {" ", "\u00a0", "\v"}},
		`^[\s\d]$`:              {{"\u00a0", "5"}, {"x", "\u0967"}},
		`^[^\s]$`:               {{"x"}, {"\u00a0"}},
		`^[\S]$`:                {{"x", "é", "😀"}, {" ", "\u3000"}},
		`^\u00e9$`:              {{"é"}, {"e"}},
		`^\u{1F600}$`:           {{"😀"}, {"x"}},
		`^\ud83d\ude00$`:        {{"😀"}, {"x"}},
		`^[\u0400-\u04ff]+$`:    {{"привет"}, {"hi"}},
		`^\p{Script=Greek}+$`:   {{"αβγ"}, {"abc"}},
		`^\p{L}+$`:              {{"aé語"}, {"1"}},
		`^a.b$`:                 {{"a b", "a😀b"}, {"a\nb", "a\u2028b"}},
		`^\d+$`:                 {{"12"}, {"१२"}},
		`^\cA$`:                 {{"\x01"}, {"A"}},
		`^\/a\/$`:               {{"/a/"}, {"a"}},
		`^x{1,2000}$`:           {{"x", strings.Repeat("x", 2000)}, {"", strings.Repeat("x", 2001)}},
		`^(ab|c){1500}$`:        {{strings.Repeat("ab", 1500)}, {strings.Repeat("ab", 1499)}},
		`^[a-c]{1200,}d$`:       {{strings.Repeat("a", 1300) + "d"}, {strings.Repeat("a", 1199) + "d"}},
		`^[^]$`:                 {{"\n", "x"}, {""}},
		`[]`:                    {nil, {"", "x"}},
		`^[[]$`:                 {{"["}, {"x"}},
		`^(?<year>\d{4})-\d\d$`: {{"2026-11"}, {"26-11"}},
		`(?i)^abc$`:             {{"ABC"}, {"abd"}},
		`^a{,5}$`:               {{"a{,5}"}, {"aaa"}},
		`^[[:alpha:]]$`:         {{"a"}, {"1"}},
	} {
		typ, problems := model.ParseType("m.json", model.AppendCanonical(nil, map[string]any{"name": "m",
			"schema": map[string]any{"type": "object", "properties": map[string]any{"s": map[string]any{"pattern": pattern}}}}))
		if len(problems) > 0 {
			t.Errorf("%s: %v", pattern, problems)
			continue
		}
		for i, texts := range c {
			for _, s := range texts {
				if err := typ.Validate(map[string]any{"s": s}); (err == nil) != (i == 0) {
					t.Errorf("%s with %.20q: %v", pattern, s, err)
				}
			}
		}
	}
}
