// Command goclient works with the quickstart by the client that `autocrud client go`
// makes of its models.
//
//	go run ./examples/goclient http://127.0.0.1:8080
package main

//go:generate go run ../../cmd/autocrud client go --models ../quickstart/models --out planets
//go:generate go run ../../cmd/autocrud client ts --models ../quickstart/models --out ../tsclient/planets

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/examples/goclient/planets"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: goclient URL")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "goclient:", err)
		os.Exit(1)
	}
}

// run makes a dwarf planet with a moon, finds them, and converts a temperature.
func run(ctx context.Context, url string, out io.Writer) error {
	api := planets.Connect(url, planets.WithToken(os.Getenv("AUTOCRUD_TOKEN")))
	orcus, err := api.Planets.Create(ctx, planets.PlanetsData{Name: "Orcus", Kind: "dwarf planet", RadiusKm: 455}, planets.CreateOptions{ID: "Orcus"})
	if err != nil {
		return err
	}
	if err := picture(ctx, api, out, orcus.Meta.ID); err != nil {
		return err
	}
	if err := list(ctx, api, out); err != nil {
		return err
	}
	if err := conflict(ctx, api, out, orcus); err != nil {
		return err
	}
	job, err := api.Conversions.Run(ctx, planets.ConversionsData{Celsius: 100}, func(s planets.JobState) {
		if s.Done() {
			fmt.Fprintln(out, "conversion", s.State)
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "100 °C: %s\n", job.Meta.Job.Result)
	return follow(ctx, api, out, orcus.Meta.Seq)
}

// picture makes a moon with a picture, and reads that again.
func picture(ctx context.Context, api *planets.API, out io.Writer, planet string) error {
	photo, err := api.Client.Upload(ctx, strings.NewReader("GIF89a"), "image/gif")
	if err != nil {
		return err
	}
	moon, err := api.Moons.Create(ctx, planets.MoonsData{Name: "Vanth", Planet: planet, RadiusKm: 221, Photo: photo}, planets.CreateOptions{ID: "Vanth"})
	if err != nil {
		return err
	}
	file, err := api.Moons.Download(ctx, moon.Meta.ID, moon.Data.Photo.Digest)
	if err != nil {
		return err
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	fmt.Fprintf(out, "%s has a picture of %d bytes\n", moon.Data.Name, len(b))
	return err
}

// list finds planets by filters that functions build.
func list(ctx context.Context, api *planets.API, out io.Writer) error {
	where := planets.And(planets.PlanetsFields.Kind.Eq("dwarf planet"), planets.PlanetsFields.RadiusKm.Lt(500))
	for p, err := range api.Planets.List(ctx, planets.Query{Filter: where, OrderBy: []planets.Order{planets.PlanetsFields.Name.Asc()}}) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %g km\n", p.Data.Name, p.Data.RadiusKm)
	}
	return nil
}

// conflict writes a planet twice from one state of it: the second is refused.
func conflict(ctx context.Context, api *planets.API, out io.Writer, read *planets.Resource[planets.PlanetsData]) error {
	if _, err := api.Planets.Patch(ctx, read, map[string]any{"radius_km": 458}); err != nil {
		return err
	}
	_, err := api.Planets.Patch(ctx, read, map[string]any{"radius_km": 450})
	if !planets.HasCode(err, "precondition_failed") {
		return fmt.Errorf("a write of an old state was taken: %w", err)
	}
	fmt.Fprintln(out, "Orcus was changed since it was read")
	return nil
}

// follow tells what happened to planets since, and what happens, until Orcus is gone.
func follow(ctx context.Context, api *planets.API, out io.Writer, since uint64) error {
	if err := api.Moons.DeleteID(ctx, "Vanth"); err != nil {
		return err
	}
	if err := api.Planets.DeleteID(ctx, "Orcus"); err != nil {
		return err
	}
	for e, err := range api.Planets.Watch(ctx, planets.WatchOptions{After: &since}) {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, e.Action, e.Resource.Meta.ID)
		if e.Deleted() {
			break
		}
	}
	return nil
}
