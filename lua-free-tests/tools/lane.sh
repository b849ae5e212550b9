#!/bin/bash
# lane.sh TEST: runs it in the first of $LANES that is free.

set -euo pipefail

for DIR in $LANES; do
    exec 9< "$DIR/env"
    flock -n 9 && break
done

flock 9

. "$DIR/env"

run() {
    perl -I "$TEST_NGINX_LIB" -I t/lib "$@" 9<&-
}

# with others beside it, what it says on stderr follows in one piece

if [ "$DIR" = "$LANES" ]; then
    run "$@"
    exit
fi

RC=0
run "$@" 2> "$DIR/stderr" || RC=$?

[ ! -s "$DIR/stderr" ] || printf '%s\n' "---- $*" "$(< "$DIR/stderr")" >&2

exit $RC
