package archive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A log of which a block is damaged is read to its end: what is behind the damage is
// read, and what is lost is counted and named. (The start reads the blocks before the
// server does; this is for those that it does not wait for.)
func TestADamagedLogIsReadToItsEnd(t *testing.T) {
	const entries = 1500
	base := filepath.Join(t.TempDir(), "nats")
	log, stop, err := testenv.OpenLog(t, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err = log.Load(t.Context(), func() (storage.Record, bool, error) {
		n++
		return storage.Record{Subject: fmt.Sprint("rev.t.x", n), ID: fmt.Sprint("id", n), Data: make([]byte, 20_000)}, n <= entries, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	for name, damage := range map[string]func(string) error{
		"None": func(string) error { return nil },
		"AByteOfABlockInTheMiddle": func(dir string) error {
			return alter(filepath.Join(dir, "2.blk"), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		},
		"ABlockInTheMiddleCut": func(dir string) error {
			return alter(filepath.Join(dir, "2.blk"), func(b []byte) []byte { return b[:len(b)/2] })
		},
		"TheFirstBlockCut": func(dir string) error {
			return alter(filepath.Join(dir, "1.blk"), func(b []byte) []byte { return b[:len(b)/2] })
		},
		"AByteOfTheFirstBlock": func(dir string) error {
			return alter(filepath.Join(dir, "1.blk"), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "nats")
			if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
				t.Fatal(err)
			}
			blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", "*_LOG", "msgs"))
			if err != nil || len(blocks) != 1 {
				t.Fatal(blocks, err)
			}
			if err := damage(blocks[0]); err != nil {
				t.Fatal(err)
			}
			log, stop, err := testenv.OpenLog(t, dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			begun, last := time.Now(), uint64(0)
			state, err := log.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r, err := archive.ReadLog(t.Context(), log, state, func(e storage.Entry) error { last = e.Seq; return nil })
			if err != nil {
				t.Fatal(err)
			}
			read, lost, what := r.Read, r.Lost, r.Damage()
			if read+lost != entries || last != entries || (lost > 0) != (name != "None") || (what == "") != (lost == 0) {
				t.Errorf("%d read, up to %d, %d lost: %q", read, last, lost, what)
			}
			if lost > 0 && !strings.Contains(what, "none can be read from") {
				t.Errorf("it says %q", what)
			}
			t.Logf("%s, after %s", what, time.Since(begun))
		})
	}
}

func alter(name string, how func([]byte) []byte) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, how(b), 0o600)
}
