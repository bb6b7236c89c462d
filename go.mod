module github.com/autocrud-go/autocrud

go 1.26
