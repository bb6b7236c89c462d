// Command autocrud is the stock program: models from files, no Go code needed.
package main

import "github.com/autocrud-go/autocrud"

func main() { autocrud.New().Main() }
