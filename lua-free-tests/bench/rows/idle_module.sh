# nginx with the module loaded and none of its directives, against nginx
# without it: requests per million instructions of nginx.  They are counted by
# valgrind, because the difference is far below the noise of any clock.

CALLS=1000


# instructions SIDE COUNT [MAIN]: of an nginx from start to end that answers
# COUNT requests.  Sets N

instructions() {
    local side=$1$2 count=$2 main=${3:-} port pid loaded

    take_port port
    serve_nginx "$side" "$port" 1 "
        access_log off;
        keepalive_requests 1000000;
        server { listen 127.0.0.1:$port; location / { return 200; } }" \
        "master_process off; $main"

    h2load_ends -c1 -n "$count" "http://127.0.0.1:$port/" \
        > "$DIR/h2load.txt" 2>&1
    grep -q "^status codes: $count 2xx, 0 3xx, 0 4xx, 0 5xx" \
        "$DIR/h2load.txt" || { cat "$DIR/h2load.txt" >&2
                               die "not every answer was good"; }
    pid=PID_$side
    pid=${!pid}

    # the comparison is what it says

    loaded=
    ! grep -q weir_module.so "/proc/$pid/maps" || loaded=1
    [ "$loaded" = "${main:+1}" ] || die "the module is not where it should be"

    kill -QUIT "$pid"
    end_of "$pid"
    N=$(sed -n 's/.*Collected : //p' "$DIR/$side.log")
}


# per_call SIDE [MAIN]: what start and end cost cancels out.  Sets N

per_call() {
    local few

    instructions "$1" $CALLS "${2:-}"
    few=$N
    instructions "$1" $((3 * CALLS)) "${2:-}"
    N=$(awk -v few="$few" -v many="$N" -v n=$((2 * CALLS)) \
        'BEGIN { if (many > few) printf "%.1f", (many - few) / n }')
    [ -n "$N" ] || die "valgrind gave no numbers"
}


command -v valgrind > /dev/null || die "no valgrind"
VALGRIND=(valgrind --tool=callgrind "--callgrind-out-file=$DIR/out.%p")

per_call ours "load_module $BUILD/ngx_http_weir_module.so;"
OURS=$N
per_call peer
PEER=$N

echo "instructions of nginx per request: with $OURS, without $PEER"
result "$(awk -v i="$OURS" 'BEGIN { printf "%.2f", 1e6 / i }')" \
    "$(awk -v i="$PEER" 'BEGIN { printf "%.2f", 1e6 / i }')" 0.99 higher
