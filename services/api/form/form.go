// Package form reads forms with files (multipart/form-data, RFC 7578): each file is
// handed on as it comes, and nothing of a form is kept in memory but its document.
package form

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// Type is the media type of forms with files.
const Type = "multipart/form-data"

// Is reports whether the body of a request is a form with files.
func Is(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // whatever it is, unless it is a form
	return kind == Type
}

// File is a part of a form that is a file. Its content is read before the next part.
type File struct {
	Field   string // the name of the part
	Name    string // of the file itself, without folders
	Said    string // the media type that the sender gives it; empty: none that tells anything
	Content io.Reader
}

// Limits of a form.
const (
	maxParts = 101 // a document and 100 files
	maxName  = 255 // bytes of the name of a file
	dataPart = "data"
)

// One gives the file of a form that holds one file and nothing else to store.
func One(r *http.Request, store func(File) error) error {
	files := 0
	err := parts(r, func(p *multipart.Part) error {
		if p.FileName() == "" {
			return refuse("the form has a field %q; it takes one file and nothing else", shorten(p.FormName()))
		}
		f, err := fileOf(p)
		if err != nil {
			return err
		}
		if files++; files > 1 {
			return refuse("the form holds several files; send each in a request of its own")
		}
		return store(f)
	})
	if err == nil && files == 0 {
		err = refuse("the form holds no file; it takes one")
	}
	return err
}

