#!/bin/bash
# unit.sh PROGRAM...: runs cmocka programs; the output of those that fail, and
# one closing line.  V=1 shows everything.

set -u

BAD=0
TESTS=0
OUT=$(mktemp)
trap 'rm -f "$OUT"' EXIT

export ASAN_OPTIONS=detect_leaks=1,detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1

for p in "$@"; do
    timeout "${UNIT_SECONDS:-120}" "$p" > "$OUT" 2>&1 < /dev/null
    rc=$?
    n=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$OUT" | tail -n 1)
    TESTS=$((TESTS + ${n:-0}))

    if [ $rc -ne 0 ] || [ -z "$n" ]; then
        BAD=$((BAD + 1))
        echo "--- $p: exit status $rc"
        cat "$OUT"

    elif [ -n "${V:-}" ]; then
        cat "$OUT"
    fi
done

echo "unit tests: $# programs, $TESTS tests passed, $BAD programs failed"
[ $BAD -eq 0 ]
