// Command newsroom is a small content system in Go: authors, the articles they
// write, drafts until they are published, an action that signs them off, and a job that
// puts a digest together.
//
//	go run ./examples/newsroom up
//
// README.md walks through it with a writer, an editor and a site.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Author writes articles. No two have the same address.
type Author struct {
	Name  string `json:"name" autocrud:"index,fulltext" jsonschema:"minLength=1,maxLength=200"`
	Email string `json:"email" autocrud:"unique" jsonschema:"format=email"`
}

// wholeName makes an author of version 2 of one of version 1, whose name was in
// two parts.
func wholeName(tree any) (any, error) {
	author, ok := tree.(map[string]any)
	if !ok {
		return nil, errors.New("an author is an object")
	}
	author["name"] = strings.TrimSpace(fmt.Sprint(author["first_name"], " ", author["last_name"]))
	delete(author, "first_name")
	delete(author, "last_name")
	return author, nil
}

// Article names one of the authors, or has a byline of its own when a guest
// wrote it.
type Article struct {
	Title   string   `json:"title" autocrud:"index,fulltext" jsonschema:"minLength=1,maxLength=300"`
	Body    string   `json:"body" autocrud:"fulltext"`
	Section string   `json:"section" autocrud:"index" jsonschema:"enum=world|science|culture|sport"`
	Tags    []string `json:"tags,omitempty" autocrud:"index" jsonschema:"uniqueItems,maxItems=10"`
	Author  *string  `json:"author" autocrud:"ref=authors"`
	Byline  *string  `json:"byline"`
}

// Validate checks what a schema cannot say; every write passes it.
func (a Article) Validate() error {
	if a.Author != nil && a.Byline != nil {
		return errors.New("an article has an author or a byline, not both")
	}
	if strings.TrimSpace(a.Title) != a.Title {
		return errors.New("the title begins or ends with a space")
	}
	return nil
}

// SignOff is the input of the action: the name that signs an article without an
// author.
type SignOff struct {
	Byline *string `json:"byline" jsonschema:"minLength=1"`
}

// SignedOff is what it answers.
type SignedOff struct {
	Title    string `json:"title"`
	Revision int    `json:"revision"`
}

// SendDigest is the payload of a job.
type SendDigest struct {
	Section string `json:"section" autocrud:"index" jsonschema:"enum=world|science|culture|sport"`
	To      string `json:"to" jsonschema:"format=email"`
}

// Digest is the result of the job.
type Digest struct {
	To       string   `json:"to"`
	Articles int      `json:"articles"`
	Titles   []string `json:"titles"`
}

func main() { newApp().Main() }

// newApp is the whole application.
func newApp() *autocrud.App {
	app := autocrud.New()
	autocrud.Register[Author](app, "authors", model.WithTitle("Author"),
		model.WithVersion("2", model.Migration{From: "1", Func: wholeName}))
	autocrud.Register[Article](app, "articles", model.WithTitle("Article"), model.WithDefaultStatus(storage.Draft))
	autocrud.Register[SendDigest](app, "send-digests", model.WithTitle("Digest to send"),
		model.WithJob(model.JobSpec{MaxAttempts: 3}))

	autocrud.Before(app, "articles", autocrud.Actions{autocrud.Created, autocrud.Updated, autocrud.StatusChanged, autocrud.Published}, review)
	autocrud.Action(app, "articles", "sign-off", signOff, autocrud.OnResource(), autocrud.Titled("Sign an article off"))
	autocrud.HandleJob(app, "send-digests", sendDigest)
	return app
}

// signOff signs an article and publishes it: POST /v1/articles/{id}:sign-off.
func signOff(ctx context.Context, c autocrud.ActionCall[SignOff]) (SignedOff, error) {
	articles := resource.For[Article](c.Manager, "articles")
	a, err := articles.Get(ctx, c.ID, resource.GetOptions{})
	if err != nil {
		return SignedOff{}, err
	}
	if a.Data.Author == nil && c.Input.Byline != nil {
		a.Data.Byline = c.Input.Byline
	}
	a, err = articles.Update(ctx, c.ID, a.Data, resource.UpdateOptions{Status: storage.Stable, Message: "signed off",
		IfMatch: resource.Match{Events: []string{a.EventID}}}) // of what was read, nothing newer
	if err != nil {
		return SignedOff{}, err
	}
	return SignedOff{a.Data.Title, a.Revision.Number}, nil
}

// review is called before an article is written or published, and refuses to publish
// one for which no name stands.
func review(_ context.Context, c autocrud.Change[Article]) error {
	a := c.New
	if a == nil { // what was written before is published
		a = c.Old
	}
	if c.Publishes && a.Author == nil && a.Byline == nil {
		return fault.Errorf(fault.InvalidState, "article %q has neither author nor byline; add one before publishing", c.ID)
	}
	return nil
}

// sendDigest collects the published articles of a section. Sending mail is left
// to the reader; the job's id is the key by which a mailer would recognise an
// attempt that is made again.
func sendDigest(ctx context.Context, j *job.Job[SendDigest]) error {
	articles, err := resource.For[Article](j.Manager, "articles").Page(ctx, resource.ListOptions{
		View:    storage.PublishedView,
		Filter:  fmt.Sprintf("section = %q", j.Payload.Section), // a word of the enum
		OrderBy: "title",
		Page:    resource.PageOptions{Size: 50},
	})
	if err != nil {
		return err // tried again, later and later
	}
	if len(articles.Items) == 0 {
		return job.Fail(fmt.Errorf("nothing is published in %s", j.Payload.Section)) // another attempt would not help
	}
	digest := Digest{To: j.Payload.To, Articles: len(articles.Items)}
	for _, a := range articles.Items {
		digest.Titles = append(digest.Titles, a.Data.Title)
	}
	return j.SetResult(digest)
}