// Document reads a form that is a document and the files that it refers to: a part
// `data` is the document in JSON, {} without it, and every file is at the place in it
// that is the name of its part, a JSON pointer (RFC 6901). Store keeps a file and
// returns what stands for it in the document.
func Document(r *http.Request, limit int64, store func(File) (map[string]any, error)) (any, error) {
	var doc []byte
	var ops []any
	n := 0
	err := parts(r, func(p *multipart.Part) error {
		if n++; n > maxParts {
			return refuse("the form holds more than %d parts", maxParts)
		}
		if none, err := isNoFile(p); none || err != nil {
			return err
		}
		if p.FileName() == "" || p.FormName() == dataPart { // a Blob of a page, which says its media type, has a file name
			return readData(p, &doc, limit)
		}
		f, err := fileOf(p)
		if err != nil {
			return err
		}
		if _, err := jsonpatch.ParsePointer(f.Field); err != nil || f.Field == "" {
			return refuse("the part of a file is named by the pointer of its field, like /poster, not %q", shorten(f.Field))
		}
		value, err := store(f)
		if err == nil {
			ops = append(ops, map[string]any{"op": "add", "path": f.Field, "value": value})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if doc == nil {
		doc = []byte("{}")
	}
	tree, err := model.DecodeInput(doc)
	if err != nil {
		return nil, err
	}
	return place(tree, ops)
}

// place puts the files where they belong, where nothing else is.
func place(tree any, ops []any) (any, error) {
	for _, op := range ops {
		at, _ := op.(map[string]any)["path"].(string)
		pointer, err := jsonpatch.ParsePointer(at)
		if err != nil {
			return nil, err
		}
		if v, there := pointer.Find(tree); there && v != nil {
			return nil, misplaced(at, "is given as a file and in data")
		} else if there { // null keeps its place, in a list too
			op.(map[string]any)["op"] = "replace"
		}
		patch, err := jsonpatch.Parse([]any{op})
		if err == nil {
			tree, err = patch.Apply(tree, jsonpatch.Options{})
		}
		if err != nil {
			return nil, misplaced(at, "data has no place for this file")
		}
	}
	return tree, nil
}

func misplaced(at, detail string) error {
	return &fault.Error{Code: fault.ValidationFailed, Detail: "a file of the form has no place in the document", Fields: []fault.FieldError{{Pointer: at, Detail: detail}}}
}

// readData reads the document of a form.
func readData(p *multipart.Part, doc *[]byte, limit int64) error {
	switch {
	case p.FormName() != dataPart:
		return refuse("the form has a field %q; it takes one part %s, the document in JSON, and files", shorten(p.FormName()), dataPart)
	case *doc != nil:
		return refuse("the form has several parts %s", dataPart)
	}
	if said := p.Header.Get("Content-Type"); said != "" {
		kind, parameters, err := mime.ParseMediaType(said)
		if charset := parameters["charset"]; err != nil || kind != "application/json" && kind != "text/plain" || charset != "" && !strings.EqualFold(charset, "utf-8") {
			return fault.Errorf(fault.UnsupportedMediaType, "the part %s of the form is application/json", dataPart)
		}
	}
	b, err := io.ReadAll(io.LimitReader(p, limit+1))
	if err != nil {
		return Ended(err)
	}
	if int64(len(b)) > limit {
		return fault.Errorf(fault.TooLarge, "the part %s of the form is over %d bytes", dataPart, limit)
	}
	*doc = append([]byte{}, b...) // an empty one is there, and no document
	return nil
}

// parts gives each part of a form to fn. A form without its last boundary was cut off; the
// reader of forms takes it for a shorter one.
func parts(r *http.Request, fn func(*multipart.Part) error) error {
	_, said, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || said["boundary"] == "" {
		return refuse("the form cannot be read: its Content-Type names no boundary")
	}
	body := &watched{from: r.Body, want: []byte("\n--" + said["boundary"] + "--"), tail: []byte("\n")}
	form := multipart.NewReader(body, said["boundary"])
	for {
		p, err := form.NextRawPart()
		var malformed textproto.ProtocolError
		switch {
		case errors.Is(err, io.EOF) && body.seen:
			return nil
		case errors.Is(err, io.EOF):
			return Ended(io.ErrUnexpectedEOF)
		case errors.As(err, &malformed):
			return refuse("the form cannot be read: %s", shorten(malformed.Error()))
		case err != nil:
			return Ended(err)
		}
		if err := fn(p); err != nil {
			return err
		}
	}
}

// watched is a reader that remembers whether it has given some bytes.
type watched struct {
	from io.Reader
	want []byte
	tail []byte // the newest bytes, with which what is wanted may begin
	seen bool
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.from.Read(b)
	if w.seen || n == 0 {
		return n, err
	}
	most := len(w.want) - 1
	w.tail = append(w.tail, b[:min(n, most)]...)
	w.seen = bytes.Contains(w.tail, w.want) || bytes.Contains(b[:n], w.want)
	if n >= most {
		w.tail = append(w.tail[:0], b[n-most:n]...)
	} else if over := len(w.tail) - most; over > 0 {
		w.tail = append(w.tail[:0], w.tail[over:]...)
	}
	return n, err
}

// isNoFile reports whether a part is what a page sends for a file that no person chose: no
// name and no content (HTML section 4.10.22.4).
func isNoFile(p *multipart.Part) (bool, error) {
	_, said, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	if name, given := said["filename"]; err != nil || !given || name != "" || p.FormName() == dataPart {
		return false, nil
	}
	n, err := io.CopyN(io.Discard, p, 1)
	switch {
	case n > 0:
		return false, refuse("the file of the part %q of the form has no name", shorten(p.FormName()))
	case !errors.Is(err, io.EOF):
		return false, Ended(err)
	}
	return true, nil
}

const transferEncoding = "Content-Transfer-Encoding"

func fileOf(p *multipart.Part) (File, error) {
	switch strings.ToLower(strings.TrimSpace(p.Header.Get(transferEncoding))) {
	case "", "7bit", "8bit", "binary": // the bytes themselves; RFC 7578 section 4.7 knows no other
	default:
		return File{}, refuse("the file of the form is encoded (%s); send its bytes as they are", shorten(p.Header.Get(transferEncoding)))
	}
	f := File{Field: p.FormName(), Name: nameOf(p.FileName()), Content: p}
	given := p.Header.Get("Content-Type")
	if given == "" {
		return f, nil
	}
	said, err := model.MediaType(given)
	if err != nil {
		return File{}, fault.Errorf(fault.UnsupportedMediaType, "Content-Type of the file of the form: %v", err)
	}
	if !strings.HasPrefix(said, "application/octet-stream") {
		f.Said = said
	}
	return f, nil
}

// nameOf is the name of a file without its folders, and without what is no text; of a
// long one the end is kept, which tells the kind.
func nameOf(name string) string {
	name = strings.ToValidUTF8(path.Base(strings.ReplaceAll(name, `\`, "/")), "")
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, name)
	if name == "." || name == ".." || name == "/" { // the name of a folder
		return ""
	}
	for len(name) > maxName {
		_, n := utf8.DecodeRuneInString(name)
		name = name[n:]
	}
	return name
}

// Ended tells why a body is not whole.
func Ended(err error) error {
	var slow *fault.Error
	if errors.As(err, &slow) {
		return slow
	}
	return fault.Errorf(fault.InvalidRequest, "the body ended early: %w", err)
}

func refuse(format string, args ...any) error {
	return fault.Errorf(fault.InvalidRequest, format, args...)
}

func shorten(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	return strings.ToValidUTF8(s, "")
}
