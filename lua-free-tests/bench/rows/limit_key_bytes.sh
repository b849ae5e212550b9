# Shared memory that a key of a limit takes, ours against limit_req: a million
# distinct keys are sent, and the pages counted that the process has touched of
# the zone.  None of ours may be forgotten.

KEYS=1000000


# bytes SIDE: of shared memory

bytes() {
    local pid=PID_$1

    awk '/^RssShmem/ { print $2 * 1024 }' \
        "/proc/$(family "${!pid}" | tail -1)/status"
}


# fill SIDE PORT: each key once

fill() {
    h2load_ends -c 1 -n $KEYS -i "$DIR/uris" \
        --base-uri "http://127.0.0.1:$2" > "$DIR/h2load.txt" 2>&1
    grep -q "^status codes: $KEYS 2xx, 0 3xx, 0 4xx, 0 5xx" \
        "$DIR/h2load.txt" || { cat "$DIR/h2load.txt" >&2
                               die "not every answer was good"; }
}


# a_key SIDE PORT DIRECTIVES LOCATION [MAIN]: sets N

a_key() {
    local before

    serve_nginx "$1" "$2" 1 "
        access_log off;
        keepalive_requests 1000000;
        $3
        server {
            listen 127.0.0.1:$2;
            location / { $4 root $DIR/www; try_files /file =404; }
            ${6:-}
        }" "${5:-}"

    before=$(bytes "$1")
    fill "$1" "$2"
    N=$(awk -v a="$before" -v b="$(bytes "$1")" -v n=$KEYS \
        'BEGIN { printf "%.1f", (b - a) / n }')
}


mkdir -p "$DIR/www"
chmod 711 "$DIR/www"
echo ok > "$DIR/www/file"
seq -f '/?k=%.0f' $KEYS > "$DIR/uris"

# h2load takes its connections' share of the list from the start for each of
# them: only one may ask

take_port PORT_ours
a_key ours "$PORT_ours" '
    weir_limit_zone $arg_k zone=keys:200m rate=1/m;' 'weir_limit zone=keys;' \
    "load_module $BUILD/ngx_http_weir_module.so;" \
    'location = /metrics { weir_metrics; }'
OURS=$N

curl -s "http://127.0.0.1:$PORT_ours/metrics" > "$DIR/metrics.txt"
grep -q "^weir_limit_zone_keys{zone=\"keys\"} $KEYS\$" "$DIR/metrics.txt" \
    || { grep zone_ "$DIR/metrics.txt" >&2; die "not all keys are there"; }
end ours

take_port PORT_peer
a_key peer "$PORT_peer" '
    limit_req_zone $arg_k zone=keys:200m rate=1r/m;' 'limit_req zone=keys;'
PEER=$N

echo "bytes of shared memory a key: ours $OURS, limit_req $PEER"
result "$OURS" "$PEER" 0.75 lower
