package docs_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTheTutorialWorks does in an empty folder what tutorial.md says, in its order. A
// block that is `autocrud up` stands for a terminal of its own; a second one stops the
// first with SIGINT.
func TestTheTutorialWorks(t *testing.T) {
	s := &server{dir: t.TempDir(), url: "http://" + freeAddress(t)}
	blocks := readBlocks(t, filepath.Join(root, "docs", tutorial))
	var running *process
	starts := 0
	for i, b := range blocks {
		if b.kind != "sh" {
			continue
		}
		if targets, ok := makeTargets(b.text); ok {
			checkTargets(t, b, targets)
			continue
		}
		if strings.TrimSpace(b.text) == "autocrud up" {
			if running != nil {
				if err := running.stop(syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
			}
			running = start(t, []string{"AUTOCRUD_ADDR=" + strings.TrimPrefix(s.url, "http://")}, s.dir, program, "up")
			running.await(t, "autocrud is ready at")
			starts++
			continue
		}
		var want *block
		if i+1 < len(blocks) && blocks[i+1].follow && blocks[i+1].kind != "sh" {
			want = &blocks[i+1]
		}
		s.check(t, b, want)
	}
	if starts != 2 {
		t.Fatalf("%d starts", starts)
	}
	if err := running.stop(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "library.backup")); err != nil {
		t.Error(err)
	}
	if keep := os.Getenv("AUTOCRUD_TEST_LIBRARY"); keep != "" { // for the containers of make compose-test
		if err := os.CopyFS(keep, os.DirFS(s.dir)); err != nil {
			t.Error(err)
		}
	}
}

// tutorial has a server of its own.
const tutorial = "tutorial.md"

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
