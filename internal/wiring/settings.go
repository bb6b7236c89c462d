// Package wiring puts the parts together, once, for every way of running them.
package wiring

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
	"github.com/autocrud-go/autocrud/services/api/people"
	"github.com/autocrud-go/autocrud/services/worker"
	"github.com/autocrud-go/autocrud/services/worker/webhook"
)

// Settings are the choices, and what a command adds to them.
type Settings struct {
	Choices

	maintenance bool   // the stores are this process's alone
	firstSeq    uint64 // of a log that is made
	rebuilding  bool   // the log is lost and to be made again
	existing    bool   // stores without a log are refused, and nothing is made
	issuers     issuers
}

// service is the name of what this process is.
func (s *Settings) service() string {
	if s.Service == "" {
		return "up"
	}
	return s.Service
}

// usesDataDir reports whether something is kept in the data folder.
func (s *Settings) usesDataDir() bool { return s.Storage != "postgres" || s.NatsURL == "" }

// provisions reports whether streams are made when they are missing. Services that
// run beside others find them made.
func (s *Settings) provisions() bool {
	return s.Service != "api" && s.Service != "indexer" && s.Service != "worker"
}

// logBytes is the size of the log.
func (s *Settings) logBytes() int64 {
	switch {
	case s.LogMaxGiB > 0:
		return int64(s.LogMaxGiB) << 30
	case s.NatsURL != "":
		return 16 << 30 // a server makes room for it at once
	}
	return 256 << 30
}

// schema of the index in Postgres, one for each namespace.
func (s *Settings) schema() string {
	if s.Namespace == "main" {
		return "autocrud"
	}
	return "autocrud_" + strings.ReplaceAll(s.Namespace, "-", "_")
}

// App holds the additions of an application to the stock program.
type App struct {
	Version  string
	Types    []*model.Type // besides those of the models folder
	Hooks    *resource.Hooks
	Handlers map[string]worker.Handler
	Actions  []*resource.Action
	// Migrations are the functions that migrations of model files name.
	Migrations map[string]model.MigrationFunc
	// Mail sends invitations and resets of passwords; nil: MailExec does.
	Mail func(ctx context.Context, m people.Mail) error
}

// SettingError is a setting that cannot be; nothing was started.
type SettingError struct{ Reason string }

// Error implements error.
func (e *SettingError) Error() string { return e.Reason }

func wrong(format string, args ...any) error { return &SettingError{fmt.Sprintf(format, args...)} }

var namespacePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// sync is the parsed Sync: zero for always.
func (s *Settings) sync() (time.Duration, error) {
	if s.Sync == "always" {
		return 0, nil
	}
	d, err := time.ParseDuration(s.Sync)
	if err != nil || d < time.Millisecond || d > time.Hour {
		return 0, wrong("--sync is always or a duration from 1ms to 1h, not %q", s.Sync)
	}
	return d, nil
}

// check refuses settings before anything is started.
func (s *Settings) check() error {
	if _, err := s.sync(); err != nil {
		return err
	}
	if !namespacePattern.MatchString(s.Namespace) {
		return wrong("--namespace is a letter and up to 31 letters, digits and '-', all lower case, not %q", s.Namespace)
	}
	switch s.Service {
	case "", "up", "api", "indexer", "worker", "provision":
	default:
		return wrong("a service is up, api, indexer or worker, not %q", s.Service)
	}
	if err := s.checkStorage(); err != nil {
		return err
	}
	if err := s.checkAuth(); err != nil {
		return err
	}
	loopback, err := isLoopback(s.Addr)
	if err != nil {
		return wrong("--addr is HOST:PORT, not %q: %v", s.Addr, err)
	}
	if !loopback && s.Auth == "" && s.Service != "indexer" && s.Service != "worker" { // those show their health only
		return wrong("--addr %s can be reached from outside and no authentication is configured: bind to 127.0.0.1, or say --auth off if that is meant", s.Addr)
	}
	if err := s.checkExposure(); err != nil {
		return err
	}
	if err := s.checkPeople(); err != nil {
		return err
	}
	if err := s.checkListen(); err != nil {
		return err
	}
	if _, err := s.webhookNets(); err != nil {
		return err
	}
	if s.EventsMaxAge < time.Second || s.EventsMaxBytes < 1<<20 {
		return wrong("--events-max-age is at least 1s and --events-max-bytes at least 1048576")
	}
	if s.AuditMaxAge < time.Hour || s.AuditMaxBytes < 1<<20 {
		return wrong("--audit-max-age is at least 1h and --audit-max-bytes at least 1048576")
	}
	if s.DrainDelay < 0 || s.DrainDelay > maxDrainDelay {
		return wrong("--drain-delay is from 0s to %s", maxDrainDelay)
	}
	if s.WorkerSlots < 1 || s.WorkerSlots > 10000 {
		return wrong("--worker-concurrency is from 1 to 10000")
	}
	return nil
}

