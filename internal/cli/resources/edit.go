package resources

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// Edit opens a resource in an editor.
type Edit struct {
	Connection
	Target []string `arg:"" name:"type" complete:"resource" help:"TYPE ID, or TYPE/ID."`
	Editor string   `help:"Command that edits a file, instead of $VISUAL and $EDITOR."`
}

// editing is one edit under way.
type editing struct {
	e      *Env
	s      remote.Server
	t      target
	editor string
	file   string

	base   any    // what the file was made of
	etag   string // of the state in base
	status string
}

// Run edits until the server takes what was written, or the person gives up. What was
// written is never lost: it is in the file that is named then.
func (c *Edit) Run(e *Env) error {
	s, t, err := c.one(c.Target)
	if err != nil {
		return err
	}
	d := &editing{e: e, s: s, t: t, editor: c.Editor}
	if d.editor == "" {
		d.editor = firstOf(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
	}
	if err := d.read(); err != nil {
		return err
	}
	f, err := os.CreateTemp("", "autocrud-"+t.typ+"-"+t.id[:min(len(t.id), 40)]+"-*.yaml")
	if err != nil {
		return err
	}
	f.Close() // it is empty
	d.file = f.Name()
	err = d.edit()
	if err == nil {
		return os.Remove(d.file)
	}
	return fmt.Errorf("%w; what you wrote is in %s", err, d.file)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// read takes the newest state as the base.
func (d *editing) read() error {
	var x envelope
	a, err := d.s.Get(d.e.Ctx, d.t.path(), nil, &x)
	if err != nil {
		return err
	}
	d.base, err = model.DecodeJSON(x.Data)
	d.etag, d.status = a.ETag(), x.Meta.Status
	return err
}

// edit opens the editor as often as it takes.
func (d *editing) edit() error {
	mine, note := d.base, "Saved and closed, it is sent. Left as it is, nothing happens."
	for {
		before, err := d.write(mine, note)
		if err != nil {
			return err
		}
		if err := d.open(); err != nil {
			return err
		}
		after, err := os.ReadFile(d.file)
		if err != nil {
			return err
		}
		if bytes.Equal(before, after) {
			if equal(mine, d.base) {
				_, err := fmt.Fprintf(d.e.Out, "%s unchanged\n", d.t)
				return err
			}
			return errors.New("nothing was sent")
		}
		read, err := model.ReadYAML(after, false)
		if err != nil {
			line, reason := model.LineOf(err)
			return fmt.Errorf("line %d: %s", line, reason)
		}
		if mine, note, err = d.send(read.Tree); err != nil || note == "" {
			return err
		}
	}
}

// send sends what is written. If another write came first, both are joined; where both
// changed the same, mine and a note that shows both come back.
func (d *editing) send(mine any) (_ any, note string, err error) {
	for {
		changes := operations(d.base, mine, "")
		if len(changes) == 0 {
			_, err := fmt.Fprintf(d.e.Out, "%s unchanged\n", d.t)
			return mine, "", err
		}
		_, err := d.s.Do(d.e.Ctx, remote.Request{Method: http.MethodPatch, Path: d.t.path(), Body: changes, Media: "application/json-patch+json",
			Query: map[string][]string{"status": {d.status}, "returns": {"meta"}}, Header: http.Header{"If-Match": {d.etag}}})
		switch code := remote.Code(err); {
		case err == nil:
			_, err := fmt.Fprintf(d.e.Out, "%s changed\n", d.t)
			return mine, "", err
		case code == "validation_failed" || code == "unique_conflict" || code == "dangling_reference" || code == "invalid_request":
			return mine, "It was refused: " + Explain(err), nil
		case code != "precondition_failed":
			return mine, "", err
		}
		was := d.base
		if err := d.read(); err != nil {
			return mine, "", err
		}
		joined, conflicts := merge(was, mine, d.base, "")
		if mine = joined; len(conflicts) > 0 {
			return mine, conflicting(conflicts), nil
		}
	}
}

// conflicting shows both sides of each conflict.
func conflicting(all []conflict) string {
	var b strings.Builder
	b.WriteString("Another write changed the same. Below is yours, with what else the other changed; decide and save.\nLeft as it is, nothing is sent.")
	for _, c := range all {
		fmt.Fprintf(&b, "\n%s\n  it was  %s\n  theirs  %s\n  yours   %s", firstOf(c.pointer, "/"), valueOf(c.base), valueOf(c.theirs), valueOf(c.mine))
	}
	return b.String()
}

func valueOf(v any) string {
	if v == absent {
		return "(absent)"
	}
	return show.Line(string(model.AppendCanonical(nil, v)))
}

// write makes the file, with notes as comments.
func (d *editing) write(data any, note string) ([]byte, error) {
	text, err := show.YAML(model.AppendCanonical(nil, data))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n", d.t)
	for line := range strings.SplitSeq(note, "\n") {
		b.WriteString("# " + line + "\n")
	}
	b.Write(text)
	return b.Bytes(), os.WriteFile(d.file, b.Bytes(), 0o600)
}

// open runs the editor, as git does: the shell reads the command.
func (d *editing) open() error {
	cmd := exec.CommandContext(d.e.Ctx, "sh", "-c", d.editor+` "$@"`, d.editor, d.file)
	if runtime.GOOS == "windows" {
		cmd = exec.CommandContext(d.e.Ctx, "cmd", "/c", d.editor, d.file)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = d.e.In, d.e.Out, d.e.Err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the editor %q: %w", d.editor, err)
	}
	return nil
}
