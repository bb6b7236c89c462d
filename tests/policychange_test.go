package tests_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// effects are the ways in which a caller notices what it may do: an API process
// that did not take the change, an open watch of it, and a job that runs for it.
type effects struct {
	one, two *apitest.Client // the admin at the first API, ann at the second
	watching atomic.Bool     // the open watch goes on
	listing  atomic.Bool     // the running handler may list
}

// begin opens the watch and starts the job, while ann may.
func (e *effects) begin(t *testing.T) {
	t.Helper()
	e.two.Post(t, "/v1/letters", letter{"ann"}).Want(t, 201)
	apitest.Eventually(t, 30*time.Second, "the job lists films", e.listing.Load)
	e.open(t)
}

func (e *effects) open(t *testing.T) {
	t.Helper()
	w := e.two.MustWatch(t, "/v1/films:watch")
	e.watching.Store(true)
	go func() {
		for {
			if _, err := w.Next(); err != nil {
				e.watching.Store(false)
				return
			}
		}
	}()
}

// after does a change and tells how long it took, from its acknowledgement, until
// it was so everywhere.
func after(t *testing.T, what string, change func(), so ...func() bool) time.Duration {
	t.Helper()
	change()
	begun := time.Now()
	for _, ok := range so {
		apitest.Eventually(t, 30*time.Second, what, ok)
	}
	took := time.Since(begun)
	t.Logf("%s: in force everywhere after %s", what, took.Round(time.Millisecond))
	return took
}

// What changes in the policy is so within a second on two API processes, for an
// open watch and for a handler that runs. On a machine that is busy with something
// else one round of three may take longer than that.
func TestAPolicyChangeIsInForceEverywhereWithinASecond(t *testing.T) {
	e := &effects{}
	app := autocrud.New()
	autocrud.Register[letter](app, "letters", model.WithJob(model.JobSpec{Timeout: 5 * time.Minute, MaxAttempts: 1}))
	autocrud.HandleJob(app, "letters", func(ctx context.Context, j *job.Job[letter]) error {
		for ctx.Err() == nil {
			_, err := j.Manager.List(ctx, "films", resource.ListOptions{})
			e.listing.Store(err == nil)
			time.Sleep(5 * time.Millisecond)
		}
		return ctx.Err()
	})
	s := apitest.Services(t)
	s.Auth, s.AdminKey, s.Models = "required", adminKey, apitest.WriteModels(t, guarded)
	urls := apitest.StartSplit(t, app, s)
	e.one = apitest.NewClient(t, urls[0]).As(adminKey)
	role := e.one.Post(t, "/v1/roles", `{"name":"reader","rules":[{"types":["films"],"actions":["read","list","watch"]},{"types":["letters"],"actions":["create","read"]}]}`).Want(t, 201).Text("/meta/id")
	at := func(status int) func() bool {
		return func() bool { return e.two.Get(t, "/v1/films").Status == status }
	}
	denied := func() bool { return !e.listing.Load() }
	ended := func() bool { return !e.watching.Load() }
	for round := 1; ; round++ {
		late := []string{}
		within := func(what string, change func(), so ...func() bool) {
			if after(t, what, change, so...) > time.Second {
				late = append(late, what)
			}
		}
		var key, binding string
		within("a key is made", func() {
			r := e.one.Post(t, "/v1/api-keys", `{"name":"ann"}`).Want(t, 201)
			key, e.two = r.Text("/meta/id"), apitest.NewClient(t, urls[1]).As(r.Text("/secret"))
		}, at(http.StatusForbidden))
		within("the role is given", func() {
			binding = e.one.Post(t, "/v1/bindings", `{"role":"reader","subjects":["key:ann"]}`).Want(t, 201).Text("/meta/id")
		}, at(http.StatusOK))
		e.begin(t)
		within("the role loses its rule", func() {
			e.one.Put(t, "/v1/roles/"+role, `{"name":"reader","rules":[{"types":["letters"],"actions":["create","read"]}]}`).Want(t, 200)
		}, at(http.StatusForbidden), denied, ended)
		within("the role has it again", func() {
			e.one.Put(t, "/v1/roles/"+role, `{"name":"reader","rules":[{"types":["films"],"actions":["read","list","watch"]},{"types":["letters"],"actions":["create","read"]}]}`).Want(t, 200)
		}, at(http.StatusOK), e.listing.Load)
		e.open(t)
		within("the role is taken away", func() { e.one.Delete(t, "/v1/bindings/"+binding).Want(t, 200) }, at(http.StatusForbidden), denied, ended)
		within("the role is given back", func() { e.one.Post(t, "/v1/bindings/"+binding+":restore", nil).Want(t, 200) }, at(http.StatusOK), e.listing.Load)
		e.open(t)
		within("the key is revoked", func() { e.one.Delete(t, "/v1/api-keys/"+key).Want(t, 200) }, at(http.StatusUnauthorized), denied, ended)
		e.one.Delete(t, "/v1/bindings/"+binding).Want(t, 200)
		for _, x := range e.one.Get(t, "/v1/letters?page_size=100").Want(t, 200).Items() { // its handler would go on
			id := x.(map[string]any)["meta"].(map[string]any)["id"].(string)
			e.one.Post(t, "/v1/letters/"+id+":cancel", nil)
		}
		e.listing.Store(false)
		if len(late) == 0 {
			return
		}
		if round == 3 {
			t.Fatalf("took longer than a second, three times: %v", late)
		}
	}
}

