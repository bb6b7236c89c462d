package grammar_test

import (
	"os"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/cli/grammar"
)

type reading struct {
	Server  string   `name:"url" aliases:"server"`
	Output  string   `short:"o" default:"table"`
	Follow  bool     `short:"f"`
	Kind    string   `enum:"big,small" default:"big"`
	Targets []string `arg:"" complete:"resource"`
}

type readers struct {
	Get    reading  `cmd:"" help:"Read."`
	Delete struct{} `cmd:"" help:"Delete."`
	Group  struct {
		One struct {
			Name string `arg:"" complete:"name"`
		} `cmd:""`
	} `cmd:""`
}

func TestShortNamesAliasesAndLists(t *testing.T) {
	for line, want := range map[string]reading{
		"get a b c":               {Output: "table", Kind: "big", Targets: []string{"a", "b", "c"}},
		"get -o json a -f b":      {Output: "json", Kind: "big", Follow: true, Targets: []string{"a", "b"}},
		"get -ojson -o=yaml a":    {Output: "yaml", Kind: "big", Targets: []string{"a"}},
		"get --server u a":        {Server: "u", Output: "table", Kind: "big", Targets: []string{"a"}},
		"get --url=u a --follow":  {Server: "u", Output: "table", Kind: "big", Follow: true, Targets: []string{"a"}},
		"get a -- -o --kind":      {Output: "table", Kind: "big", Targets: []string{"a", "-o", "--kind"}},
		"get --kind small -f a/b": {Output: "table", Kind: "small", Follow: true, Targets: []string{"a/b"}},
	} {
		var r readers
		_, _, err := program(nil).Parse(&r, strings.Fields(line))
		if err != nil || r.Get.Server != want.Server || r.Get.Output != want.Output || r.Get.Follow != want.Follow || r.Get.Kind != want.Kind || strings.Join(r.Get.Targets, " ") != strings.Join(want.Targets, " ") {
			t.Errorf("%s: %+v, %v", line, r.Get, err)
		}
	}
	for line, want := range map[string]string{"get": `expected "<targets>..."`, "get -x a": "unknown flag -x", "get a -o": "--output: a value is missing"} {
		var r readers
		if _, _, err := program(nil).Parse(&r, strings.Fields(line)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", line, err)
		}
	}
	for environment, want := range map[string]string{"P_URL=a": "a", "P_SERVER=b": "b", "P_URL= P_SERVER=b": ""} {
		var r readers
		if _, _, err := program(strings.Fields(environment)).Parse(&r, []string{"get", "a"}); err != nil || r.Get.Server != want {
			t.Errorf("%s: %q, %v", environment, r.Get.Server, err)
		}
	}
}

func program(environment []string) grammar.Program {
	return grammar.Program{Name: "prog", Prefix: "P_", Lookup: func(name string) (string, bool) {
		for _, e := range environment {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}}
}

func TestWordsAreCompleted(t *testing.T) {
	ask := func(p grammar.Place) []grammar.Candidate {
		server := ""
		if g, ok := p.Given.(*reading); ok {
			server = g.Server
		}
		return []grammar.Candidate{{Word: p.Word + "<" + p.Kind + ":" + strings.Join(p.Words, ",") + ":" + server + ">"}}
	}
	for line, want := range map[string]string{
		"":                         "get delete group",
		"de":                       "delete",
		"x":                        "",
		"x y":                      "",
		"group ":                   "one",
		"group one a":              "a<name::>",
		"group one a ":             "",
		"delete ":                  "",
		"get -":                    "--url --output --follow --kind --help",
		"get --o":                  "--output",
		"get --kind ":              "big small",
		"get --kind=s":             "--kind=small",
		"get --nothing=s":          "",
		"get -o json mo":           "mo<resource::>",
		"get -f mo":                "mo<resource::>",
		"get movies --url u he":    "he<resource:movies:u>",
		"get movies a --server=u ": "<resource:movies,a:u>",
	} {
		var r readers
		var words []string
		for _, c := range program(os.Environ()).Complete(&r, strings.Split(line, " "), ask) {
			words = append(words, c.Word)
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
