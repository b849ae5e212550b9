#!/bin/sh
# get-node.sh: build/node/node_modules <- what t/sdk/package.json names, from
# npm.  Asks the network only when the list has changed.

set -eu

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
DIR=$ROOT/build/node

cmp -s "$ROOT/t/sdk/package.json" "$DIR/installed.json" && exit 0

if ! command -v npm > /dev/null; then
    echo "$0: npm is missing: run \"make test-deps\"" >&2
    exit 1
fi

mkdir -p "$DIR"
cp "$ROOT/t/sdk/package.json" "$DIR/package.json"

LOG=$DIR/npm.log
npm install --prefix "$DIR" --ignore-scripts --no-audit --no-fund \
    --no-package-lock > "$LOG" 2>&1 || { cat "$LOG"; exit 1; }

cp "$ROOT/t/sdk/package.json" "$DIR/installed.json"
