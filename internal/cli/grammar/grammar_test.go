package grammar_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/cli/grammar"
)

type shared struct {
	URL   string `default:"http://127.0.0.1:8080" help:"Where it is."`
	Token string
}

type settings struct {
	DataDir  string        `default:"data" help:"Folder."`
	Row      string        `default:"disk" enum:"memory,disk"`
	Slots    int           `default:"16"`
	Bytes    int64         `name:"max-bytes" group:"limits"`
	Rate     float64       `group:"limits"`
	Delay    time.Duration `default:"1m"`
	Nets     []string      `default:"a,b"`
	Force    bool
	UseTLS   *bool `name:"use-tls" default:"true"`
	Archive  *bool
	IDField  string
	Internal string `flag:"-"`
}

type tree struct {
	Up struct {
		settings `embed:""`
	} `cmd:"" help:"Run everything."`
	Import struct {
		shared
		Type string `arg:""`
		File string `arg:"" default:"-" help:"What to read."`
	} `cmd:"" help:"Bring rows in."`
	Models struct {
		Check struct {
			Dir string `arg:"" optional:""`
		} `cmd:"" help:"Check them."`
	} `cmd:"" help:"Work with models."`
}

// parse reads a command line with an environment.
func parse(line string, environment ...string) (t tree, chosen any, help string, err error) {
	p := grammar.Program{Name: "prog", About: "About it.", Prefix: "P_", Lookup: func(name string) (string, bool) {
		for _, e := range environment {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}}
	chosen, help, err = p.Parse(&t, strings.Fields(line))
	return t, chosen, help, err
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheDefault(t *testing.T) {
	got, chosen, _, err := parse("up --slots 3 --row=memory --force --nets x --nets y,z --use-tls=false --id-field -", "P_SLOTS=9", "P_DELAY=2s", "P_NETS=n", "P_ARCHIVE=no", "P_MAX_BYTES=7", "P_INTERNAL=x")
	if err != nil {
		t.Fatal(err)
	}
	u := got.Up
	if chosen == nil || u.Slots != 3 || u.Row != "memory" || !u.Force || strings.Join(u.Nets, " ") != "x y z" || *u.UseTLS || u.IDField != "-" {
		t.Errorf("flags: %+v", u)
	}
	if u.Delay != 2*time.Second || *u.Archive || u.Bytes != 7 {
		t.Errorf("environment: %+v", u)
	}
	if u.DataDir != "data" || u.Rate != 0 || u.Internal != "" {
		t.Errorf("defaults: %+v", u)
	}
	got, _, _, err = parse("up --use-tls false --rate 1.5", "P_DATA_DIR=")
	if u := got.Up; err != nil || *u.UseTLS || u.Rate != 1.5 || u.DataDir != "" || u.Archive != nil || strings.Join(u.Nets, " ") != "a b" || u.Force {
		t.Errorf("%+v, %v", u, err)
	}
	got, _, _, err = parse(`up --nets a\,b,c`)
	if err != nil || len(got.Up.Nets) != 2 || got.Up.Nets[0] != "a,b" {
		t.Errorf("%q, %v", got.Up.Nets, err)
	}
}

func TestArgumentsStandAnywhereBehindTheCommand(t *testing.T) {
	for line, want := range map[string][3]string{
		"import films f --token t":  {"films", "f", "t"},
		"import --token t films f":  {"films", "f", "t"},
		"import films --token=t -":  {"films", "-", "t"},
		"import films":              {"films", "-", ""},
		"import films -- --token":   {"films", "--token", ""},
		"import --token= -- films":  {"films", "-", ""},
		"import --token --x=1 nets": {},
	} {
		got, _, _, err := parse(line)
		if want[0] == "" {
			if err == nil {
				t.Errorf("%s: %+v", line, got.Import)
			}
			continue
		}
		if i := got.Import; err != nil || [3]string{i.Type, i.File, i.Token} != want || i.URL != "http://127.0.0.1:8080" {
			t.Errorf("%s: %+v, %v", line, i, err)
		}
	}
	if got, chosen, _, err := parse("models check m"); err != nil || got.Models.Check.Dir != "m" || chosen == nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsWrongIsOneLine(t *testing.T) {
	for line, want := range map[string]string{
		"":                                       `expected one of "up", "import", "models"`,
		"models":                                 `expected one of "check"`,
		"imprt":                                  `unexpected argument imprt, did you mean "import"?`,
		"up --slot 3":                            `unknown flag --slot, did you mean "--slots"?`,
		"--slots 3":                              `unknown flag --slots`,
		"up -x":                                  `unknown flag -x`,
		"up --bogus=secret":                      `unknown flag --bogus`,
		"up more":                                `unexpected argument more`,
		"import":                                 `expected "<type> [<file>]"`,
		"import a b c":                           `unexpected argument c`,
		"up --slots":                             `--slots: a value is missing`,
		"up --row --slots":                       `--row: a value is missing; if "--slots" is one, write --row=--slots`,
		"up --row tape":                          `--row must be one of "memory","disk" but got "tape"`,
		"up --slots x":                           `--slots: expected a whole number but got "x"`,
		"up --max-bytes 1e9":                     `--max-bytes: expected a whole number but got "1e9"`,
		"up --slots 1" + strings.Repeat("0", 30): `--slots: expected a whole number but got "1000000000000000000000000000000", which is too large`,
		"up --rate x":                            `--rate: expected a number but got "x"`,
		"up --delay 5":                           `--delay: expected a duration like 30s or 24h but got "5"`,
		"up --force=maybe":                       `--force: expected true or false but got "maybe"`,
		"up --internal x":                        `unknown flag --internal`,
	} {
		if _, chosen, _, err := parse(line); err == nil || err.Error() != want || chosen != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, _, _, err := parse("up", "P_DELAY=5"); err == nil || err.Error() != `--delay: expected a duration like 30s or 24h but got "5" (from P_DELAY)` {
		t.Error(err)
	}
}

func TestHelpNamesCommandsArgumentsAndFlags(t *testing.T) {
	_, chosen, help, err := parse("--help")
	want := "Usage: prog <command>\n\nAbout it.\n\nFlags:\n  -h, --help    Show this help.\n\nCommands:\n  up              Run everything.\n  import          Bring rows in.\n  models check    Check them.\n\nRun \"prog <command> --help\" for more information on a command.\n"
	if err != nil || chosen != nil || help != want {
		t.Errorf("%s\n%v", help, err)
	}
	_, _, help, err = parse("import films -h")
	want = "Usage: prog import <type> [<file>] [flags]\n\nBring rows in.\n\nArguments:\n  <type>\n  [<file>]    What to read.\n\nFlags:\n  -h, --help                       Show this help.\n  --url=\"http://127.0.0.1:8080\"    Where it is ($P_URL).\n  --token=STRING                   ($P_TOKEN).\n"
	if err != nil || help != want {
		t.Errorf("%q\n%v", help, err)
	}
	_, _, help, err = parse("up --help")
	for _, part := range []string{"\nlimits\n  --max-bytes=INT    ", "--rate=FLOAT", "--nets=a,b", "--delay=1m", "--slots=16", "--use-tls ", `--row="disk"`} {
		if !strings.Contains(help, part) {
			t.Errorf("%q is not in\n%s%v", part, help, err)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > 81 {
			t.Errorf("%q is wider than 80", line)
		}
	}
}
