#!/bin/sh
# Makes a release of this commit twice, in two folders, and compares the bytes; the
# program in it runs and says which commit it is, and the bill of materials is valid by
# the schema of SPDX 2.3, which the module of syft has with it. One platform, because the first
# build of each takes minutes; PLATFORMS names others.
set -eu
GO=${GO:-go}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
hash=$(git rev-parse HEAD)
for n in one another; do
	git clone -q . "$dir/$n"
	git -C "$dir/$n" checkout -q "$hash"
	(cd "$dir/$n" && "$GO" run ./scripts/dist -platforms "${PLATFORMS:-linux/amd64}")
	(cd "$dir/$n/dist" && sha256sum --quiet --check SHA256SUMS)
done
cmp "$dir/one/dist/SHA256SUMS" "$dir/another/dist/SHA256SUMS"
schema=$("$GO" mod download -json github.com/anchore/syft@v1.57.1 | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')/schema/spdx-json/spdx-schema-2.3.json
"$GO" run ./scripts/sbomcheck "$schema" "$dir"/one/dist/*.spdx.json
mkdir "$dir/program"
tar -xzf "$dir"/one/dist/autocrud_*_linux_amd64.tar.gz -C "$dir/program" --strip-components=1
"$dir/program/autocrud" version | grep "commit $hash"
