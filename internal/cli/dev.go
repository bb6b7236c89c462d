package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/autocrud-go/autocrud/internal/wiring"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
)

type devCmd struct {
	wiring.Settings `embed:""`
}

// Run serves until a signal and follows the models folder.
func (c *devCmd) Run(e *env) error {
	return serve(e, "up", c.Settings, " (documentation: %s/docs), and follows the models in "+strings.ReplaceAll(c.Models, "%", "%%"), func(ctx context.Context, r *wiring.Running) {
		follow(ctx, c.Models, func() { reload(ctx, e, r) })
	})
}

// How often the models folder is looked at. An edit is read when two looks in a row find
// the same, so that a file that is being written is not read by half.
const looking = 50 * time.Millisecond

// follow calls edited whenever the files of a models folder are others, until ctx ends.
func follow(ctx context.Context, dir string, edited func()) {
	known := fingerprint(dir)
	seen := known
	t := time.NewTicker(looking)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := fingerprint(dir)
		settled := now == seen
		if seen = now; settled && now != known {
			known = now
			edited()
		}
	}
}

// fingerprint is the same as long as the model files are.
func fingerprint(dir string) [sha256.Size]byte {
	h := sha256.New()
	files, err := model.ReadFiles(dir)
	if err != nil {
		fmt.Fprintf(h, "%v", err)
	}
	for _, f := range files {
		fmt.Fprintf(h, "%q %x\n", f.Name, sha256.Sum256(f.Content))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// reload has a program read its models again and says what came of it.
func reload(ctx context.Context, e *env, r *wiring.Running) {
	out, err := r.Reload(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		fmt.Fprintln(e.Err, "autocrud: the models before stay in force:")
		var unfitting *wiring.Unfitting
		if errors.As(err, &unfitting) {
			writeReport(e.Err, unfitting.Report)
		} else {
			report(e.Err, err)
		}
		return
	}
	writeReport(e.Out, out)
}

// writeReport prints what changes, type by type.
func writeReport(w io.Writer, r *plan.Report) {
	if len(r.Types) == 0 {
		fmt.Fprintln(w, "models: nothing changes")
	}
	for _, p := range r.Types {
		fmt.Fprintln(w, "models:", plan.Line(p))
		for _, line := range plan.Lines(p) {
			fmt.Fprintln(w, "  "+line)
		}
	}
	if r.Breaks() {
		fmt.Fprintln(w, plan.Advice)
	}
}

// onHangup reloads the models at each SIGHUP, until ctx ends.
func onHangup(ctx context.Context, e *env, r *wiring.Running) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			reload(ctx, e, r)
		}
	}
}

// beside runs tasks beside a program until the program ends.
func beside(ctx context.Context, e *env, r *wiring.Running, tasks ...func(context.Context, *wiring.Running)) error {
	ctx, stop := context.WithCancel(ctx)
	var g sync.WaitGroup
	g.Go(func() { onHangup(ctx, e, r) })
	for _, fn := range tasks {
		g.Go(func() { fn(ctx, r) })
	}
	err := r.Wait()
	stop()
	g.Wait()
	return err
}
