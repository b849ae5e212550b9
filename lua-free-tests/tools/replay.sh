#!/bin/bash
# replay.sh PROGRAM...: each fuzz target with every file of its corpus

set -u

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
CORPUS=$ROOT/lua-free-tests/fuzz/corpus
BAD=0
FILES=0

export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

for p in "$@"; do
    name=$(basename "$p")
    mapfile -t list < <(find "$CORPUS/$name" -type f 2>/dev/null | sort)

    if [ ${#list[@]} -eq 0 ]; then
        echo "--- $name: no file in lua-free-tests/fuzz/corpus/$name"
        BAD=$((BAD + 1))
        continue
    fi

    if ! printf '%s\0' "${list[@]}" | timeout 300 xargs -0 "$p"; then
        echo "--- $name: failed"
        BAD=$((BAD + 1))
    fi

    FILES=$((FILES + ${#list[@]}))
done

echo "corpus: $# targets, $FILES files replayed, $BAD targets failed"
[ $BAD -eq 0 ]
