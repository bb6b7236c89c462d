#!/bin/sh
# Does what the image of Postgres does at a start, for the settings that the compose
# file gives: makes the database in an empty folder, then runs the server.
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
export LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
if ! getent passwd "$(id -u)" >/dev/null; then # Postgres refuses a user without a name
	LD_PRELOAD=$(ls /usr/lib/*/libnss_wrapper.so) NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/tmp/group
	echo "postgres:x:$(id -u):$(id -g)::/tmp:/bin/false" >"$NSS_WRAPPER_PASSWD"
	echo "postgres:x:$(id -g):" >"$NSS_WRAPPER_GROUP"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	umask 077
	echo "$POSTGRES_PASSWORD" >/tmp/password
	mkdir -p "$PGDATA"
	# shellcheck disable=SC2086 # several arguments
	"$bin/initdb" --username="$POSTGRES_USER" --pwfile=/tmp/password $POSTGRES_INITDB_ARGS -D "$PGDATA"
	rm /tmp/password
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	"$bin/pg_ctl" -D "$PGDATA" -w -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql" start
	PGPASSWORD=$POSTGRES_PASSWORD "$bin/createdb" -h /var/run/postgresql -U "$POSTGRES_USER" "$POSTGRES_DB" || true
	"$bin/pg_ctl" -D "$PGDATA" -w -m fast stop
fi
exec "$bin/postgres" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql "$@"
