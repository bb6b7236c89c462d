package resource

import "context"

// Actor is who asks, and from where. Every event records it.
type Actor struct {
	Principal string // "anonymous" when nobody said
	RequestID string
	Address   string
	UserAgent string
	// Cause names what made it ask: "<type>/<id>" of the job whose handler it is.
	Cause string
	// Identity is what the policy judges by; nil: it is the program itself,
	// which no policy limits.
	Identity *Identity
	groups   []string // of the principal that the program acts for
}

type actorKey struct{}

// WithActor returns a context in which every operation is the actor's.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns the actor of the context.
func ActorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	if a.Principal == "" {
		a.Principal = "anonymous"
	}
	return a
}
