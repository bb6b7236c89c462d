package autocrud_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

type Movie struct {
	Title string `json:"title" autocrud:"fulltext" jsonschema:"minLength=1"`
	Year  int    `json:"year" autocrud:"index" jsonschema:"minimum=1870"`
}

// inMemory are settings under which an example needs no folder and no free port.
var inMemory = autocrud.Settings{Addr: "127.0.0.1:0", Storage: "memory", LogLevel: "error"}

// started runs an application until its Stop.
func started(app *autocrud.App) *autocrud.Running {
	r, err := app.Start(context.Background(), inMemory)
	if err != nil {
		panic(err)
	}
	return r
}

// post sends JSON and prints the answer.
func post(url, body string) {
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(answer.Status, strings.TrimSpace(string(text)))
}

func ExampleNew() {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies")
	r := started(app) // a program calls app.Main() instead
	defer r.Stop()
	post(r.URL+"/v1/movies?id=alien&returns=data", `{"title":"Alien","year":1979}`)
	// Output: 201 Created {"data":{"title":"Alien","year":1979}}
}

func ExampleRegister() {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies", model.WithTitle("Movie"))
	r := started(app)
	defer r.Stop()
	_, err := resource.For[Movie](r.Manager, "movies").Create(context.Background(), Movie{Title: "Lumière", Year: 1800}, resource.CreateOptions{})
	fmt.Println(err)
	// Output: validation_failed: the data does not fit type movies in one place; /year: must be at least 1870
}

