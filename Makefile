# Everything a contributor types. `make help` lists it.
GO ?= go
export CGO_ENABLED ?= 0
BIN := bin
DIST ?= dist
IMAGE ?= autocrud:local
FUZZTIME ?= 10s
ROWS ?= 1000000

.DEFAULT_GOAL := help
.PHONY: help build run test test-full test-short race fuzz lint platforms emulated site vuln outdated bench bench-search bench-jobs dist clean up down image compose-check deploy-check compose-test k8s-test chart

help: ## list what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the program into bin/
	$(GO) build -o $(BIN)/autocrud ./cmd/autocrud

dist: ## archives for six platforms with checksums and a bill of materials in dist/, the same bytes each time
	$(GO) run ./scripts/dist -out $(DIST)

emulated: ## tests and the program for Linux arm64 under qemu and for Windows under Wine (root on Debian; half an hour)
	@GO=$(GO) sh scripts/emulated.sh

site: ## the guides as static pages with a search, in site/
	$(GO) run ./scripts/site -out site

run: build ## start the quickstart example with its seed data
	@sh examples/quickstart/run.sh $(BIN)/autocrud

test: ## all tests once, at a small size, some with the race detector where there is a C compiler
	@sh scripts/test.sh

test-full: ## all storage rows, all with the race detector, large sizes, generators of clients (needs Node)
	@sh scripts/test-full.sh

test-short: ## the quick tests (seconds)
	$(GO) test -short ./...

fuzz: ## every fuzz target for FUZZTIME (default 10s) each
	@sh scripts/fuzz.sh $(FUZZTIME)

platforms: ## build and vet for every platform: Linux, macOS, Windows, FreeBSD
	@GO=$(GO) sh scripts/platforms.sh

lint: ## gofmt, vet, staticcheck and the other linters of .golangci.yml, pinned in tools/go.mod
	@GO=$(GO) sh scripts/lint.sh

vuln: ## known vulnerabilities (asks the database at vuln.go.dev)
	@GO=$(GO) sh scripts/vuln.sh

outdated: ## direct dependencies of every module, and tools, that have a newer version
	@for m in $$(git ls-files '*go.mod'); do echo "$$m"; (cd $$(dirname $$m) && go list -m -u -f '{{if and .Update (not .Indirect)}}  {{.Path}} {{.Version}} -> {{.Update.Version}}{{end}}' all | grep . || true); done
	@cd tools && go list -m -u -f '{{if .Update}}  {{.Path}} {{.Version}} -> {{.Update.Version}}{{end}}' $$(go list -f '{{.Module.Path}}' tool) | grep . || true

bench: ## creates, gets and lists per second beside the floors, both sync modes
	$(GO) run ./internal/bench

bench-search: ## searches over HTTP beside statements written by hand, a million rows (ROWS=1000000), both databases
	$(GO) test ./internal/bench/search -count=1 -v -timeout 60m -rows $(ROWS) -repeat 50

bench-jobs: ## the job queue beside River on Postgres, both durable (needs Postgres)
	@GO=$(GO) sh scripts/bench-jobs.sh

up: ## everything as containers (needs docker); makes .env with random secrets
	@sh scripts/env.sh
	@sh scripts/ports.sh
	AUTOCRUD_TAG="$$(git describe --tags --exact-match 2>/dev/null)" AUTOCRUD_REVISION="$$(git rev-parse HEAD 2>/dev/null)" AUTOCRUD_CREATED="$$(git log -1 --format=%cI 2>/dev/null)" \
		docker compose -f docker-compose.yml up --build --detach --wait

image: ## the image autocrud:local (IMAGE=name:tag for another), without compose
	DOCKER_BUILDKIT=1 docker build --build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) --build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(git log -1 --format=%cI) --tag $(IMAGE) .

down: ## stop the containers; data and .env stay
	docker compose -f docker-compose.yml down --remove-orphans

compose-check: ## the compose files are right (no docker needed)
	cd deploy/test && $(GO) test -count=1 -run Compose ./...

deploy-check: ## the compose files, Kubernetes overlays, Helm chart, alert rules and the dashboard are right
	cd deploy/test && $(GO) test -count=1 ./...
	cd deploy/grafana && $(GO) test -count=1 ./...

compose-test: ## run the containers, kill them, lose the log, make a cluster (root on Debian; gets Docker when there is none)
	@sh scripts/compose-test.sh

k8s-test: ## apply deploy/ to a real API server, built from its module (root on Debian; 30 minutes the first time)
	@sh scripts/k8s-test.sh

chart: ## make deploy/helm/autocrud of deploy/k8s/base
	cd deploy/test && $(GO) run ./chart/write

clean: ## remove what was built and the quickstart's data; the data of containers stays
	rm -rf $(BIN) $(DIST) site
	[ ! -d data ] || find data -mindepth 1 -maxdepth 1 ! -name compose -exec rm -rf {} +