// checkStorage looks for what a storage row needs.
func (s *Settings) checkStorage() error {
	switch s.Storage {
	case "memory", "disk", "s3", "postgres":
	default:
		return wrong("--storage is memory, disk, s3 or postgres, not %q", s.Storage)
	}
	if s.Storage == "memory" && s.NatsURL != "" {
		return wrong("--storage memory keeps its log in this process; leave out --nats-url")
	}
	if !s.provisions() || s.Service == "provision" {
		if s.NatsURL == "" || s.Storage != "postgres" {
			return wrong("%s runs beside other services: it needs --nats-url and --storage postgres; `autocrud up` needs neither", s.Service)
		}
	}
	need := func(name, value string) error {
		if value == "" {
			return wrong("--storage %s needs --%s", s.Storage, name)
		}
		return nil
	}
	var missing []error
	if s.Storage == "postgres" {
		missing = append(missing, need("postgres-url", s.PostgresURL))
	}
	if s.Storage == "s3" || s.Storage == "postgres" {
		missing = append(missing, need("s3-endpoint", s.S3Endpoint), need("s3-bucket", s.S3Bucket),
			need("s3-access-key", s.S3AccessKey), need("s3-secret-key", s.S3SecretKey))
	}
	for _, err := range missing {
		if err != nil {
			return err
		}
	}
	if s.PostgresConns < 2 || s.PostgresConns > 1000 {
		return wrong("--postgres-conns is from 2 to 1000")
	}
	if s.LogMaxGiB < 0 || s.LogMaxGiB > 1<<20 {
		return wrong("--log-max-gib is from 1 to 1048576")
	}
	if s.NatsReplicas < 0 || s.NatsReplicas > 5 {
		return wrong("--nats-replicas is from 1 to 5")
	}
	return nil
}

func isLoopback(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false, err
	}
	if host == "localhost" {
		return true, nil
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback(), nil
}

// LoadTypes reads the models folder and adds the application's types.
func LoadTypes(dir string, app App) ([]*model.Type, error) {
	types, err := ReadTypes(dir, app)
	if err != nil {
		return nil, err
	}
	return types, model.BindMigrations(types, app.Migrations)
}

// ReadTypes is LoadTypes where the functions that migrations name need not be here.
func ReadTypes(dir string, app App) ([]*model.Type, error) {
	types := slices.Clone(app.Types)
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Name
	}
	switch info, err := os.Stat(dir); {
	case err == nil && !info.IsDir():
		return nil, wrong("--models %s is not a folder", dir)
	case err == nil:
		fromFiles, err := model.LoadTypes(dir, names...)
		if err != nil {
			return nil, err
		}
		types = append(types, fromFiles...)
	case len(types) == 0 || !errors.Is(err, os.ErrNotExist):
		return nil, wrong("--models %s cannot be read: make the folder and put one YAML or JSON file for each type into it", dir)
	}
	if err := model.CheckTypes(types); err != nil {
		return nil, err
	}
	if len(types) == 0 {
		return nil, wrong("--models %s holds no model: put one YAML or JSON file for each type into it", dir)
	}
	return types, nil
}

// ServedTypes are those of LoadTypes and the program's own, by name. Webhooks may
// lead to public addresses and into the given nets.
func ServedTypes(dir string, app App, nets ...netip.Prefix) ([]*model.Type, error) {
	types, err := LoadTypes(dir, app)
	if err != nil {
		return nil, err
	}
	return withBuiltins(types, nets...)
}

// withBuiltins adds the program's own types, by name.
func withBuiltins(types []*model.Type, nets ...netip.Prefix) ([]*model.Type, error) {
	types = slices.Clone(types)
	webhooks := func() (*model.Type, error) { return notify.WebhookType(webhook.NewSender(nets, "").CheckURL) }
	for _, builtin := range []func() (*model.Type, error){upkeep.BulkType, jobs.QueueType, jobs.ScheduleType, policy.APIKeyType, policy.RoleType, policy.BindingType, policy.UserType, webhooks} {
		t, err := builtin()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(types, func(own *model.Type) bool { return own.Name == t.Name }) {
			continue // an application's own type wins where the name was not always one of the program's
		}
		types = append(types, t)
	}
	slices.SortFunc(types, func(a, b *model.Type) int { return strings.Compare(a.Name, b.Name) })
	return types, nil
}

