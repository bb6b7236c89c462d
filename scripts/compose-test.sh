#!/bin/sh
# Runs the deployment of docker-compose.yml for real, in a fresh clone: up, what the pages
# show, each container killed under load, down and up, a lost log made again, a backup
# into a cluster of three NATS servers of which the leader is killed. For root on Debian;
# takes 15 minutes the first time and 8 afterwards.
set -eu
cd "$(dirname "$0")/.."
. scripts/containers.sh
export AUTOCRUD_PORT="${AUTOCRUD_PORT:-18080}" NATS_PORT="${NATS_PORT:-14222}" CGO_ENABLED=0
dir=$(mktemp -d)
project=
finish() {
	code=$?
	trap - EXIT
	[ -z "$project" ] || (cd "$project" && compose logs --tail 20 >"$containers/last.log" 2>&1; compose down --remove-orphans --timeout 5 >/dev/null 2>&1) || true
	stop_engine
	[ $code = 0 ] || echo "the ends of the containers' logs are in $containers/last.log"
	rm -rf "$dir"
	exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

files=docker-compose.yml
compose() {
	# shellcheck disable=SC2046 # several arguments
	docker compose $(echo "$files" | sed 's/[^,]*/-f &/g; s/,/ /g') "$@"
}
say() { echo "== $(date +%T) $*"; }
check() { (cd "$project" && "$dir/composetest" -files "$files" -api "http://127.0.0.1:$AUTOCRUD_PORT" -nats "127.0.0.1:$NATS_PORT" -written "$dir/written" "$@"); }
# clone NAME checks this commit out for a user who shows others nothing.
clone() {
	(umask 077; git clone -q . "$dir/$1")
	project=$dir/$1
}

say tools and images
tools
go build -o "$dir/composetest" ./scripts/composetest
engine
images
docker version --format 'Docker CLI {{.Client.Version}}, engine {{.Server.Version}}'
docker compose version

say make up
clone one
make -C "$project" -s up
check tour
(cd "$project" && compose exec -T api /autocrud version) | grep "commit $(git rev-parse HEAD)"
say each container is killed under load
check kill
say make down, make up, after the README was edited
make -C "$project" -s down
echo >>"$project/README.md"
begun=$(date +%s)
make -C "$project" -s up
echo "after $(($(date +%s) - begun)) s"
check whole

say the log is lost
(
	cd "$project"
	compose stop --timeout 10 api indexer worker nats
	volumes=$(sed -n 's/^AUTOCRUD_VOLUMES=//p' .env)
	rm -rf "$volumes"/nats/*
	compose up --detach --wait nats
	if compose run --rm provision; then echo "provision began with an empty log" >&2; exit 1; fi
	compose run --rm rebuild-log
)
make -C "$project" -s up
check whole

say a backup goes into a cluster of three
(cd "$project" && compose exec -T api /autocrud backup -) >"$dir/backup"
make -C "$project" -s down
clone two
files=docker-compose.yml,compose.cluster.yml
(cd "$project" && sh scripts/env.sh && compose up --build --detach --wait && compose stop worker)
(cd "$project" && compose exec -T api /autocrud restore - <"$dir/backup" && compose restart api indexer && compose start worker && compose up --detach --wait)
check whole
say the server that leads the log is killed under load
check leader
say "every server of the cluster reads its configuration again (SIGHUP)"
(
	cd "$project"
	for n in nats nats-2 nats-3; do
		compose kill --signal HUP $n
		for _ in $(seq 20); do compose logs $n | grep -q "Reloaded server configuration" && break; sleep 1; done
		compose logs $n | grep "Reloaded server configuration" | tail -n 1
	done
)
check whole
make -C "$project" -s down
left=$(docker ps --quiet | wc -l)
[ "$left" = 0 ] || { echo "$left containers are left" >&2; exit 1; }

say the end of the tutorial
AUTOCRUD_TEST_LIBRARY="$dir/home/library" go test -count=1 -run TestTheTutorialWorks ./docs
clone three
files=docker-compose.yml
(
	cp "$dir/home/library/library.backup" "$project/"
	cd "$project"
	export HOME="$dir/home"
	tutorial() { line=$(sed -n "$1" docs/tutorial.md); echo "$line"; eval "$line"; }
	tutorial '/^make up AUTOCRUD_MODELS=/p'
	tutorial 's/.*`\(docker compose [^`]* < library\.backup\)`.*/\1/p'
	compose restart api indexer worker
	compose up --detach --wait
	curl -sf "http://127.0.0.1:$AUTOCRUD_PORT/v1/books/emma?returns=data" | grep '"shelf":"A3"'
)
make -C "$project" -s down

say make image, with the CLI of Debian
(cd "$dir/one" && PATH="/usr/bin:$PATH" make -s image IMAGE=autocrud:test >/dev/null)
docker image inspect --format '{{.Size}} bytes; {{json .Config.Labels}}' autocrud:test
docker run --rm autocrud:test version
project=
say done