// A type that was registered is read and written as Go values.
func Example_typed() {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies")
	r := started(app)
	defer r.Stop()
	ctx := context.Background()
	movies := resource.For[Movie](r.Manager, "movies")
	for id, m := range map[string]Movie{"alien": {"Alien", 1979}, "aliens": {"Aliens", 1986}, "heat": {"Heat", 1995}} {
		if _, err := movies.Create(ctx, m, resource.CreateOptions{ID: id}); err != nil {
			panic(err)
		}
	}
	patched, err := movies.Patch(ctx, "heat", resource.Patch{Kind: resource.MergePatch, Body: map[string]any{"year": 1996}}, resource.UpdateOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println(patched.Data.Title, patched.Data.Year, patched.Revision.Number)

	o := resource.ListOptions{Filter: "year > 1900", OrderBy: "year desc", Page: resource.PageOptions{Size: 2}, Total: true}
	for more := true; more; more = o.Page.Token != "" {
		page, err := movies.Page(ctx, o)
		if err != nil {
			panic(err)
		}
		for _, m := range page.Items {
			fmt.Println("-", m.Data.Title, "of", page.Total)
		}
		o.Page.Token = page.NextPageToken
	}

	n, err := movies.Count(ctx, resource.ListOptions{Filter: "year < 1990"})
	if err != nil {
		panic(err)
	}
	fmt.Println(n, "before 1990")
	history, err := movies.History(ctx, "heat", resource.PageOptions{})
	if err != nil {
		panic(err)
	}
	for _, h := range history.Items {
		fmt.Println(h.Action, h.Revision)
	}
	// Output:
	// Heat 1996 2
	// - Heat of 3
	// - Aliens of 3
	// - Alien of 3
	// 2 before 1990
	// created heat:1
	// updated heat:2
}

func ExampleValidate() {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies")
	autocrud.Validate(app, "movies", func(_ context.Context, m Movie) error {
		if strings.ToUpper(m.Title) == m.Title {
			return errors.New("a title is not all in capitals")
		}
		return nil
	})
	r := started(app)
	defer r.Stop()
	_, err := resource.For[Movie](r.Manager, "movies").Create(context.Background(), Movie{"ALIEN", 1979}, resource.CreateOptions{})
	fmt.Println(err)
	// Output: validation_failed: a title is not all in capitals
}

func ExampleBefore() {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies")
	autocrud.Before(app, "movies", autocrud.Actions{autocrud.Updated, autocrud.Modified}, func(_ context.Context, c autocrud.Change[Movie]) error {
		if c.New.Year != c.Old.Year {
			return fmt.Errorf("the year of %s stays %d", c.ID, c.Old.Year)
		}
		return nil
	})
	r := started(app)
	defer r.Stop()
	movies, ctx := resource.For[Movie](r.Manager, "movies"), context.Background()
	if _, err := movies.Create(ctx, Movie{"Alien", 1979}, resource.CreateOptions{ID: "alien"}); err != nil {
		panic(err)
	}
	_, err := movies.Update(ctx, "alien", Movie{"Alien", 1980}, resource.UpdateOptions{})
	fmt.Println(err)
	// Output: validation_failed: the year of alien stays 1979
}

func ExampleAfter() {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies")
	told := make(chan string, 2)
	autocrud.After(app, "movies", autocrud.Created, func(_ context.Context, c autocrud.Change[Movie]) error {
		told <- "new: " + c.New.Title
		return nil
	})
	autocrud.After(app, "movies", autocrud.Deleted, func(_ context.Context, c autocrud.Change[Movie]) error {
		told <- "gone: " + c.Old.Title
		return nil
	})
	r := started(app)
	defer r.Stop()
	movies, ctx := resource.For[Movie](r.Manager, "movies"), context.Background()
	if _, err := movies.Create(ctx, Movie{"Alien", 1979}, resource.CreateOptions{ID: "alien"}); err != nil {
		panic(err)
	}
	if err := movies.Delete(ctx, "alien", resource.Match{}); err != nil {
		panic(err)
	}
	fmt.Println(<-told)
	fmt.Println(<-told)
	// Output:
	// new: Alien
	// gone: Alien
}

type Shift struct {
	Years int `json:"years"`
}

// shift is an action that dates a movie later or earlier.
func shift(ctx context.Context, c autocrud.ActionCall[Shift]) (Movie, error) {
	movies := resource.For[Movie](c.Manager, "movies")
	m, err := movies.Get(ctx, c.ID, resource.GetOptions{})
	if err != nil {
		return Movie{}, err
	}
	m.Data.Year += c.Input.Years
	m, err = movies.Update(ctx, c.ID, m.Data, resource.UpdateOptions{IfMatch: resource.Match{Events: []string{m.EventID}}})
	if err != nil {
		return Movie{}, err
	}
	return m.Data, nil
}

// withAlien runs an application whose only movie is Alien.
func withAlien(app *autocrud.App) *autocrud.Running {
	autocrud.Register[Movie](app, "movies")
	r := started(app)
	if _, err := resource.For[Movie](r.Manager, "movies").Create(context.Background(), Movie{"Alien", 1979}, resource.CreateOptions{ID: "alien"}); err != nil {
		panic(err)
	}
	return r
}

func ExampleAction() {
	type nothing struct{}
	type span struct {
		Movies int64 `json:"movies"`
	}
	app := autocrud.New()
	autocrud.Action(app, "movies", "span", func(ctx context.Context, c autocrud.ActionCall[nothing]) (span, error) {
		n, err := resource.For[Movie](c.Manager, "movies").Count(ctx, resource.ListOptions{})
		return span{n}, err
	})
	r := withAlien(app)
	defer r.Stop()
	post(r.URL+"/v1/movies:span", `{}`)
	// Output: 200 OK {"movies":1}
}

func ExampleOnResource() {
	app := autocrud.New()
	autocrud.Action(app, "movies", "shift", shift, autocrud.OnResource())
	r := withAlien(app)
	defer r.Stop()
	post(r.URL+"/v1/movies/alien:shift", `{"years":3}`)
	// Output: 200 OK {"title":"Alien","year":1982}
}

func ExampleAsJob() {
	done := make(chan int, 1)
	app := autocrud.New()
	autocrud.Action(app, "movies", "shift", func(ctx context.Context, c autocrud.ActionCall[Shift]) (Movie, error) {
		m, err := shift(ctx, c)
		done <- m.Year
		return m, err
	}, autocrud.OnResource(), autocrud.AsJob())
	r := withAlien(app)
	defer r.Stop()
	answer, err := http.Post(r.URL+"/v1/movies/alien:shift", "application/json", strings.NewReader(`{"years":3}`))
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	fmt.Println(<-done)
	// Output:
	// 202 Accepted
	// 1982
}

func ExampleTitled() {
	app := autocrud.New()
	autocrud.Action(app, "movies", "shift", shift, autocrud.OnResource(), autocrud.Titled("Date a movie anew"))
	r := withAlien(app)
	defer r.Stop()
	answer, err := http.Get(r.URL + "/openapi.json")
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	var document struct {
		Paths map[string]struct{ Post struct{ Summary string } }
	}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil {
		panic(err)
	}
	fmt.Println(document.Paths["/v1/movies/{id}:shift"].Post.Summary)
	// Output: Date a movie anew
}

type SendEmail struct {
	To string `json:"to" jsonschema:"format=email"`
}

func ExampleHandleJob() {
	app := autocrud.New()
	sent := make(chan string, 1)
	autocrud.Register[SendEmail](app, "send-emails", model.WithJob(model.JobSpec{MaxAttempts: 3}))
	autocrud.HandleJob(app, "send-emails", func(_ context.Context, j *job.Job[SendEmail]) error {
		sent <- fmt.Sprintf("%s, attempt %d of %d", j.Payload.To, j.Attempt, j.MaxAttempts)
		return nil
	})
	r := started(app)
	defer r.Stop()
	// To make the resource is to queue the job; over HTTP it is POST /v1/send-emails.
	if _, err := resource.For[SendEmail](r.Manager, "send-emails").Create(context.Background(), SendEmail{"ripley@example.com"}, resource.CreateOptions{}); err != nil {
		panic(err)
	}
	fmt.Println(<-sent)
	// Output: ripley@example.com, attempt 1 of 3
}

func ExampleApp_Start() {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies")
	r, err := app.Start(context.Background(), autocrud.Settings{Addr: "127.0.0.1:0", Storage: "memory"})
	if err != nil {
		panic(err)
	}
	answer, err := http.Get(r.URL + "/v1/movies")
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	fmt.Println(r.Stop())
	// Output:
	// 200 OK
	// <nil>
}

// Main takes the command line, so it is what a program's main function calls.
func ExampleMigration() {
	models, err := os.MkdirTemp("", "models")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(models)
	model := "name: notes\nversion: \"2\"\nschema: {type: object, properties: {text: {type: string}}}\nmigrations: [{from: \"1\", function: textOfBody}]\n"
	if err := os.WriteFile(filepath.Join(models, "notes.yaml"), []byte(model), 0o600); err != nil {
		panic(err)
	}
	app, settings := autocrud.New(), inMemory
	settings.Models = models
	autocrud.Migration(app, "textOfBody", func(tree any) (any, error) {
		note := tree.(map[string]any)
		note["text"] = note["body"] // its name in version 1
		delete(note, "body")
		return note, nil
	})
	r, err := app.Start(context.Background(), settings)
	if err != nil {
		panic(err)
	}
	defer r.Stop()
	notes, err := r.Manager.Type("notes")
	if err != nil {
		panic(err)
	}
	fmt.Println(notes.Name, notes.Version)
	// Output: notes 2
}

func ExampleApp_Main() {
	app := autocrud.New()
	autocrud.Register[Movie](app, "movies")
	app.Main()
}

// Provision makes what services of their own share, so it needs their servers.
func ExampleApp_SendMail() {
	app := autocrud.New()
	send := func(_ context.Context, m autocrud.Mail) error {
		fmt.Printf("%s for %s\n", m.Kind, m.Email)
		return nil
	}
	app.SendMail(send)
	fmt.Println(send(context.Background(), autocrud.Mail{Kind: "invitation", Email: "ann@example.com"}))
	// Output:
	// invitation for ann@example.com
	// <nil>
}

func ExampleApp_Provision() {
	err := autocrud.New().Provision(context.Background(), autocrud.Settings{Storage: "postgres"})
	fmt.Println(err)
	// Output: provision runs beside other services: it needs --nats-url and --storage postgres; `autocrud up` needs neither
}

func ExampleSettings_WithDefaults() {
	s := autocrud.Settings{Storage: "memory"}.WithDefaults()
	fmt.Println(s.Addr, s.Storage, s.Sync, s.WorkerSlots)
	// Output: 127.0.0.1:8080 memory always 16
}

func ExampleSettings_Logger() {
	s := autocrud.Settings{LogLevel: "warn"}
	logger := s.Logger() // it writes to stderr
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelWarn} {
		fmt.Println(level, logger.Enabled(context.Background(), level))
	}
	// Output:
	// INFO false
	// WARN true
}
