package policy

import "context"

// Actor is the caller and its address. Every event records it.
type Actor struct {
	Principal string // Anonymous without a credential
	RequestID string
	Address   string
	UserAgent string
	// Cause names what made it ask: "<type>/<id>" of the job whose handler it is.
	Cause string
	// Client tells that it is a request, not code of the application.
	Client bool
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

// AsCode is a context whose operations are those of the application's code, with
// the rights of the same actor: it may set what is readOnly.
func AsCode(ctx context.Context) context.Context {
	a := ActorOf(ctx)
	if !a.Client {
		return ctx
	}
	a.Client = false
	return WithActor(ctx, a)
}

// AsClient is the other way: what a client wrote down is done for it later.
func AsClient(ctx context.Context) context.Context {
	a := ActorOf(ctx)
	a.Client = true
	return WithActor(ctx, a)
}

// ActorOf returns the actor of the context.
func ActorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	if a.Principal == "" {
		a.Principal = Anonymous
	}
	return a
}
