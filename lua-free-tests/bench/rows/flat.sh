# resident memory of nginx workers and runner over 200,000 no-op jobs: what
# there is at the end, against what there was after a warm-up of 20,000

BATCH=20000
BATCHES=10


# rss PID: of its children, in KB

rss() {
    local pid

    for pid in $(family "$1" | sed 1d); do
        sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
    done | awk '{ kb += $1 } END { print kb + 0 }'
}


batch() {
    load $BATCH 202 "http://127.0.0.1:$PORT/v1/jobs" -c 32 \
        -d "$DIR/body.json" -H 'Content-Type: application/json' \
        -H "Authorization: Bearer $KEY"
    "$BUILD/bench/jobs" await "$REDIS" 120 0 ZCARD 'weir:{0}:deadline' \
        > /dev/null || die "not all jobs are done"
}


serve_weir
REDIS=$DIR/weir/redis.sock
kill "$PID_worker" 2> /dev/null
end_of "$PID_worker"
serve_worker noop 'runners = 1 slots = 64'

printf %s '{"request":{"model":"m","messages":[{"role":"user","content":"hi"}]}}' \
    > "$DIR/body.json"

echo "KB: jobs, nginx workers, runner"

for ((N = 0; N <= BATCHES; N++)); do
    batch
    EDGE=$(rss "$PID_nginx")
    RUNNER=$(rss "$PID_noop")
    [ $N != 0 ] || { EDGE_FIRST=$EDGE RUNNER_FIRST=$RUNNER; }
    printf '%8d %8d %8d\n' $((N * BATCH)) "$EDGE" "$RUNNER"
done

# the worse of the two

if [ $((EDGE * RUNNER_FIRST)) -ge $((RUNNER * EDGE_FIRST)) ]; then
    result "$EDGE" "$EDGE_FIRST" 1.05 lower
else
    result "$RUNNER" "$RUNNER_FIRST" 1.05 lower
fi
