# POST /v1/jobs, acknowledged by Redis, against "return 200" for the same POST.
# No worker runs: what was queued is thrown away after each round.

take_port PEER_PORT
LENGTH=2


submit() {
    load "$1" "$2" "http://127.0.0.1:$3/v1/jobs" -c 32 -d "$DIR/body.json" \
        -H 'Content-Type: application/json' -H "Authorization: Bearer $KEY"
}


ours() {
    submit "$1" 202 "$PORT"

    # what was acknowledged is there
    local jobs
    jobs=$(redis-cli -s "$DIR/weir/redis.sock" --scan --pattern '*:job:*' \
        | wc -l)
    [ "$jobs" = "$1" ] || die "$1 jobs acknowledged, $jobs are there"

    redis-cli -s "$DIR/weir/redis.sock" FLUSHALL SYNC > /dev/null
}


peer() {
    submit "$1" 200 $PEER_PORT
}


serve_weir
kill "$PID_worker" 2> /dev/null
end_of "$PID_worker"
redis-cli -s "$DIR/weir/redis.sock" FLUSHALL SYNC > /dev/null

serve_nginx return200 $PEER_PORT 2 "
    access_log $DIR/return200/access.log;
    server {
        listen 127.0.0.1:$PEER_PORT;
        location / { return 200; }
    }"
printf %s '{"request":{"model":"m","messages":[{"role":"user","content":"hi"}]}}' \
    > "$DIR/body.json"
alternate
result "$OURS" "$PEER" 0.15 higher
