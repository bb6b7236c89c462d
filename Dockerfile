# One static program; what a container does is its command: api, indexer,
# worker, provision, or up for everything in one.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -tags timetzdata -trimpath -ldflags='-s -w' -o /autocrud ./cmd/autocrud

# Certificates and the program, which holds the time zones. No shell.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /autocrud /autocrud
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/autocrud"]
CMD ["--help"]
