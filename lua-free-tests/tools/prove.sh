#!/bin/bash
# prove.sh [prove arguments]: the tests of t/, against the nginx, the module
# and the programs of $BUILD (build, or build/asan).  Without arguments all of
# them, $JOBS at once (3), as t/testrules.yml says.
#
# A lane is what one test has for itself at a time: a Redis, mock LLM and
# worker (a test that needs its own starts them with Weir::Stack), and a range
# of 80 ports, so that several checkouts may test at once as well.  Logs stay
# in build/t-PORT.

set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
cd "$ROOT"
BUILD=$(cd "${BUILD:-build}" && pwd)
TOOLS=lua-free-tests/tools
JOBS=${JOBS:-3}

LANES=

add_lane() {
    local port lock dir

    for port in $(seq 32000 80 32720) $(seq 30000 80 30880) none; do
        [ "$port" != none ] || { echo "prove.sh: no free port range"; exit 1; }

        lock=${TMPDIR:-/tmp}/weir-test-ports-$port.lock
        { exec {FD}>> "$lock"; } 2> /dev/null && flock -n "$FD" || continue
        (exec 8<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && continue

        # a run in a chroot has other files, but the same ports: see
        # with-stack.pl
        (exec 8<> "/dev/tcp/127.0.0.1/$((port + 79))") 2> /dev/null || break
    done

    dir=$ROOT/build/t-$port
    if [ ${#dir} -gt 80 ]; then                 # unix sockets: 107 characters
        dir=${TMPDIR:-/tmp}/weir-t-$port
    fi

    rm -rf "$dir"
    mkdir -p "$dir/san"
    LANES=${LANES:+$LANES }$dir
}

add_lane

if [ $# -eq 0 ]; then
    for _ in $(seq 2 "$JOBS"); do add_lane; done
    set -- -j "$JOBS" t/
fi

export LANES
export TEST_NGINX_LIB=${TEST_NGINX_LIB:-$ROOT/build/test-nginx/usr/share/perl5}
export TEST_NGINX_BUILD=$BUILD
export TEST_NGINX_BINARY=${NGINX:-/usr/sbin/nginx}
export TEST_NGINX_LOAD_MODULES="$BUILD/ngx_http_weir_module.so"

ECHO=/usr/lib/nginx/modules/ngx_http_echo_module.so
TEST_NGINX_LOAD_MODULES="$ECHO $TEST_NGINX_LOAD_MODULES"

if [ -n "$(nm -D "$BUILD/ngx_http_weir_module.so" | grep __asan_init)" ]; then
    TEST_NGINX_BINARY=$ROOT/build/nginx-asan/objs/nginx

    export ASAN_OPTIONS="detect_leaks=1,detect_stack_use_after_return=1"
    export LSAN_OPTIONS="print_suppressions=0"
    LSAN_OPTIONS="$LSAN_OPTIONS,suppressions=$ROOT/t/lsan.supp"
    export UBSAN_OPTIONS=print_stacktrace=1
fi

RC=0

perl -I t/lib $TOOLS/with-stack.pl prove --exec $TOOLS/lane.sh "$@" \
    < /dev/null || RC=$?

for DIR in $LANES; do
    perl $TOOLS/check-logs.pl "$DIR" "$ROOT" || RC=1
done

exit $RC
