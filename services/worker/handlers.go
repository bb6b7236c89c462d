package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// maxOutput is the most bytes taken of a handler's result or error output.
const maxOutput = 1 << 20

// httpHandler posts the envelope. 2xx is done, with the body as the result; 4xx
// will not get better, except those that say so.
func httpHandler(url string) Handler {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context, c *job.Attempt) (json.RawMessage, error) {
		e, err := c.Envelope()
		if err != nil {
			return nil, err
		}
		body := fmt.Sprintf(`{"data":%s,"meta":%s,"revision":%s}`, e.Data, e.Meta, e.Revision)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return nil, job.Fail(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Autocrud-Job-Attempt", strconv.Itoa(c.Claim.Attempt))
		req.Header.Set("Idempotency-Key", c.ID)
		resp, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("the handler did not answer: %w", err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput+1))
		if err != nil {
			return nil, fmt.Errorf("the handler's answer ended early: %w", err)
		}
		if resp.StatusCode >= 200 && resp.StatusCode < 300 {
			return asResult(answer)
		}
		err = fmt.Errorf("the handler answered %s: %s", resp.Status, excerpt(answer))
		if after, ok := retryAfter(resp.Header.Get("Retry-After")); ok {
			return nil, job.RetryAfter(after, err)
		}
		switch code := resp.StatusCode; {
		case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		case code >= 400 && code < 500:
			return nil, job.Fail(err)
		}
		return nil, err
	}
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(h string) (time.Duration, bool) {
	if n, err := strconv.Atoi(h); err == nil && n >= 0 {
		return time.Duration(min(n, 30*24*3600)) * time.Second, true
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(time.Until(t), 0), true
	}
	return 0, false
}

// asResult takes JSON as it is and other text as a JSON string.
func asResult(b []byte) (json.RawMessage, error) {
	b = bytes.TrimSpace(b)
	if len(b) > maxOutput {
		return nil, job.Fail(fmt.Errorf("the result is over %d bytes", maxOutput))
	}
	if len(b) == 0 {
		return nil, nil
	}
	if json.Valid(b) {
		return b, nil
	}
	return json.Marshal(strings.ToValidUTF8(string(b), "?"))
}

func excerpt(b []byte) string {
	s := strings.TrimSpace(strings.ToValidUTF8(string(b), "?"))
	if len(s) > 500 {
		s = "... " + strings.ToValidUTF8(s[len(s)-500:], "")
	}
	return s
}

// exitRetry is EX_TEMPFAIL of sysexits.h.
const exitRetry = 75

// killGrace is how long a command may take to end after SIGTERM.
const killGrace = 3 * time.Second

// execHandler runs a command: payload on stdin, result on stdout, log on
// stderr. Its whole process group ends with it.
func execHandler(h resource.Handler) Handler {
	command := h.Exec
	return func(ctx context.Context, c *job.Attempt) (json.RawMessage, error) {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stdin = bytes.NewReader(c.Data)
		stdout, stderr := &limited{max: maxOutput}, &limited{max: 64 << 10, tail: true}
		log := &liner{to: c.Report.Log}
		cmd.Stdout, cmd.Stderr = stdout, io.MultiWriter(stderr, log)
		cmd.Dir = h.Dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=" + os.Getenv("LANG"),
			"AUTOCRUD_JOB_ID=" + c.ID, "AUTOCRUD_JOB_TYPE=" + c.Type, "AUTOCRUD_JOB_ATTEMPT=" + strconv.Itoa(c.Claim.Attempt)}
		for name, v := range h.Env {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
		if cmd.WaitDelay = h.Grace; cmd.WaitDelay == 0 {
			cmd.WaitDelay = killGrace
		}
		err := cmd.Run()
		log.end()
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind; usually nothing
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
