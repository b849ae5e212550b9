# memory of nginx for a reader of events that are still to come: 10,000, each
# of a job of its own that waits for its time

READERS=10000


# memory: of nginx's workers, in bytes, what they share with the master counted
# once

memory() {
    local pid

    for pid in $(family "$PID_edge" | tail -n +2); do
        awk '/^(Private_Dirty|Private_Clean):/ { kb += $2 }
             END { print kb * 1024 }' "/proc/$pid/smaps_rollup"
    done | awk '{ n += $1 } END { printf "%.0f", n }'
}


serve_weir
take_port EDGE

serve_nginx edge "$EDGE" 2 "
    access_log off;
    weir_redis unix:$DIR/weir/redis.sock;
    weir_key_file $DIR/weir/keys pepper=$DIR/weir/pepper;
    weir_max_waiting 30000;
    server {
        listen 127.0.0.1:$EDGE;
        location / { weir_api; }
    }" "load_module $BUILD/ngx_http_weir_module.so;
    worker_rlimit_nofile 20000;"
sed -i 's/worker_connections 4096/worker_connections 16000/' \
    "$DIR/edge/nginx.conf"
kill -HUP "$PID_edge"
sleep 1

printf '{"run_at":%d,"request":{"model":"m","messages":[{"role":"user",%s}]}}' \
    $(($(date +%s) + 3600)) '"content":"Hi"' > "$DIR/body.json"

load $READERS 202 "http://127.0.0.1:$EDGE/v1/jobs" -c 16 \
    -d "$DIR/body.json" -H 'Content-Type: application/json' \
    -H "Authorization: Bearer $KEY"

redis-cli -s "$DIR/weir/redis.sock" ZRANGE 'weir:{0}:delayed' 0 -1 \
    | sed 's|.*:\([0-9A-Za-z]*\)$|/v1/jobs/job_\1/events|' > "$DIR/paths"

[ "$(wc -l < "$DIR/paths")" = $READERS ] || die "not all jobs are there"

BEFORE=$(memory)
mkfifo "$DIR/in" "$DIR/out"
HEADER="Authorization: Bearer $KEY" "$BUILD/bench/streams" idle "$EDGE" \
    $READERS < "$DIR/in" > "$DIR/out" 9>&- &
PIDS+=($!)
exec 7> "$DIR/in" 8< "$DIR/out"
cat "$DIR/paths" >&7
read -r -t 120 READY <&8 || die "not all readers begin"
[ "$READY" = ready ] || die "$READY"

# after some heartbeats

sleep 20
AFTER=$(memory)
exec 7>&-

EACH=$(((AFTER - BEFORE) / READERS))
echo "$READERS readers: $BEFORE bytes before, $AFTER with them"
result_value "$NAME" "$EACH" B 10240 lower
