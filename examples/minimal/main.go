// Command minimal is the smallest application: one type, all of the API.
package main

import "github.com/autocrud-go/autocrud"

// Planet is the model of examples/quickstart/models/planets.yaml.
type Planet struct {
	Name   string  `json:"name" autocrud:"index,fulltext" jsonschema:"minLength=1,maxLength=100"`
	Kind   string  `json:"kind" autocrud:"index" jsonschema:"enum=planet|dwarf planet|asteroid"`
	Radius float64 `json:"radius_km" autocrud:"index" jsonschema:"exclusiveMinimum=0,description=mean radius"`
	Rings  bool    `json:"rings,omitempty" autocrud:"index" jsonschema:"default=false"`
}

func newApp() *autocrud.App {
	app := autocrud.New()
	autocrud.Register[Planet](app, "planets")
	return app
}

func main() { newApp().Main() } // the same commands: up, import, export, ...
