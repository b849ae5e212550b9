#!/bin/sh
# get-node.sh [LIST [DIR]]: DIR/node_modules <- what LIST names, from npm: by
# default build/node and t/sdk/package.json.  Asks the network only when the
# list has changed.

set -eu

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
LIST=${1:-$ROOT/t/sdk/package.json}
DIR=${2:-$ROOT/build/node}

cmp -s "$LIST" "$DIR/installed.json" && exit 0

if ! command -v npm > /dev/null; then
    echo "$0: npm is missing: run \"make test-deps\"" >&2
    exit 1
fi

mkdir -p "$DIR"
cp "$LIST" "$DIR/package.json"

LOG=$DIR/npm.log
npm install --prefix "$DIR" --ignore-scripts --no-audit --no-fund \
    --no-package-lock > "$LOG" 2>&1 || { cat "$LOG"; exit 1; }

cp "$LIST" "$DIR/installed.json"
