#!/bin/bash
# prove.sh [prove arguments]: the tests of t/, against the nginx, the module
# and the programs of $BUILD (build, or build/asan).
#
# One Redis, mock LLM and worker serve the whole run; a test that needs its
# own starts them with Weir::Stack.  Each run has a range of 80 ports, so that
# several checkouts may test at once.  Logs stay in build/t-PORT.

set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
cd "$ROOT"
BUILD=$(cd "${BUILD:-build}" && pwd)

for PORT in $(seq 32000 80 32720) none; do
    [ "$PORT" != none ] || { echo "prove.sh: no free port range"; exit 1; }

    LOCK=${TMPDIR:-/tmp}/weir-test-ports-$PORT.lock
    { exec 9>> "$LOCK"; } 2> /dev/null && flock -n 9 || continue
    (exec 8<> "/dev/tcp/127.0.0.1/$PORT") 2> /dev/null && continue

    # a run in a chroot has other files, but the same ports: see with-stack.pl
    (exec 8<> "/dev/tcp/127.0.0.1/$((PORT + 79))") 2> /dev/null || break
done

DIR=$ROOT/build/t-$PORT
if [ ${#DIR} -gt 80 ]; then                     # unix sockets: 107 characters
    DIR=${TMPDIR:-/tmp}/weir-t-$PORT
fi

rm -rf "$DIR"
mkdir -p "$DIR"

LIB=${TEST_NGINX_LIB:-$ROOT/build/test-nginx/usr/share/perl5}

export TEST_NGINX_DIR=$DIR
export TEST_NGINX_BUILD=$BUILD
export TEST_NGINX_PORT_BASE=$((PORT + 10))
export TEST_NGINX_SERVER_PORT=127.0.0.1:$PORT
export TEST_NGINX_CLIENT_PORT=$PORT
export TEST_NGINX_STREAM_PORT=$((PORT + 1))
export TEST_NGINX_SERVROOT=$DIR/servroot
export TEST_NGINX_ERROR_LOG=$DIR/errors.log
export TEST_NGINX_BINARY=${NGINX:-/usr/sbin/nginx}
export TEST_NGINX_LOAD_MODULES="$BUILD/ngx_http_weir_module.so"

ECHO=/usr/lib/nginx/modules/ngx_http_echo_module.so
TEST_NGINX_LOAD_MODULES="$ECHO $TEST_NGINX_LOAD_MODULES"

if [ -n "$(nm -D "$BUILD/ngx_http_weir_module.so" | grep __asan_init)" ]; then
    TEST_NGINX_BINARY=$ROOT/build/nginx-asan/objs/nginx
    mkdir "$DIR/san"

    # commas: Test::Nginx splits there, to name the report after the block

    export ASAN_OPTIONS="detect_leaks=1,detect_stack_use_after_return=1"
    ASAN_OPTIONS="$ASAN_OPTIONS,log_path=$DIR/san/asan"
    export LSAN_OPTIONS="print_suppressions=0"
    LSAN_OPTIONS="$LSAN_OPTIONS,suppressions=$ROOT/t/lsan.supp"
    export UBSAN_OPTIONS=print_stacktrace=1
fi

RC=0
[ $# -gt 0 ] || set -- t/

perl -I t/lib lua-free-tests/tools/with-stack.pl \
    prove -I "$LIB" -I t/lib "$@" < /dev/null || RC=$?

perl lua-free-tests/tools/check-logs.pl "$DIR" "$ROOT" || RC=1

exit $RC
