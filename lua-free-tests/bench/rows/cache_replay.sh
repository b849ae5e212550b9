# hit ratio of a mixed workload that is replayed over two nginx, in per cent,
# against what the log of its requests predicts; both have to be the same.  Once
# as fast as it goes, and once with answers that get old meanwhile.

REQUESTS=${BENCH_REQUESTS:-20000}


# replayed NAME OPTIONS...: sets IS, PREDICTED

replayed() {
    local name=$1

    shift
    mkdir "$DIR/$name"
    TEST_NGINX_DIR=$DIR/$name TEST_NGINX_BUILD=$BUILD \
        TEST_NGINX_BINARY=$NGINX \
        TEST_NGINX_LOAD_MODULES=$BUILD/ngx_http_weir_module.so \
        TEST_NGINX_PORT_BASE=$NEXT_PORT \
        timeout 600 perl -I "$ROOT/t/lib" "$BENCH/replay.pl" "$DIR/$name.txt" \
        "$@" < /dev/null 9>&- &
    LOADER=$!
    wait "$LOADER" || die "not what the log predicts, or not in its time"
    LOADER=

    read -r IS PREDICTED < "$DIR/$name.txt"
    echo
}


replayed fast requests "$REQUESTS" delay 100 connections 128
result_value "$NAME" "$IS" % "$PREDICTED" higher

replayed old requests 4000 prompts 1000 ttl 2
result_value "$NAME.old" "$IS" % "$PREDICTED" higher
