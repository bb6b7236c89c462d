package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// exitRetry is EX_TEMPFAIL of sysexits.h.
const exitRetry = 75

// killGrace is how long a command may take to end after it was interrupted.
const killGrace = 3 * time.Second

// execHandler runs a command: payload on stdin, result on stdout, log on
// stderr. Its exit code is its word, whatever it leaves behind.
func execHandler(h model.Handler) Handler {
	command := h.Exec
	return func(ctx context.Context, c *job.Attempt) (json.RawMessage, error) {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stdin = bytes.NewReader(c.Data)
		stdout, stderr := &limited{max: maxOutput}, &limited{max: 64 << 10, tail: true}
		log := &liner{to: c.Report.Log}
		cmd.Stdout, cmd.Stderr = stdout, io.MultiWriter(stderr, log)
		cmd.Dir = h.Dir
		for _, name := range inherited {
			cmd.Env = append(cmd.Env, name+"="+os.Getenv(name))
		}
		cmd.Env = append(cmd.Env, "AUTOCRUD_JOB_ID="+c.ID, "AUTOCRUD_JOB_TYPE="+c.Type, "AUTOCRUD_JOB_ATTEMPT="+strconv.Itoa(c.Claim.Attempt))
		cmd.Env = append(cmd.Env, traceEnv(ctx)...)
		for name, v := range h.Env {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
		cmd.Cancel = func() error { return interrupt(cmd) }
		if cmd.WaitDelay = h.Grace; cmd.WaitDelay == 0 {
			cmd.WaitDelay = killGrace
		}
		err := runGroup(cmd)
		log.end()
		if errors.Is(err, exec.ErrWaitDelay) { // it ended well: what it left running does not undo that
			c.Report.Log(fmt.Sprintf("the command ended; a process that it left behind had its output open for another %s and was stopped", cmd.WaitDelay))
			err = nil
		}
		var exit *exec.ExitError
		switch {
		case err == nil && stdout.over:
			return nil, job.Fail(fmt.Errorf("the result is over %d bytes", maxOutput))
		case err == nil:
			return asResult(stdout.b)
		case errors.As(err, &exit) && exit.ExitCode() == exitRetry:
			return nil, fmt.Errorf("the command asks to be tried again: %s", excerpt(stderr.b))
		case errors.As(err, &exit):
			return nil, fmt.Errorf("the command ended with %s: %s", exit.ProcessState, excerpt(stderr.b))
		}
		return nil, fmt.Errorf("the command did not run: %w", err)
	}
}

// liner cuts what is written to it into lines.
type liner struct {
	to   func(string)
	rest []byte
}

func (l *liner) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < maxLogLine {
			return len(p), nil
		}
		if i < 0 {
			i = maxLogLine
			l.to(string(l.rest[:i]))
			l.rest = l.rest[i:]
			continue
		}
		l.to(strings.TrimSuffix(string(l.rest[:i]), "\r"))
		l.rest = l.rest[i+1:]
	}
}

// end writes a last line that does not end.
func (l *liner) end() {
	if len(l.rest) > 0 {
		l.to(string(l.rest))
	}
}

// limited keeps the first, or with tail the last, max bytes written to it.
type limited struct {
	b    []byte
	max  int
	tail bool
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	l.b = append(l.b, p...)
	if len(l.b) > l.max {
		l.over = true
		if l.tail {
			l.b = append(l.b[:0], l.b[len(l.b)-l.max:]...)
		} else {
			l.b = l.b[:l.max]
		}
	}
	return len(p), nil
}
