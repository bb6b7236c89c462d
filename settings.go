package autocrud

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/autocrud-go/autocrud/internal/wiring"
)

// Settings of a running program. They are the flags of `autocrud up`, which
// `autocrud up --help` shows; a field that is zero has the default that its comment
// names. Secrets are left out when settings are printed, logged or encoded.
type Settings struct {
	// Addr is the HOST:PORT on which the API listens. Default: 127.0.0.1:8080. Beyond
	// loopback, Auth has to be said.
	Addr string
	// Models is the folder with one YAML or JSON file for each type. Default: models.
	Models string
	// DataDir is the folder for everything that is stored. Default: data.
	DataDir string
	// Storage is the row of backends: memory, disk, s3 or postgres. Default: disk.
	Storage string
	// NatsURL is the address of a NATS server with JetStream. Default: none, and a
	// server is embedded.
	NatsURL string
	// Sync is when writes reach the disk: always, before they are answered, or a
	// duration from 1ms to 1h, of which a loss of power loses at most as much.
	// Default: always.
	Sync string
	// Namespace is the name of the log; several namespaces can share a NATS server, a
	// database and a bucket. Default: main.
	Namespace string
	// Auth is off or required. Default: off, on loopback only.
	Auth string
	// AdminKey is, with Auth required, an API key with every right, of at least 32
	// characters. Default: one is made at the first start and printed once.
	AdminKey string
	// Policies is, with Auth required, a YAML or JSON file with roles and bindings.
	// Default: none.
	Policies string
	// SecretKeyFile is the file with the key that signs page tokens, made at the
	// first start. Default: secret.key in DataDir.
	SecretKeyFile string
	// AllowMissing starts the program although a type that has data has no model.
	// Default: false, and the start is refused.
	AllowMissing bool
	// AllowUnfit starts the program although live resources do not fit their changed
	// model; they stay as they are. Default: false, and the start is refused.
	AllowUnfit bool
	// AcceptDamage starts the program with what is left of a damaged or shortened log.
	// What refers to lost events is lost too: copy the data first. Default: false,
	// and the start is refused.
	AcceptDamage bool
	// LogLevel is debug, info, warn or error. Default: info.
	LogLevel string
	// NatsListen is the HOST:PORT on which the embedded NATS server lets subscribers
	// read events. Default: none, and no subscriber reaches it.
	NatsListen string
	// NatsHookPassword is the password of the NATS user hook, of at least 16
	// characters. Default: none, and events are read without one, on loopback only.
	NatsHookPassword string
	// AllowWebhookNet are nets, like 10.0.0.0/8, into which webhooks may lead besides
	// public addresses. Default: none.
	AllowWebhookNet []string
	// WebhookPauseAfter is how long a webhook may do nothing but fail until it is
	// paused. Default: 24h.
	WebhookPauseAfter time.Duration
	// EventsMaxAge is how long events are kept for subscribers outside, at least 1s.
	// Default: 168h.
	EventsMaxAge time.Duration
	// EventsMaxBytes is how many bytes of events are kept for subscribers outside, at
	// least 1 MiB; the oldest go first. Default: 10 GiB.
	EventsMaxBytes int64
	// AuditMaxAge is how long refusals and audited reads are kept, at least 1h; writes
	// are kept as long as their resources. Default: 8760h.
	AuditMaxAge time.Duration
	// AuditMaxBytes is how many bytes of refusals and audited reads are kept, at least
	// 1 MiB; the oldest go first. Default: 1 GiB.
	AuditMaxBytes int64
	// LogFormat is text or json. Default: text.
	LogFormat string
	// WorkerSlots is how many jobs run at once, from 1 to 10000. Default: 16.
	WorkerSlots int
	// DrainDelay is how long, after SIGTERM, requests are still taken while /readyz
	// says no: as long as a load balancer needs to notice, at most 6s. Default: 0.
	DrainDelay time.Duration

	// OIDCIssuer is the URL of the OpenID Connect issuer whose tokens are taken.
	// Default: none.
	OIDCIssuer string
	// OIDCAudience is the audience that the tokens must be for. Default: none; it is
	// needed with OIDCIssuer.
	OIDCAudience string
	// OIDCSubjectClaim is the claim that names the caller; the principal is
	// user:<claim>. Default: sub.
	OIDCSubjectClaim string
	// OIDCGroupsClaim is the claim with the groups of the caller. Default: groups.
	OIDCGroupsClaim string
	// OIDCLeeway is how far the clocks of the issuer and of this process may differ.
	// Default: 1m.
	OIDCLeeway time.Duration

	// OIDCClientID is the client of the issuer as which people sign in with a browser.
	// Its redirect URI is PublicURL and /auth/oidc/default/callback. Default: none.
	OIDCClientID string
	// OIDCClientSecretFile is the file with the secret of the client. Default: it has
	// none, and PKCE alone protects the sign-in.
	OIDCClientSecretFile string
	// OIDCIssuers is a file with further issuers by name. Default: none.
	OIDCIssuers string

	// NatsUser is the user of the NATS server, when it is not in NatsURL. Default: none.
	NatsUser string
	// NatsPassword is the password of NatsUser. Default: none.
	NatsPassword string
	// NatsCreds is the credentials file of the NATS user. Default: none.
	NatsCreds string
	// NatsCA is a file with the certificates that sign the NATS server's. Default:
	// those of the system.
	NatsCA string
	// NatsInbox is the prefix of the subjects on which answers come, for a user that
	// may not read all inboxes. Default: _INBOX.
	NatsInbox string
	// NatsEventsUser is the user of the account that holds the stream of events, when
	// that is not the account of the log. Default: NatsUser, in the log's account.
	NatsEventsUser string
	// NatsEventsPassword is the password of NatsEventsUser. Default: NatsPassword.
	NatsEventsPassword string
	// NatsEventsCreds is the credentials file of the user for events. Default: none.
	NatsEventsCreds string
	// NatsReplicas is how many replicas each stream has, at most 5. Default: 3 in a
	// cluster, else 1.
	NatsReplicas int
	// LogMaxGiB is the size of the log in GiB, beyond which writes are refused.
	// Default: 256 embedded, 16 on a server elsewhere.
	LogMaxGiB int

	// PostgresURL is postgres://user:password@host:5432/database of the index.
	// Default: none; Storage postgres needs it.
	PostgresURL string
	// PostgresConns is how many connections to Postgres there are at most, from 2 to
	// 1000. Default: 10.
	PostgresConns int

	// S3Endpoint is the HOST:PORT of the S3 server. Default: none; Storage s3 and
	// postgres need it, and the next three fields.
	S3Endpoint string
	// S3Bucket is the bucket for revisions and binaries, made when it is missing.
	// Default: none.
	S3Bucket string
	// S3AccessKey is the access key of the S3 server. Default: none.
	S3AccessKey string
	// S3SecretKey is the secret key of the S3 server. Default: none.
	S3SecretKey string
	// S3Region is the region of the bucket. Default: us-east-1.
	S3Region string
	// S3UseTLS tells whether the S3 server is reached by TLS. Default (nil): true.
	S3UseTLS *bool

	// Archive tells whether a second copy of the log is kept in the bucket, from which
	// `autocrud rebuild-log` makes a lost log again. Default (nil): true.
	Archive *bool

	// TLSCert is a file with the certificate chain in PEM; with TLSKey the service
	// speaks HTTPS. Both files are read again when they change. Default: none.
	TLSCert string
	// TLSKey is the file with the private key of TLSCert. Default: none.
	TLSKey string

	// PublicURL is where people reach the service, like https://app.example.com, when a
	// proxy is before it: links, redirects and cookies go by it. Default: the address that
	// is listened on.
	PublicURL string
	// MailExec is a command that sends invitations and resets of passwords to people: it
	// gets kind, email, name, url and expires_at as JSON on its standard input. Default:
	// nothing sends them.
	MailExec string
	// CORSOrigins are origins, like https://app.example.com, whose pages may use the
	// API; * is every page, without credentials, and needs Auth. Default: none.
	CORSOrigins []string
	// TrustedProxies are nets, like 10.0.0.0/8, of proxies whose X-Forwarded-For is
	// believed. Default: none.
	TrustedProxies []string
	// PublicDocs tells whether /docs, /openapi.json and /asyncapi.json are shown
	// without authentication. Default (nil): on loopback, or with Auth off.
	PublicDocs *bool
	// PublicMetrics tells whether /metrics is shown without authentication. Default
	// (nil): with Auth off.
	PublicMetrics *bool

	// RateLimitAddress is how many requests a second an address may send to this
	// process, and as many at once. Default: 0, any number.
	RateLimitAddress float64
	// RateLimitPrincipal is how many requests a second a principal may send to this
	// process, and as many at once. Default: 0, any number.
	RateLimitPrincipal float64

	// RateLimitPublic is how many requests a second without a credential an address may
	// send to this process, and as many at once, where a binding is for public.
	// Default: 0, any number.
	RateLimitPublic float64
	// MaxConnections is how many connections there may be at a time; further ones are
	// closed at once. Default: 20000.
	MaxConnections int
	// MaxConnectionsPerAddress is how many connections one address may have at a time,
	// trusted proxies left out. Default: 0, any number.
	MaxConnectionsPerAddress int
	// HeaderTimeout is how long the head of a request may take to arrive, at least
	// 1ms. Default: 10s.
	HeaderTimeout time.Duration
	// BodyTimeout is how long a request may take to arrive whole, at most 1h; uploads
	// of binaries and backups have 30 minutes. Default: 2m.
	BodyTimeout time.Duration
	// StallTimeout is how long a client may send nothing of a body, or take nothing of
	// an answer, before its connection is closed; from 1ms to 1h. Default: 10s.
	StallTimeout time.Duration
	// MaxRequestsPerAddress is how many requests of one address may be under way at a
	// time, of 2048 in all; -1: any number. Default: 512.
	MaxRequestsPerAddress int
	// MaxRequestsPerPrincipal is how many requests of one principal may be under way at
	// a time; -1: any number. Default: 512.
	MaxRequestsPerPrincipal int
	// MaxWatchesPerAddress is how many watches and followed logs one address may have
	// at a time, of 10000 in all; -1: any number. Default: 5000.
	MaxWatchesPerAddress int
	// MaxWatchesPerPrincipal is how many watches and followed logs one principal may
	// have at a time; -1: any number. Default: 5000.
	MaxWatchesPerPrincipal int
	// UploadQuota is how many bytes of binaries may be uploaded to this process in a
	// day; -1: any number. Default: 1 TiB.
	UploadQuota int64
	// UploadQuotaPrincipal is how many bytes of binaries a principal may upload to this
	// process in a day, with Auth required; -1: any number. Default: 100 GiB.
	UploadQuotaPrincipal int64
	// MaxHeaderBytes is how many bytes the head of a request may have, from 4 KiB to
	// 16 MiB. Default: 512 KiB.
	MaxHeaderBytes int

	// Service is what this process is: up, which is everything, or api, indexer or
	// worker. Default: up.
	Service string
}

// wired are the settings as the parts take them. The conversion compiles only while
// both types have the same fields.
func (s Settings) wired() wiring.Settings { return wiring.Settings{Choices: wiring.Choices(s)} }

// WithDefaults fills in the default of each field that is zero and has one.
func (s Settings) WithDefaults() Settings { return Settings(s.wired().WithDefaults().Choices) }

// Logger writes to stderr in the format and from the level of the settings, without
// their secrets.
func (s *Settings) Logger() *slog.Logger {
	w := s.wired()
	return w.Logger()
}

// Format implements fmt.Formatter: settings are printed without their secrets.
func (s Settings) Format(f fmt.State, verb rune) { s.wired().Format(f, verb) }

// LogValue implements slog.LogValuer: settings are logged without their secrets.
func (s Settings) LogValue() slog.Value { return s.wired().LogValue() }

// MarshalJSON implements json.Marshaler: settings are encoded without their secrets.
func (s Settings) MarshalJSON() ([]byte, error) { return json.Marshal(s.wired()) }
