package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// asProgram has the binary of the tests be the program that walk.sh is given.
const asProgram = "NEWSROOM_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		newApp().Main()
		return
	}
	os.Exit(m.Run())
}

// The walk ends well and prints what README.md shows.
func TestTheWalkIsThatOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\nsh examples/newsroom/walk.sh\n```\n```text\n(.*?)```\n").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md does not show the walk")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "walk.sh", program)
	for _, setting := range os.Environ() {
		if !strings.HasPrefix(setting, "AUTOCRUD_") {
			cmd.Env = append(cmd.Env, setting)
		}
	}
	cmd.Env = append(cmd.Env, asProgram+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s\n%s", err, errs.String(), out.String())
	}
	if out.String() != string(block[1]) {
		t.Errorf("it prints\n%s\nand README.md shows\n%s", out.String(), block[1])
	}
}
