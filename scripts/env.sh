#!/bin/sh
# Makes .env with random secrets, and the folders of the volumes with the owner
# that the containers have, unless they are there. An .env of an earlier version gets
# the secrets that it lacks.
set -eu
umask 077
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
if [ ! -e .env ]; then
	while IFS= read -r line; do
		case $line in
		AUTOCRUD_VOLUMES=) echo "$line${AUTOCRUD_VOLUMES:-$(pwd)/data/compose}" ;;
		[A-Z]*=) echo "$line$(secret)" ;;
		*) echo "$line" ;;
		esac
	done <.env.example >.env.new
	# Compose takes what has the same project name for the same deployment.
	echo "COMPOSE_PROJECT_NAME=autocrud-$(pwd | cksum | cut -d' ' -f1)" >>.env.new
	mv .env.new .env
	echo "made .env with random secrets"
fi
sed -n 's/^\([A-Z_0-9]*\)=$/\1/p' .env.example | while IFS= read -r name; do
	grep -q "^$name=" .env || { echo "$name=$(secret)" >>.env; echo "added $name to .env"; }
done
# The key of the first admin is where the other secrets are.
if grep -q '^AUTOCRUD_AUTH=required' .env && ! grep -q '^AUTOCRUD_ADMIN_KEY=' .env; then
	echo "AUTOCRUD_ADMIN_KEY=$(secret)" >>.env
	echo "added AUTOCRUD_ADMIN_KEY to .env"
fi
# A folder of models that was named once is meant the next time too.
if [ -n "${AUTOCRUD_MODELS:-}" ]; then
	grep -v '^AUTOCRUD_MODELS=' .env >.env.new || true
	echo "AUTOCRUD_MODELS=$AUTOCRUD_MODELS" >>.env.new
	mv .env.new .env
fi
# Docker would make a folder that is missing, for root.
models=${AUTOCRUD_MODELS:-$(sed -n 's/^AUTOCRUD_MODELS=//p' .env)}
case ${models:=./examples/quickstart/models} in
/* | ./* | ../*) ;;
*) echo "AUTOCRUD_MODELS is $models: begin it with ./ or /, else Docker takes it for the name of a volume" >&2; exit 1 ;;
esac
[ -d "$models" ] || { echo "the folder $models (AUTOCRUD_MODELS) is not there" >&2; exit 1; }
# Containers read these as another user, whatever the umask was.
chmod -R a+rX deploy/nats examples/quickstart/models
closed=$(find "$models" ! -perm -o=r | head -n 1)
[ -z "$closed" ] || { echo "$closed is closed to other users, and containers read it as one: chmod -R a+rX $models" >&2; exit 1; }
volumes=$(sed -n 's/^AUTOCRUD_VOLUMES=//p' .env)
for v in nats nats-2 nats-3 postgres s3; do
	[ -d "$volumes/$v" ] && continue
	mkdir -p "$volumes/$v"
	if [ "$(id -u)" = 0 ]; then
		chown 65532:65532 "$volumes/$v"
	else
		chmod 777 "$volumes/$v" # only the owner may give it away; the folder above is closed to others
	fi
done
