package autocrud_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// apart are packages that are no rooms of the program: programs, measurements and
// what only tests use.
var apart = append([]string{"cmd", "examples", "internal/bench", "tests", "deploy", "docs", "scripts"}, testOnly...)

// roomsOf reads the first column of the table under "## The rooms".
func roomsOf(page string) (rooms []string) {
	_, table, _ := strings.Cut(page, "\n## The rooms\n")
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			rooms = append(rooms, m[1])
		}
	}
	slices.Sort(rooms)
	return rooms
}

// TestRoomsOfTheArchitecturePage compares its table with the packages there are.
func TestRoomsOfTheArchitecturePage(t *testing.T) {
	out, err := exec.Command("go", "list", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := []string{"autocrud"}
	for _, path := range strings.Fields(string(out)) {
		dir := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		if dir == "" || slices.ContainsFunc(apart, func(a string) bool { return within(dir, a) }) {
			continue
		}
		packages = append(packages, dir)
	}
	slices.Sort(packages)
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	rooms := roomsOf(string(page))
	for _, p := range packages {
		if !slices.Contains(rooms, p) {
			t.Errorf("the table of rooms lacks %s", p)
		}
	}
	for i, r := range rooms {
		if !slices.Contains(packages, r) {
			t.Errorf("the table of rooms names %s, which is no package", r)
		}
		if i > 0 && rooms[i-1] == r {
			t.Errorf("the table of rooms names %s twice", r)
		}
	}
}
