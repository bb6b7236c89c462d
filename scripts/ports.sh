#!/bin/sh
# Says before a long build which port of compose is taken, unless by this deployment.
set -eu
command -v curl >/dev/null || exit 0
setting() { sed -n "s/^$1=//p" .env | tail -n 1; }
for pair in "AUTOCRUD_PORT=${AUTOCRUD_PORT:-$(setting AUTOCRUD_PORT)}=8080" "NATS_PORT=${NATS_PORT:-$(setting NATS_PORT)}=4222"; do
	case $pair in AUTOCRUD*) service=api ;; *) service=nats ;; esac
	[ -z "$(docker compose -f docker-compose.yml ps --quiet $service 2>/dev/null)" ] || continue
	name=${pair%%=*} port=${pair#*=}
	port=${port%=*}
	port=${port:-${pair##*=}}
	case $port in *[!0-9]*) continue ;; esac # a range, of which one may be free
	code=0
	curl -s -o /dev/null --noproxy '*' --max-time 1 "http://127.0.0.1:$port/" || code=$?
	[ "$code" = 7 ] || { echo "port $port of this machine is taken: put $name=another into .env" >&2; exit 1; } # 7: no server listens
done
