#!/bin/bash
# fuzz.sh PROGRAM...: libFuzzer on each target for FUZZ_SECONDS.
#
# What it learns goes to $BUILD/corpus, what it breaks to $BUILD/crashes; the
# tree's corpus is only read.

set -u

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BAD=0
OUT=$(mktemp)
trap 'rm -f "$OUT"' EXIT

export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

for p in "$@"; do
    name=$(basename "$p")
    name=${name#fuzz_}
    seeds=$ROOT/lua-free-tests/fuzz/corpus/$name
    mkdir -p "$BUILD/corpus/$name" "$BUILD/crashes"

    "$p" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536 -timeout=5 \
        -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$BUILD/crashes/$name-" \
        "$BUILD/corpus/$name" "$seeds" > "$OUT" 2>&1 < /dev/null
    rc=$?

    if [ $rc -ne 0 ]; then
        BAD=$((BAD + 1))
        tail -n 60 "$OUT"
    fi

    echo "$name: exit status $rc," \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$OUT") inputs"
done

echo "fuzz: $# targets, $BAD failed"
[ $BAD -eq 0 ]
