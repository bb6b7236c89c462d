package wiring

import "time"

// Choices are what the person who runs the program chooses. The command line reads
// the tags. autocrud.Settings has the same fields, with a comment on each; the
// compiler refuses to convert one into the other when they differ.
type Choices struct {
	Addr              string        `default:"127.0.0.1:8080" help:"Address to listen on."`
	Models            string        `default:"models" help:"Folder with one YAML or JSON file for each type."`
	DataDir           string        `default:"data" help:"Folder for everything that is stored."`
	Storage           string        `default:"disk" enum:"memory,disk,s3,postgres" help:"Where data is kept: memory, disk, s3 or postgres."`
	NatsURL           string        `name:"nats-url" secret:"url" help:"NATS server with JetStream; without it one is embedded."`
	Sync              string        `default:"always" help:"When writes reach the disk: always (before they are answered) or a duration like 100ms (a loss of power loses at most as much)."`
	Namespace         string        `default:"main" help:"Name of the log; several can share one NATS server."`
	Auth              string        `help:"off or required. Off needs to be said when listening beyond loopback."`
	AdminKey          string        `secret:"value" help:"With --auth required: a key with every right, at least 32 characters. Without it one is made at the first start and printed once."`
	Policies          string        `help:"With --auth required: file with roles and bindings, YAML or JSON."`
	SecretKeyFile     string        `help:"File with the key that signs page tokens; made at first start. Default: secret.key in the data folder."`
	AllowMissing      bool          `name:"allow-missing-types" help:"Start although a type that has data has no model."`
	AllowUnfit        bool          `name:"allow-unfit" help:"Start although live resources do not fit their changed model. They are marked (meta.unfit), and every write has to make them fit."`
	AcceptDamage      bool          `name:"accept-damage" help:"Start with the rest of a damaged or shortened log. Content and binaries of lost events are removed too: copy the data first."`
	LogLevel          string        `default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	NatsListen        string        `name:"nats-listen" help:"Address on which the embedded NATS server lets subscribers read events, for example 127.0.0.1:4222; without it only the program reaches the server."`
	NatsHookPassword  string        `name:"nats-hook-password" secret:"value" help:"Password of the NATS user hook; without it every client that connects may read events, on loopback only."`
	AllowWebhookNet   []string      `name:"allow-webhook-net" help:"Nets that webhooks may lead to besides public addresses, for example 10.0.0.0/8; can be repeated."`
	WebhookPauseAfter time.Duration `name:"webhook-pause-after" default:"24h" help:"A webhook that does nothing but fail is paused after this."`
	EventsMaxAge      time.Duration `name:"events-max-age" default:"168h" help:"How long events are kept for subscribers outside."`
	EventsMaxBytes    int64         `name:"events-max-bytes" default:"10737418240" help:"How many bytes of events are kept for subscribers outside; the oldest go first."`
	AuditMaxAge       time.Duration `name:"audit-max-age" default:"8760h" help:"How long refusals and audited reads are kept; writes are kept as long as their resources."`
	AuditMaxBytes     int64         `name:"audit-max-bytes" default:"1073741824" help:"How many bytes of refusals and audited reads are kept; the oldest go first."`
	LogFormat         string        `default:"text" enum:"text,json" help:"text or json."`
	WorkerSlots       int           `name:"worker-concurrency" default:"16" help:"How many jobs run at once."`
	DrainDelay        time.Duration `name:"drain-delay" help:"How long, after SIGTERM, requests are still taken while /readyz says no more: as long as a load balancer needs to notice. At most 6s."`

	OIDCIssuer       string        `name:"oidc-issuer" group:"oidc" help:"URL of the OpenID Connect issuer whose tokens are taken."`
	OIDCAudience     string        `name:"oidc-audience" group:"oidc" help:"Audience that the tokens must be for."`
	OIDCSubjectClaim string        `name:"oidc-subject-claim" default:"sub" group:"oidc" help:"Claim with who it is; the principal is user:<claim>."`
	OIDCGroupsClaim  string        `name:"oidc-groups-claim" default:"groups" group:"oidc" help:"Claim with the groups."`
	OIDCLeeway       time.Duration `name:"oidc-leeway" default:"1m" group:"oidc" help:"How far clocks may differ."`

	OIDCClientID         string `name:"oidc-client-id" group:"oidc" help:"Client of the issuer as which people sign in with a browser. Its redirect URI is the public URL and /auth/oidc/default/callback."`
	OIDCClientSecretFile string `name:"oidc-client-secret-file" group:"oidc" help:"File with the secret of the client. Default: it has none, and PKCE alone protects the sign-in."`
	OIDCIssuers          string `name:"oidc-issuers" group:"oidc" help:"File with further issuers by name, YAML or JSON: issuer, title, audience, client_id, client_secret_file, subject_claim, groups_claim."`

	NatsUser           string `group:"nats" help:"User of the NATS server, when it is not in the URL."`
	NatsPassword       string `secret:"value" group:"nats" help:"Password of the NATS user."`
	NatsCreds          string `group:"nats" help:"Credentials file of the NATS user."`
	NatsCA             string `name:"nats-ca" group:"nats" help:"File with the certificates that sign the NATS server's."`
	NatsInbox          string `name:"nats-inbox" group:"nats" help:"Prefix of the subjects that answers come on, for a user that may not read the answers of others."`
	NatsEventsUser     string `name:"nats-events-user" group:"nats" help:"User of the account that holds the stream of events, when it is not that of the log: a user that may make consumers can reach every subject of its account."`
	NatsEventsPassword string `name:"nats-events-password" secret:"value" group:"nats" help:"Password of that user. Default: that of --nats-user."`
	NatsEventsCreds    string `name:"nats-events-creds" group:"nats" help:"Credentials file of that user."`
	NatsReplicas       int    `group:"nats" help:"Replicas of the streams. Default: 3 in a cluster, else 1."`
	LogMaxGiB          int    `name:"log-max-gib" group:"nats" help:"Size of the log in GiB, beyond which writes are refused. Default: 256 embedded, 16 on a server elsewhere."`

	PostgresURL   string `name:"postgres-url" secret:"url" group:"postgres" help:"postgres://user:password@host:5432/database of the index."`
	PostgresConns int    `name:"postgres-conns" default:"10" group:"postgres" help:"Most connections to Postgres."`

	S3Endpoint  string `name:"s3-endpoint" group:"s3" help:"HOST:PORT of the S3 server."`
	S3Bucket    string `name:"s3-bucket" group:"s3" help:"Bucket for revisions and binaries; made when it is missing."`
	S3AccessKey string `name:"s3-access-key" group:"s3" help:"Access key."`
	S3SecretKey string `name:"s3-secret-key" secret:"value" group:"s3" help:"Secret key."`
	S3Region    string `name:"s3-region" default:"us-east-1" group:"s3" help:"Region."`
	S3UseTLS    *bool  `name:"s3-use-tls" default:"true" group:"s3" help:"Use TLS (true or false)."`

	Archive *bool `default:"true" group:"s3" help:"Keep a second copy of the log in the bucket, from which rebuild-log makes a lost one again (true or false)."`

	// What stands between a network and the API: encryption, whose pages and proxies
	// are trusted, and how much one client may ask for.
	TLSCert string `name:"tls-cert" group:"exposure" help:"File with the certificate chain in PEM; with --tls-key the service speaks HTTPS. Both are read again when they change."`
	TLSKey  string `name:"tls-key" group:"exposure" help:"File with the private key of the certificate."`

	PublicURL      string   `name:"public-url" group:"exposure" help:"Where people reach the service, like https://app.example.com, when a proxy is before it: links, redirects and cookies go by it. Default: the address listened on."`
	MailExec       string   `name:"mail-exec" group:"exposure" help:"Command that sends invitations and resets of passwords to people: it gets kind, email, name, url and expires_at as JSON on its standard input. Default: nothing sends them."`
	CORSOrigins    []string `name:"cors-origin" group:"exposure" help:"Origin whose pages may use the API, like https://app.example.com; can be repeated. * is every page, without credentials, and needs authentication. Default: none."`
	TrustedProxies []string `name:"trusted-proxies" group:"exposure" help:"Nets of proxies whose X-Forwarded-For is believed, like 10.0.0.0/8; can be repeated. Default: none."`
	PublicDocs     *bool    `name:"public-docs" group:"exposure" help:"Show /docs, /openapi.json and /asyncapi.json without a credential (true or false). Default: true on loopback or without authentication."`
	PublicMetrics  *bool    `name:"public-metrics" group:"exposure" help:"Show /metrics without a credential (true or false). Default: true without authentication."`

	RateLimitAddress   float64 `name:"rate-limit-address" group:"exposure" help:"Requests a second that an address may send to this process, and as many at once; 0: any number."`
	RateLimitPrincipal float64 `name:"rate-limit-principal" group:"exposure" help:"Requests a second that a principal may send to this process, and as many at once; 0: any number."`

	RateLimitPublic float64 `name:"rate-limit-public" group:"exposure" help:"Requests a second without a credential that an address may send to this process, and as many at once, where a binding is for public; 0: any number."`

	MaxConnections           int           `name:"max-connections" default:"20000" group:"exposure" help:"Connections at the same time; further ones are closed at once. 0: any number."`
	MaxConnectionsPerAddress int           `name:"max-connections-per-address" group:"exposure" help:"Connections of one address at the same time, trusted proxies left out. 0: any number."`
	HeaderTimeout            time.Duration `name:"header-timeout" default:"10s" group:"exposure" help:"How long the head of a request may take to arrive."`
	BodyTimeout              time.Duration `name:"body-timeout" default:"2m" group:"exposure" help:"How long a request may take to arrive whole; uploads of binaries and backups have 30 minutes."`
	StallTimeout             time.Duration `name:"stall-timeout" default:"10s" group:"exposure" help:"How long a client may send nothing of a body, or take nothing of an answer, before its connection is closed."`
	MaxRequestsPerAddress    int           `name:"max-requests-per-address" default:"512" group:"exposure" help:"Requests of one address under way at the same time, of 2048 in all. -1: any number."`
	MaxRequestsPerPrincipal  int           `name:"max-requests-per-principal" default:"512" group:"exposure" help:"Requests of one principal under way at the same time. -1: any number."`
	MaxWatchesPerAddress     int           `name:"max-watches-per-address" default:"5000" group:"exposure" help:"Watches and followed logs of one address at the same time, of 10000 in all. -1: any number."`
	MaxWatchesPerPrincipal   int           `name:"max-watches-per-principal" default:"5000" group:"exposure" help:"Watches and followed logs of one principal at the same time. -1: any number."`
	UploadQuota              int64         `name:"upload-quota" default:"1099511627776" group:"exposure" help:"Most bytes of binaries that are uploaded to this process in a day. -1: any number."`
	UploadQuotaPrincipal     int64         `name:"upload-quota-principal" default:"107374182400" group:"exposure" help:"Most bytes of binaries that a principal uploads to this process in a day, where there are principals. -1: any number."`
	MaxHeaderBytes           int           `name:"max-header-bytes" default:"524288" group:"exposure" help:"Most bytes of the head of a request."`

	// Service is what this process is: up (or nothing), which is everything,
	// api, indexer or worker. The command says it.
	Service string `flag:"-"`
}
