# One static program; what a container does is its command: api, indexer,
# worker, provision, or up for everything in one.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
# Only what the program is made of, so that another file compiles nothing.
COPY *.go ./
COPY cmd cmd
COPY docs docs
COPY internal internal
COPY pkg pkg
COPY services services
ARG VERSION=local
ARG REVISION=
ARG CREATED=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -buildvcs=false -tags timetzdata -trimpath -o /autocrud \
    -ldflags="-s -w -X github.com/autocrud-go/autocrud/internal/cli.tag=${VERSION} -X github.com/autocrud-go/autocrud/internal/cli.commit=${REVISION} -X github.com/autocrud-go/autocrud/internal/cli.committed=${CREATED}" ./cmd/autocrud

# For a worker whose jobs run commands: sh and the small tools of busybox. A job that
# needs more needs an image of its own, which begins with this one.
FROM busybox:1.37.0-musl AS commands
ARG VERSION=local
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="AutoCRUD, with a shell for jobs" \
      org.opencontainers.image.source="https://github.com/autocrud-go/autocrud" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /autocrud /autocrud
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/autocrud"]
CMD ["--help"]

# Certificates and the program, which holds the time zones. No shell.
FROM scratch
ARG VERSION=local
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="AutoCRUD" \
      org.opencontainers.image.source="https://github.com/autocrud-go/autocrud" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /autocrud /autocrud
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/autocrud"]
CMD ["--help"]