// secret reads the key of page tokens, making it the first time. Services
// without a data folder make it of the key that they share.
func (s *Settings) secret(claimKey []byte) ([]byte, error) {
	name := s.SecretKeyFile
	if name == "" {
		if s.Storage == "memory" {
			return nil, nil
		}
		if s.NatsURL != "" {
			return hkdf.Key(sha256.New, claimKey, nil, "autocrud page tokens", 32)
		}
		name = filepath.Join(s.DataDir, "secret.key")
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		b = make([]byte, 32)
		_, _ = rand.Read(b) // never fails
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return nil, wrong("--secret-key-file cannot be written: %v", err)
		}
		return b, nil
	}
	if err != nil {
		return nil, wrong("--secret-key-file cannot be read: %v", err)
	}
	if len(b) < 32 {
		return nil, wrong("--secret-key-file %s holds %d bytes; at least 32 are needed", name, len(b))
	}
	return b, nil
}

// WithDefaults fills in what the command line would.
func (s Settings) WithDefaults() Settings {
	for _, x := range []struct {
		to  *string
		def string
	}{{&s.Addr, "127.0.0.1:8080"}, {&s.Models, "models"}, {&s.DataDir, "data"}, {&s.Storage, "disk"}, {&s.Sync, "always"},
		{&s.S3Region, "us-east-1"}, {&s.Namespace, "main"}, {&s.LogLevel, "info"}, {&s.LogFormat, "text"}, {&s.OIDCSubjectClaim, "sub"}, {&s.OIDCGroupsClaim, "groups"}} {
		if *x.to == "" {
			*x.to = x.def
		}
	}
	if s.OIDCLeeway == 0 {
		s.OIDCLeeway = time.Minute
	}
	s.Choices = s.withExposureDefaults()
	if s.WebhookPauseAfter == 0 {
		s.WebhookPauseAfter = 24 * time.Hour
	}
	if s.EventsMaxAge == 0 {
		s.EventsMaxAge = 7 * 24 * time.Hour
	}
	if s.AuditMaxAge == 0 {
		s.AuditMaxAge = 365 * 24 * time.Hour
	}
	if s.AuditMaxBytes == 0 {
		s.AuditMaxBytes = 1 << 30
	}
	if s.EventsMaxBytes == 0 {
		s.EventsMaxBytes = 10 << 30
	}
	if s.WorkerSlots == 0 {
		s.WorkerSlots = 16
	}
	if s.PostgresConns == 0 {
		s.PostgresConns = 10
	}
	return s
}

// webhookNets are where webhooks may lead to.
func (s *Settings) webhookNets() (nets []netip.Prefix, err error) {
	for _, text := range s.AllowWebhookNet {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, wrong("--allow-webhook-net is a net like 10.0.0.0/8, not %q", text)
		}
		nets = append(nets, p)
	}
	if s.WebhookPauseAfter < 0 {
		return nil, wrong("--webhook-pause-after must not be negative")
	}
	return nets, nil
}

// minHookPassword is short for a password that is guessed at over the network, and
// long enough for one that was drawn.
const minHookPassword = 16

func (s *Settings) checkListen() error {
	if s.NatsListen == "" {
		if s.NatsHookPassword != "" {
			return wrong("--nats-hook-password is for the subscribers that --nats-listen lets in: give both, or neither")
		}
		return nil
	}
	if n := len(s.NatsHookPassword); n > 0 && n < minHookPassword {
		return wrong("--nats-hook-password has %d characters; at least %d are needed", n, minHookPassword)
	}
	if s.NatsURL != "" {
		return wrong("--nats-listen is for the embedded NATS server; leave it out with --nats-url")
	}
	loopback, err := isLoopback(s.NatsListen)
	if err != nil {
		return wrong("--nats-listen is HOST:PORT, not %q: %v", s.NatsListen, err)
	}
	if !loopback && s.NatsHookPassword == "" {
		return wrong("--nats-listen %s can be reached from outside: give --nats-hook-password, or bind to 127.0.0.1", s.NatsListen)
	}
	return nil
}
