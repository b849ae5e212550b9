# no-op jobs from the first claim until all are finalised, against BullMQ: one
# process each that works, on the same Redis, with as many jobs at once.  All
# jobs are there before it starts.

CONCURRENCY=${BENCH_CONCURRENCY:-64}
COUNT=30000
export NODE_DIR=$BUILD/bench/node


# worked COUNT SECONDS WAIT...: RATE, from the time $START (ms) to the moment at
# which Redis says that COUNT jobs are done

worked() {
    local count=$1 end=$2

    RATE=$(awk -v n="$count" -v a="$START" -v b="$end" \
        'BEGIN { printf "%.2f", n * 1000 / (b - a) }')
    P50='' P99=''
    redis-cli -s "$REDIS" FLUSHALL SYNC > /dev/null
}


# first FIELD PATTERN: the least value of that field in the hashes, ms

first() {
    redis-cli -s "$REDIS" --scan --pattern "$2" \
        | sed "s/.*/HGET & $1/" | redis-cli -s "$REDIS" \
        | grep -E '^[0-9]+$' | sort -n | head -n 1
}


ours() {
    local count=$1 end

    "$BUILD/bench/jobs" load "$REDIS" "$count" || die "cannot load"
    cpu_mark redis

    serve_worker worker "runners = 1 slots = $CONCURRENCY"
    end=$("$BUILD/bench/jobs" await "$REDIS" 120 0 \
          ZCARD 'weir:{0}:deadline') || die "not all jobs are done"
    CPU_worker=0 cpu_spent ours "$count" redis worker

    # all of them completed, each by the one try it had

    redis-cli -s "$REDIS" --scan --pattern 'weir:{0}:run:*' \
        | sed 's/.*/HGET & fin/' | redis-cli -s "$REDIS" \
        | sort | uniq -c > "$DIR/fin"
    grep -qx " *$count completed:1000001" "$DIR/fin" \
        || { cat "$DIR/fin" >&2; die "not all jobs are completed"; }

    START=$(first started 'weir:{0}:run:*')
    end worker
    worked "$count" "$end"
}


peer() {
    local count=$1 end

    node "$BENCH/bullmq.mjs" add "$REDIS" "$count" || die "cannot add"
    cpu_mark redis

    NODE_ENV=production serve bullmq node "$BENCH/bullmq.mjs" work "$REDIS" \
        $CONCURRENCY
    end=$("$BUILD/bench/jobs" await "$REDIS" 120 "$count" \
          ZCARD bull:q:completed) || die "not all jobs are done"
    CPU_bullmq=0 cpu_spent peer "$count" redis bullmq

    START=$(first processedOn 'bull:q:[0-9]*')
    end bullmq
    worked "$count" "$end"
}


"$ROOT/lua-free-tests/tools/get-node.sh" "$BENCH/package.json" "$NODE_DIR" \
    || die "npm cannot fetch BullMQ"
serve_redis
echo "peer: bullmq" \
    "$(jq -r .version "$NODE_DIR/node_modules/bullmq/package.json")," \
    "Node.js $(node -v), $CONCURRENCY at once"
alternate
cpu_table
result "$OURS" "$PEER" 1 higher
