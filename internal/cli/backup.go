package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/internal/wiring"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

type backupCmd struct {
	place `embed:""`
	Keep  int    `help:"Afterwards remove the oldest files in its folder with the same ending, all but so many. 0: none."`
	File  string `arg:"" help:"File to write; - is standard output."`
}

// Run writes a backup beside its name and gives it the name once it is whole.
func (c *backupCmd) Run(e *env) error {
	if c.Keep < 0 || c.Keep > 0 && filepath.Ext(c.File) == "" {
		return &exitError{exitUsage, "--keep is a number of files, whose names have an ending like .backup"}
	}
	if c.File == "-" {
		return c.write(e, e.Out)
	}
	f, err := os.OpenFile(c.File+".partial", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when it was renamed
	defer f.Close()
	failed := c.write(e, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if failed != nil {
		if why := archive.BackupFailure(f, info.Size()); why != "" {
			return &exitError{exitFailed, why}
		}
		return refused(failed)
	}
	b, err := archive.OpenBackup(f, info.Size())
	if err != nil {
		return fmt.Errorf("the server broke off: %w", err)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	f.Close() // it is synced; Windows renames no file that is open
	if err := disk.Replace(f.Name(), c.File); err != nil {
		return err
	}
	if _, err = fmt.Fprintf(e.Out, "%d events and %d binaries in %s (%d bytes)\n", b.Summary.Events, b.Summary.Binaries, c.File, b.Summary.Bytes); err != nil || c.Keep == 0 {
		return err
	}
	return removeOldest(c.File, c.Keep)
}

// removeOldest removes files beside one that have its ending, but for the newest.
func removeOldest(file string, keep int) error {
	dir := filepath.Dir(file)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var files []os.FileInfo
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() && filepath.Ext(info.Name()) == filepath.Ext(file) {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, f := range files[min(keep, len(files)):] {
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (c *backupCmd) write(e *env, w io.Writer) error {
	bar := newProgress(e.Err, -1, "backing up")
	defer bar.finish()
	if !c.isOffline() {
		return c.download(e.ctx, "/v1:backup", &counted{w, bar, 0})
	}
	return c.offline(e, func(ctx context.Context, m *resource.Domain) error {
		_, err := m.Admin.Backup(ctx, w, func(done, _ uint64) { bar.set(int64(done)) })
		return err
	})
}

// counted shows how much was written.
type counted struct {
	io.Writer
	bar *progress
	n   int64
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	c.bar.set(c.n)
	return n, err
}

type restoreCmd struct {
	place `embed:""`
	File  string `arg:"" help:"File that backup wrote; - is standard input."`
}

// Run checks the whole file before anything is written.
func (c *restoreCmd) Run(e *env) error {
	restore := c.fromFile
	if c.File == "-" && !c.isOffline() {
		restore = c.fromInput
	}
	s, err := restore(e)
	if err != nil {
		return refused(err)
	}
	lost := len(s.Lost)
	if _, err = fmt.Fprintf(e.Out, "%d events and %d binaries restored\n", s.Events, s.Binaries-int64(lost)); err != nil || lost == 0 {
		return err
	}
	return &exitError{exitFailed, fmt.Sprintf("%d binaries were damaged already when the backup was made and are lost: %s", lost, strings.Join(s.Lost, ", "))}
}

// fromInput passes a backup on to the server, which checks it: in a container there may
// be no room for a copy of it.
func (c *restoreCmd) fromInput(e *env) (archive.BackupSummary, error) {
	return c.upload(e.ctx, "/v1:restore", e.In, -1)
}

func (c *restoreCmd) fromFile(e *env) (none archive.BackupSummary, err error) {
	f, remove, err := c.open(e)
	if err != nil {
		return none, err
	}
	defer remove()
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return none, err
	}
	b, err := archive.OpenBackup(f, info.Size())
	if err != nil {
		return none, err
	}
	bar := newProgress(e.Err, b.Summary.Entries, "restoring")
	defer bar.finish()
	if !c.isOffline() {
		return c.upload(e.ctx, "/v1:restore", f, info.Size())
	}
	return b.Summary, wiring.OfflineOrNew(e.ctx, c.settings(), e.app, b.FirstSeq(), func(ctx context.Context, m *resource.Domain) error {
		return m.Admin.RestoreBackup(ctx, b, func(done, _ uint64) { bar.set(int64(done)) })
	})
}

// open opens the file. Standard input is copied first: a backup is read from its end.
func (c *restoreCmd) open(e *env) (f *os.File, remove func(), err error) {
	if c.File != "-" {
		f, err = os.Open(c.File)
		return f, func() {}, err
	}
	if f, err = os.CreateTemp("", "autocrud-restore-"); err != nil {
		return nil, nil, err
	}
	remove = func() { os.Remove(f.Name()) }
	if _, err = io.Copy(f, e.In); err != nil {
		f.Close()
		remove()
	}
	return f, remove, err
}

// refused makes what is wrong with the input or the place a matter of usage.
func refused(err error) error {
	var r *fault.Error
	if errors.As(err, &r) {
		return &exitError{exitFailed, r.Detail}
	}
	return err
}

type rebuildLogCmd struct {
	wiring.Settings `embed:""`
}

// Run makes a lost log again.
func (c *rebuildLogCmd) Run(e *env) error {
	bar := newProgress(e.Err, -1, "rebuilding the log")
	out, err := wiring.RebuildLog(e.ctx, c.Settings, func(done, _ uint64) { bar.set(int64(done)) })
	bar.finish()
	if err != nil {
		return refused(err)
	}
	for _, l := range out.Lost {
		fmt.Fprintln(e.Out, "lost:", l)
	}
	_, err = fmt.Fprintf(e.Out, "%d events rebuilt, %d lost, %d objects without an event\n", out.Events, len(out.Lost), out.Orphans)
	return err
}

// transfers have no limit of time of their own: what they carry may be large.
var transfers = &http.Client{Transport: client.Transport}

func (s server) transfer(ctx context.Context, method, path string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = size
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	resp, err := transfers.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what came tells enough
		return nil, &exitError{exitFailed, answer{resp.StatusCode, b}.problem()}
	}
	return resp, nil
}

func (s server) download(ctx context.Context, path string, w io.Writer) error {
	resp, err := s.transfer(ctx, http.MethodGet, path, nil, 0)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}

// upload sends a backup; its size is -1 where it is not known.
func (s server) upload(ctx context.Context, path string, r io.Reader, size int64) (out archive.BackupSummary, err error) {
	resp, err := s.transfer(ctx, http.MethodPost, path, r, size)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, json.NewDecoder(resp.Body).Decode(&out)
}
