package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/autocrud-go/autocrud/internal/disk"
)

// DefaultURL is where a server is that says nothing else.
const DefaultURL = "http://127.0.0.1:8080"

// Context is a server with a name.
type Context struct {
	Server string `yaml:"server"`
}

// Contexts are those of the file config.yaml. Tokens are in files of their own beside it,
// which only their owner can read.
type Contexts struct {
	Current  string             `yaml:"current,omitempty"`
	Contexts map[string]Context `yaml:"contexts,omitempty"`

	dir string
}

var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Load reads the contexts of the folder $XDG_CONFIG_HOME/autocrud. No file is no context.
func Load() (*Contexts, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" || !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return &Contexts{Contexts: map[string]Context{}}, nil // a container without a home has none
		}
	}
	c := &Contexts{dir: filepath.Join(dir, "autocrud")}
	b, err := os.ReadFile(c.file())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(c); len(bytes.TrimSpace(b)) > 0 && err != nil {
		return nil, fmt.Errorf("%s: %w", c.file(), err)
	}
	if c.Contexts == nil {
		c.Contexts = map[string]Context{}
	}
	for name := range c.Contexts {
		if !contextName.MatchString(name) {
			return nil, fmt.Errorf("%s: %q is no name of a context", c.file(), name)
		}
	}
	return c, nil
}

func (c *Contexts) file() string { return filepath.Join(c.dir, "config.yaml") }

func (c *Contexts) tokenFile(name string) string { return filepath.Join(c.dir, "tokens", name) }

// Names are those of the contexts, sorted.
func (c *Contexts) Names() []string { return slices.Sorted(maps.Keys(c.Contexts)) }

// Set names a server, makes it current and keeps its credential, which may be empty.
func (c *Contexts) Set(name, server, secret string) error {
	if !contextName.MatchString(name) {
		return fmt.Errorf("%q is no name of a context: letters, digits, dots, dashes and underscores", name)
	}
	if err := checkURL(server); err != nil {
		return err
	}
	if c.dir == "" {
		return errors.New("there is no folder for settings; set XDG_CONFIG_HOME")
	}
	if secret == "" {
		if err := os.Remove(c.tokenFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else if err := write(c.tokenFile(name), []byte(secret+"\n")); err != nil {
		return err
	}
	c.Contexts[name], c.Current = Context{server}, name
	return c.save()
}

// Use makes a context the current one.
func (c *Contexts) Use(name string) error {
	if err := c.known(name); err != nil {
		return err
	}
	c.Current = name
	return c.save()
}

// Remove forgets a context and its token.
func (c *Contexts) Remove(name string) error {
	if err := c.known(name); err != nil {
		return err
	}
	if err := os.Remove(c.tokenFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(c.Contexts, name)
	if c.Current == name {
		c.Current = ""
	}
	return c.save()
}

func (c *Contexts) known(name string) error {
	if _, ok := c.Contexts[name]; !ok {
		return fmt.Errorf("there is no context %q; known are %s", name, strings.Join(c.Names(), ", "))
	}
	return nil
}

func (c *Contexts) save() error {
	b, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	return write(c.file(), b)
}

// write replaces a file that only its owner can read.
func write(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*") // its mode is 600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when it was renamed
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return disk.Replace(f.Name(), name)
}

// Resolve finds the server: the named context's, that of the address, the current
// context's or the default. The credential of a context goes to no other server than its own.
func (c *Contexts) Resolve(name, address, token string) (Server, error) {
	s := Server{URL: address, Secret: token}
	if name == "" {
		name = c.Current
	} else if err := c.known(name); err != nil {
		return s, err
	}
	if named, ok := c.Contexts[name]; ok && (address == "" || sameServer(address, named.Server)) {
		s.URL = named.Server
		if token == "" {
			var err error
			if s.Secret, err = c.secret(name); err != nil {
				return s, err
			}
		}
	}
	if s.URL == "" {
		s.URL = DefaultURL
	}
	return s, checkURL(s.URL)
}

func sameServer(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }

func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is no address of a server, like %s", address, DefaultURL)
	}
	return nil
}

// secret reads the credential of a context. A file that others can read is refused.
func (c *Contexts) secret(name string) (string, error) {
	file := c.tokenFile(name)
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others; chmod 600 it, or log in again", file)
	}
	b, err := os.ReadFile(file)
	return strings.TrimSpace(string(b)), err
}

// NameOf is the name of the context of a server, or one made of its host.
func (c *Contexts) NameOf(address string) string {
	for _, name := range c.Names() {
		if sameServer(c.Contexts[name].Server, address) {
			return name
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return "default"
	}
	return strings.NewReplacer(":", "-", "[", "", "]", "").Replace(u.Host)
}

// IsSession reports whether the credential is a session that can be ended.
func (s Server) IsSession() bool { return strings.HasPrefix(s.Secret, cookiePrefix) }