// A job is run for who made it, with what that one may do by then, and no more
// than the role of its type.
func TestAJobMayWhatItsCreatorMayAndItsTypesRole(t *testing.T) {
	app := autocrud.New()
	tried := make(chan map[string]error, 10)
	hold := make(chan struct{})
	for _, x := range []struct{ typ, role string }{{"letters", ""}, {"narrow-letters", "listing"}} {
		autocrud.Register[letter](app, x.typ, model.WithJob(model.JobSpec{MaxAttempts: 1, Role: x.role}))
		autocrud.HandleJob(app, x.typ, func(ctx context.Context, j *job.Job[letter]) error {
			if j.Payload.To == "wait" {
				<-hold
			}
			_, list := j.Manager.List(ctx, "films", resource.ListOptions{})
			_, create := j.Manager.Create(ctx, "films", map[string]any{"title": "of a job", "genre": "open"}, resource.CreateOptions{})
			_, secret := j.Manager.Create(ctx, "films", map[string]any{"title": "of a job", "budget": int64(1)}, resource.CreateOptions{})
			tried <- map[string]error{"list": list, "create": create, "hidden": secret, "admin": j.Manager.Admin(ctx)}
			return nil
		})
	}
	issuer := testenv.NewIssuer(t)
	admin := guardApp(t, app, autocrud.Settings{Storage: "memory", OIDCIssuer: issuer.URL, OIDCAudience: testenv.Audience}, jobPolicy)
	carol := admin.As(issuer.Token(t, map[string]any{"sub": "carol", "groups": []string{"press"}})) // whose groups only her token tells
	ann, _ := key(t, admin, "ann", `,"groups":["press"]`)
	bob, _ := key(t, admin, "bob", "")
	allowed := func(t *testing.T, err error, want bool) {
		t.Helper()
		if code := fault.CodeOf(err); want != (err == nil) || err != nil && code != fault.PermissionDenied {
			t.Errorf("%v", err)
		}
	}
	for _, x := range []struct {
		who                          *apitest.Client
		typ                          string
		list, create, hidden, admins bool
	}{
		{ann, "letters", true, true, false, false},
		{carol, "letters", true, true, false, false},
		{bob, "letters", false, false, false, false},
		{admin, "letters", true, true, true, true},
		{ann, "narrow-letters", true, false, false, false},
		{bob, "narrow-letters", false, false, false, false},
		{admin, "narrow-letters", true, false, false, false},
	} {
		id := x.who.Post(t, "/v1/"+x.typ, letter{"x"}).Want(t, 201).Text("/meta/id")
		ended(t, admin, "/v1/"+x.typ+"/"+id).Equal(t, "/meta/job/state", `"succeeded"`)
		got := <-tried
		t.Logf("%s: %v", x.typ, got)
		allowed(t, got["list"], x.list)
		allowed(t, got["create"], x.create)
		allowed(t, got["hidden"], x.hidden)
		allowed(t, got["admin"], x.admins)
	}
	if n := admin.Get(t, "/v1/films:count?filter="+query(`meta.created_by = "key:ann"`)).Want(t, 200).Int("/count"); n != 1 {
		t.Errorf("%d films that a job made are its creator's", n)
	}
}

const jobPolicy = `
roles:
  letters:
    - {types: [letters, narrow-letters], actions: [run, read]}
  listing:
    - {types: [films], actions: [list, read]}
  open:
    - {types: [films], actions: [create, read, list], fields: {hide: [budget]}}
bindings:
  - {role: letters, subjects: ["key:ann", "key:bob", "user:carol"]}
  - {role: open, subjects: ["group:press"]}
`

// Who lost the right to make jobs of a type has no job of it run any more.
func TestAJobOfWhoMayNotRunItAnyMoreFails(t *testing.T) {
	app := autocrud.New()
	ran := make(chan string, 10)
	autocrud.Register[letter](app, "letters", model.WithJob(model.JobSpec{MaxAttempts: 3}))
	autocrud.HandleJob(app, "letters", func(_ context.Context, j *job.Job[letter]) error {
		ran <- j.Payload.To
		return nil
	})
	admin := guardApp(t, app, autocrud.Settings{Storage: "memory"}, "roles:\n  letters:\n    - {types: [letters], actions: [run, read]}\n")
	binding := admin.Post(t, "/v1/bindings", `{"role":"letters","subjects":["key:ann"]}`).Want(t, 201).Text("/meta/id")
	ann, _ := key(t, admin, "ann", "")
	later := time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)
	id := ann.Post(t, "/v1/letters?run_at="+query(later), letter{"ann"}).Want(t, 201).Text("/meta/id")
	other := admin.Post(t, "/v1/letters?run_at="+query(later), letter{"admin"}).Want(t, 201).Text("/meta/id")
	admin.Delete(t, "/v1/bindings/"+binding).Want(t, 200)
	ended(t, admin, "/v1/letters/"+id).Equal(t, "/meta/job/state", `"failed"`)
	ended(t, admin, "/v1/letters/"+other).Equal(t, "/meta/job/state", `"succeeded"`)
	if who := <-ran; who != "admin" || len(ran) > 0 {
		t.Errorf("the job of %s ran", who)
	}
}
