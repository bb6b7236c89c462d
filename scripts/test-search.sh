#!/bin/sh
# The search of the guides finds what readers ask for. Needs Node.
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"${GO:-go}" run ./scripts/site -out "$dir"
node - "$dir" <<'JS'
const fs = require("fs"), dir = process.argv[2];
const { find, around } = require(dir + "/search.js");
const passages = new Function(fs.readFileSync(dir + "/passages.js") + "; return passages")();
let failed = 0;
for (const [query, url] of [["purge erases", "operations.html#what-a-purge-erases"], ["data folder", "operations.html#the-data-folder"],
  ["rebuild-log archive", "storage.html#the-archive-of-the-log"], ["tutorial backup", null], ["KUBERNETES", "deployment.html#kubernetes"]]) {
  const found = find(passages, query);
  if (found.length === 0 || url && !found.slice(0, 3).some((p) => p.url === url)) {
    console.error(`${query}: ${found.map((p) => p.url).join(" ")}`);
    failed = 1;
  }
}
if (find(passages, "no such words anywhere").length || find(passages, "  ").length) failed = 1;
if (!around("x".repeat(90) + " needle " + "y".repeat(200), "needle").includes("needle")) failed = 1;
process.exit(failed);
JS
