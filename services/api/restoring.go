package api

import (
	"bytes"
	"io"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// restoring reads the body of a restore, which may be empty.
func (c call) restoring() (o resource.RestoreOptions, err error) {
	b, err := readBody(c.w, c.r, maxBody)
	if err != nil || len(b) == 0 {
		return o, err
	}
	c.r.Body, c.r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	body, err := readObject(c.w, c.r, "revision", "patch")
	if err != nil {
		return o, err
	}
	if n, given := body["revision"]; given {
		var ok bool
		if o.Revision, ok = revisionNumber(n); !ok {
			return o, invalid("/revision", "must be the number of a revision, from 1 on")
		}
	}
	if patch, given := body["patch"]; given {
		o.Patch = patchOf(patch)
	}
	return o, nil
}

// unfitRestore is unfit for what is deleted.
func (a *API) unfitRestore(c call, match resource.Match, err error) error {
	if fault.CodeOf(err) != fault.ValidationFailed {
		return err
	}
	if first := a.m.Check(c.r.Context(), "restore", c.t.Name, c.id, match); first != nil && fault.CodeOf(first) != fault.Deleted {
		return first
	}
	return err
}

func revisionNumber(v any) (int, bool) {
	n, ok := v.(int64)
	return int(n), ok && n >= 1 && n <= 1<<31-1
}

// patchOf tells the two formats of a patch apart: a list is RFC 6902.
func patchOf(body any) resource.Patch {
	if _, list := body.([]any); list {
		return resource.Patch{Kind: resource.JSONPatch, Body: body}
	}
	return resource.Patch{Kind: resource.MergePatch, Body: body}
}
