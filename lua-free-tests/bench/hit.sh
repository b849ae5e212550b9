# hit.sh: what the rows about the cache share: one nginx with the module that
# answers from its zone, behind a key and three limits, and the mock LLM that
# was asked once.  Each row is measured with answers of 1, 16 and 128 KB.

# shellcheck source=lua-free-tests/bench/gate.sh
. "$BENCH/gate.sh"

LENGTH=${BENCH_SECONDS:-2}
SIZES=${BENCH_SIZES:-1 16 128}
CONNECTIONS=32
PACE=


# serve_mock: the mock LLM, its URL in MOCK

serve_mock() {
    serve mock "$BUILD/weir-mock-llm" --port-file "$DIR/mock.port"
    await 10 test -s "$DIR/mock.port" || die "the mock is not ready"
    MOCK=http://127.0.0.1:$(< "$DIR/mock.port")
}


serve_llm_worker() {
    cat > "$DIR/worker.conf" << END
redis { address = "unix:$REDIS" }
worker { run_dir = "$DIR" }
log { level = "warn" }
provider "mock" { dialect = "openai" base_url = "$MOCK/v1" }
model "*" { provider = "mock" }
END

    serve worker "$BUILD/weir-worker" -c "$DIR/worker.conf"
}


serve_hit() {
    take_port PORT_hit
    chmod 777 "$REDIS"
    serve_nginx hit "$PORT_hit" 2 "
        $(gate_common)
        weir_redis unix:$REDIS;
        weir_key_file $DIR/keys pepper=$DIR/pepper;
        weir_cache_zone answers 64m;
        weir_limit_zone \$binary_remote_addr zone=ip:10m rate=1M/s burst=1000k;
        weir_limit_zone \$weir_key_id zone=key:10m rate=1M/s burst=1000k;
        weir_limit_zone \$weir_owner zone=day:10m quota=100G/day;
        server {
            listen 127.0.0.1:$PORT_hit;
            location / {
                weir_api;
                weir_cache zone=answers scope=shared;
                weir_limit zone=ip;
                weir_limit zone=key;
                weir_limit zone=day;
            }
        }" "load_module $BUILD/ngx_http_weir_module.so;"
}


# question KB: the body that is sent, whose answer has about so many KB

question() {
    printf '{"model":"m","messages":[{"role":"user","content":%s}]}' \
        "\"[[mock size=$(($1 * 1024 - 340))]] hello\"" > "$DIR/body.json"
}


# ask PORT: the answer in $DIR/answer, its headers in $DIR/answer.head

ask() {
    curl -fsS -m 20 -o "$DIR/answer" -D "$DIR/answer.head" \
        -H 'Content-Type: application/json' -H "Authorization: Bearer $KEY" \
        --data-binary "@$DIR/body.json" \
        "http://127.0.0.1:$1/v1/chat/completions"
}


# hits COUNT PORT: as fast as they are answered; with PACE, so many a second on
# each connection

hits() {
    load "$1" 200 "http://127.0.0.1:$2/v1/chat/completions" -c $CONNECTIONS \
        ${PACE:+--rps "$PACE"} -d "$DIR/body.json" \
        -H 'Content-Type: application/json' -H "Authorization: Bearer $KEY"
}


# calls: how often the LLM was asked

calls() {
    curl -fsS "$MOCK/mock/calls" | jq .total
}


# side SIDE SERVER PORT COUNT: requests that the LLM hears nothing of

side() {
    local before

    before=$(calls)
    cpu_mark "$2"
    hits "$4" "$3"
    cpu_spent "$1" "$4" "$2"
    [ "$(calls)" = "$before" ] || die "these were no hits"
    [ -n "$WARM" ] || echo "$1 h2load $CLIENT" >> "$DIR/cpu"
}


ours() { side ours hit "$PORT_hit" "$1"; }


# known: asks, and asks again

known() {
    ask "$PORT_hit" || die "no answer"
    ask "$PORT_hit" || die "no answer"

    grep -qi '^Cache-Status: weir; hit' "$DIR/answer.head" \
        || { cat "$DIR/answer.head" >&2; die "this is no hit"; }
}


hit_servers() {
    gate_keys
    serve_redis
    serve_mock
    serve_llm_worker
    serve_hit
}


# paced RATE: both at half the rate.  Flat out, three processes are at work on
# what may be two cores, and who waits longest is the scheduler's choice

paced() {
    local OURS PEER COUNT

    PACE=$(awk -v r="$1" -v c=$CONNECTIONS 'BEGIN {
        printf "%d", r / 2 / c + 1 }')
    COUNT=$((PACE * CONNECTIONS * LENGTH))

    echo "at $((PACE * CONNECTIONS)) requests a second:"
    alternate
    PACE=
}


# hit_row GOAL PREPARE: PREPARE is called with each size, once $DIR/answer is
# the answer.  The worst of the three is the row's

hit_row() {
    local kb worst=

    for kb in $SIZES; do
        question "$kb"
        known
        "$2" "$kb"
        echo "-- $(stat -c %s "$DIR/answer") bytes"
        : > "$DIR/cpu"
        alternate
        cpu_table
        awk -v a="$OURS" -v b="$PEER" 'BEGIN { printf "ratio %.3f\n", a / b }'
        paced "$(printf '%s\n' "$OURS" "$PEER" | sort -n | head -1)"

        if [ -z "$worst" ] || awk -v a="$OURS" -v b="$PEER" -v w="$worst" \
            'BEGIN { exit !(a / b < w) }'
        then
            worst=$(awk -v a="$OURS" -v b="$PEER" 'BEGIN { print a / b }')
            WORST_OURS=$OURS
            WORST_PEER=$PEER
        fi
    done

    result "$WORST_OURS" "$WORST_PEER" "$1" higher
}
