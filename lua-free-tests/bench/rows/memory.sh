# memory of Redis for a job that waits: bytes per job beyond its body, over
# 20,000 jobs that nginx took and no worker runs

JOBS=20000


# used: bytes; the least of some looks, since buffers of clients come and go

used() {
    local n

    for n in 1 2 3 4 5 6 7 8; do
        redis-cli -s "$DIR/weir/redis.sock" INFO memory
        sleep 0.25
    done | sed -n 's/^used_memory:\([0-9]*\).*/\1/p' | sort -n | head -n 1
}


serve_weir
kill "$PID_worker" 2> /dev/null
end_of "$PID_worker"
redis-cli -s "$DIR/weir/redis.sock" FLUSHALL SYNC > /dev/null

printf %s '{"request":{"model":"mock","messages":[{"role":"user","content":' \
    '"Say hello to a new user."}]}}' > "$DIR/body.json"

# what comes with the first jobs and stays

submit() {
    load "$1" 202 "http://127.0.0.1:$PORT/v1/jobs" -c 32 \
        -d "$DIR/body.json" -H 'Content-Type: application/json' \
        -H "Authorization: Bearer $KEY"
}

submit 1024
BEFORE=$(used)
submit $JOBS
AFTER=$(used)

THERE=$(redis-cli -s "$DIR/weir/redis.sock" ZCARD 'weir:{0}:deadline')
[ "$THERE" = $((JOBS + 1024)) ] || die "$THERE jobs are there"

BODY=$(stat -c %s "$DIR/body.json")
EACH=$(((AFTER - BEFORE) / JOBS - BODY))
echo "$JOBS jobs: $(((AFTER - BEFORE) / JOBS)) bytes each, of which" \
    "$BODY are the body that was sent"
result_value "$NAME" "$EACH" B 2560 lower
