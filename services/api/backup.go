package api

import (
	"context"
	"io"
	"net/http"
	"os"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/services/api/form"
)

// sendBackup streams everything as one file. When it fails half way the connection
// is cut, so that no client takes a beginning for the whole.
func sendBackup(a *API, c call) error {
	ctx, end := context.WithCancel(c.r.Context())
	defer end()
	out := &started{ResponseWriter: c.w, ctx: ctx}
	defer a.whileValid(c.r, end, func() error { return a.m.Guard.Admin(ctx) })()
	_, err := a.m.Admin.Backup(ctx, out, nil)
	if err != nil && out.begun {
		a.logger.ErrorContext(c.r.Context(), "a backup broke off", "error", err)
		_ = http.NewResponseController(c.w).Flush() // what is sent tells why
		panic(http.ErrAbortHandler)
	}
	return err
}

// started sets the headers with the first byte, so that an error before it is
// answered as one.
type started struct {
	http.ResponseWriter
	ctx   context.Context // a store may read on when it has ended
	begun bool
}

// Write implements io.Writer.
func (s *started) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if !s.begun {
		s.begun = true
		s.Header().Set("Content-Type", typeBinary)
		s.Header().Set("Content-Disposition", `attachment; filename="autocrud.backup"`)
		s.WriteHeader(http.StatusOK)
	}
	return s.ResponseWriter.Write(p)
}

const typeBinary = "application/octet-stream"

// restoreBackup takes a whole file, checks it, and only then writes.
func restoreBackup(a *API, c call) error {
	r, cancel := long(c.w, c.r)
	defer cancel()
	if t := r.Header.Get("Content-Type"); t != typeBinary {
		return fault.Errorf(fault.UnsupportedMediaType, "a backup is sent as %s", typeBinary)
	}
	if err := a.m.Admin.Restorable(r.Context()); err != nil {
		return err // before the file is sent
	}
	f, err := os.CreateTemp("", "autocrud-restore-")
	if err != nil {
		return &fault.Error{Code: fault.Unavailable, Detail: "there is no room for the backup in the temporary folder", Cause: err}
	}
	defer os.Remove(f.Name())
	defer f.Close()
	body := &bodyReader{r: r.Body}
	n, err := io.Copy(f, body)
	if body.err != nil {
		return form.Ended(body.err)
	}
	if err != nil {
		return &fault.Error{Code: fault.Unavailable, Detail: "there is no room for the backup in the temporary folder", Cause: err}
	}
	b, err := archive.OpenBackup(f, n)
	if err != nil {
		return err
	}
	if err := a.m.Admin.RestoreBackup(r.Context(), b, nil); err != nil {
		return err
	}
	return c.json(http.StatusOK, b.Summary)
}
