# lib.sh: what the rows share.  A row is a file that is run in a shell of its
# own after this one (run_row): it starts servers, calls "alternate" and
# "result".  Whatever it started ends with that shell.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BENCH=$ROOT/lua-free-tests/bench
BUILD=$(cd "$ROOT" && mkdir -p "${BUILD:-build}" && cd "${BUILD:-build}" && pwd)
JSON=$BUILD/bench.json
NGINX=/usr/sbin/nginx
NEXT_PORT=${BENCH_PORT:-33000}
ROUNDS=${BENCH_ROUNDS:-3}
LENGTH=${BENCH_SECONDS:-4}

export LC_ALL=C


die() {
    echo "bench: $*" >&2
    exit 1
}


# run_row NAME: to be called in a shell of its own (run_row ... &).  The row has
# a directory that vanishes, with a short name, since a unix socket's path is

run_row() {
    NAME=$1
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/weir-bench-XXXXXX") || exit 1
    PIDS=()
    LOADER=
    QUICKSTART=
    VALGRIND=()

    trap 'row_end' EXIT
    trap 'exit 143' HUP INT TERM

    # shellcheck source=/dev/null
    . "$BENCH/rows/$NAME.sh"
    exit 0
}


row_end() {
    local rc=$? pid

    trap '' HUP INT TERM
    [ -z "$LOADER" ] || kill "$LOADER" 2> /dev/null

    if [ "$rc" -ne 0 ] && [ -d "$DIR" ]; then
        rm -rf "$BUILD/bench/failed-$NAME"
        mkdir -p "$BUILD/bench/failed-$NAME"
        (cd "$DIR" && find . -name '*.log' -size -1024k -exec \
            cp --parents -t "$BUILD/bench/failed-$NAME" {} +)
        echo "bench: logs are in $BUILD/bench/failed-$NAME" >&2
    fi

    for pid in "${PIDS[@]}"; do
        kill "$pid" 2> /dev/null
    done
    for pid in "${PIDS[@]}"; do
        end_of "$pid"
    done

    [ -z "$QUICKSTART" ] || WEIR_HOME=$DIR/weir "$ROOT/conf/quickstart/down"
    rm -rf "$DIR"
    exit "$rc"
}


# end_of PID: waits for a server that was told to end, at most five seconds

end_of() {
    local end=$((SECONDS + 5))

    while kill -0 "$1" 2> /dev/null; do
        if [ $SECONDS -ge $end ]; then
            kill -KILL "$1" 2> /dev/null
            break
        fi
        sleep 0.05
    done
    wait "$1" 2> /dev/null
}


# serve NAME COMMAND...: starts a server; PID_<NAME> is its process

serve() {
    local name=$1

    shift
    "$@" < /dev/null > "$DIR/$name.log" 2>&1 9>&- &
    PIDS+=($!)
    printf -v "PID_$name" %s $!
}


# await SECONDS COMMAND...

await() {
    local end=$((SECONDS + $1))

    shift
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}


port_answers() {
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}


# take_port VARIABLE: the next port that no socket of this machine has, not even
# as the client's end of a connection

take_port() {
    local hex

    while :; do
        [ "$NEXT_PORT" -le 65535 ] || die "no free port"
        printf -v hex ':%04X' "$NEXT_PORT"
        awk -v p="$hex" 'index($2, p) == length($2) - 4 { exit 1 }' \
            /proc/net/tcp && break
        NEXT_PORT=$((NEXT_PORT + 1))
    done

    printf -v "$1" %s "$NEXT_PORT"
    NEXT_PORT=$((NEXT_PORT + 1))
}


# serve_nginx NAME PORT WORKERS TEXT [MAIN]: an nginx whose http block is TEXT

serve_nginx() {
    local name=$1 port=$2 workers=$3 text=$4 main=${5:-} home=$DIR/$1 kind

    mkdir -p "$home/tmp"
    chmod 711 "$DIR" "$home" "$home/tmp"

    {
        echo "$main"
        [ "$(id -u)" != 0 ] || echo "user www-data;"
        echo "worker_processes $workers;"
        echo "daemon off;"
        echo "pid $home/nginx.pid;"
        echo "lock_file $home/nginx.lock;"
        echo "error_log $home/error.log notice;"
        echo "events { worker_connections 4096; }"
        echo "http {"
        for kind in client_body proxy fastcgi uwsgi scgi; do
            echo "${kind}_temp_path $home/tmp/$kind;"
        done
        echo "$text"
        echo "}"
    } > "$home/nginx.conf"

    serve "$name" "${VALGRIND[@]}" "$NGINX" -p "$home/" -c "$home/nginx.conf" \
        -e "$home/error.log"
    await 10 port_answers "$port" || die "$name is not ready"
}


# serve_weir: ours as the quickstart makes it, with the mock, on PORT.
# KEY, MOCK (its URL) and the PID_* are set

serve_weir() {
    local name

    take_port PORT
    QUICKSTART=1
    chmod 711 "$DIR"

    env -u OPENAI_API_KEY -u OPENAI_BASE_URL -u WEIR_MODEL BUILD="$BUILD" \
        WEIR_HOME="$DIR/weir" WEIR_PORT="$PORT" \
        "$ROOT/conf/quickstart/up" --detach > "$DIR/up.log" 2>&1 9>&- \
        || { cat "$DIR/up.log" >&2; die "the quickstart does not come up"; }

    # finished jobs stay an hour: those of all rounds must find room

    redis-cli -s "$DIR/weir/redis.sock" CONFIG SET maxmemory 4gb > /dev/null

    KEY=$(< "$DIR/weir/api-key")
    MOCK=http://127.0.0.1:$(< "$DIR/weir/mock.port")

    for name in redis mock worker nginx; do
        read -r "PID_$name" _ < "$DIR/weir/pids/$name"
    done
}


# serve_redis: the quickstart's Redis alone, on $REDIS

serve_redis() {
    local text

    REDIS=$DIR/redis.sock
    mkdir -p "$DIR/redis" "$DIR/logs"
    text=$(< "$ROOT/conf/quickstart/redis.conf.in")
    printf '%s\n' "${text//@HOME@/$DIR}" > "$DIR/redis.conf"

    serve redis redis-server "$DIR/redis.conf" --maxmemory 4gb
    await 20 redis-cli -s "$REDIS" PING || die "Redis is not ready"
}


# serve_worker NAME SETTINGS: a weir-worker on $REDIS with the builtin model.
# It is ready when it has a name in Redis

serve_worker() {
    local conf=$DIR/$1.conf

    cat > "$conf" << END
redis { address = "unix:$REDIS" }
worker { run_dir = "$DIR" $2 }
log { level = "warn" }
provider "builtin" { dialect = "builtin" }
model "*" { provider = "builtin" }
END

    serve "$1" "$BUILD/weir-worker" -c "$conf"
}


# end NAME: the server ends now

end() {
    local pid=PID_$1

    kill "${!pid}" 2> /dev/null
    end_of "${!pid}"
}


# family PID: the process and its children

family() {
    echo "$1"
    cat "/proc/$1/task/"*"/children" 2> /dev/null | tr ' ' '\n' | sed '/^$/d'
}


# cpu PID: CPU time of the process and its children, in nanoseconds

cpu() {
    local pid

    for pid in $(family "$1"); do
        cat "/proc/$pid/task/"*"/schedstat" 2> /dev/null
    done | awk '{ ns += $1 } END { printf "%.0f", ns }'
}


# h2load_ends ARGUMENTS...: in the background, so that a signal is obeyed at once

h2load_ends() {
    timeout 120 h2load --h1 -t1 "$@" < /dev/null 9>&- &
    LOADER=$!
    wait "$LOADER"
    LOADER=
}


# load COUNT STATUS URL [h2load arguments]: COUNT requests, of which each must
# be answered with STATUS.  Sets RATE (requests/s), P50 and P99 (us), CLIENT
# (CPU of h2load, ms per 1,000 requests)

load() {
    local count=$1 status=$2 url=$3 log=$DIR/h2load.txt good

    shift 3
    rm -f "$DIR/h2load.tsv"
    TIMEFORMAT='%U %S'
    { time h2load_ends -n "$count" --log-file="$DIR/h2load.tsv" "$@" \
          "$url" > "$log" 2>&1; } 2> "$DIR/h2load.time"

    RATE=$(sed -n 's|^finished in .*, \([0-9.]*\) req/s.*|\1|p' "$log")
    good=$(awk -F'\t' -v s="$status" '$2 == s' "$DIR/h2load.tsv" | wc -l)

    if [ "$good" != "$count" ] || ! grep -q \
        "^status codes: $count ${status%??}xx, 0 .*, 0 .*, 0 " "$log"
    then
        grep -E '^(requests|status codes):' "$log" >&2
        awk -F'\t' '{ n[$2]++ } END { for (s in n) print s ": " n[s] }' \
            "$DIR/h2load.tsv" >&2
        die "of $count answers $good were $status: $url"
    fi

    read -r P50 P99 <<< "$(sort -t$'\t' -k3,3n "$DIR/h2load.tsv" \
        | awk -F'\t' '{ a[NR] = $3 }
                      END { print a[int(NR * .5 + .5)], a[int(NR * .99)] }')"
    CLIENT=$(awk -v n="$count" '{ printf "%.1f", ($1 + $2) * 1e6 / n }' \
        "$DIR/h2load.time")
}


median() {
    sort -n | awk '{ a[NR] = $1 } END { if (NR % 2) print a[(NR + 1) / 2]
                                  else print (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}


# count_for RATE: how many requests make a round of LENGTH seconds; whole
# multiples of 32, so that each connection gets as many

count_for() {
    awk -v r="$1" -v s="$LENGTH" 'BEGIN {
        n = int(r * s / 32) * 32; print n < 1024 ? 1024 : n }'
}


# alternate: ROUNDS times "ours" and "peer" (functions of the row, each a
# "load" with the number of requests as argument), in this order, after a
# warm-up of each that tells how many requests make a round, unless COUNT does.
# Sets OURS, PEER: medians of the rates

alternate() {
    local side round

    for side in ours peer; do
        WARM=1
        "$side" 2048
        printf -v "COUNT_$side" %s "${COUNT:-$(count_for "$RATE")}"
        WARM=
        : > "$DIR/$side.rates"
    done

    printf '%-6s %5s %9s %11s %8s %8s\n' side round requests req/s \
        p50/ms p99/ms

    for ((round = 1; round <= ROUNDS; round++)); do
        for side in ours peer; do
            local count=COUNT_$side
            "$side" "${!count}"
            echo "$RATE $P50 $P99" >> "$DIR/$side.rates"
            printf '%-6s %5s %9s %11s %8s %8s\n' "$side" "$round" \
                "${!count}" "$RATE" "$(ms "$P50")" "$(ms "$P99")"
        done
    done

    OURS=$(cut -d' ' -f1 "$DIR/ours.rates" | median)
    PEER=$(cut -d' ' -f1 "$DIR/peer.rates" | median)

    [ -z "$P50" ] || echo "median p50/p99 in ms:" \
        "ours $(quantiles ours), peer $(quantiles peer)"
}


ms() {
    [ -n "$1" ] || { echo -; return; }
    awk -v us="$1" 'BEGIN { printf "%.2f", us / 1000 }'
}


quantiles() {
    echo "$(ms "$(cut -d' ' -f2 "$DIR/$1.rates" | median)")/$(
            ms "$(cut -d' ' -f3 "$DIR/$1.rates" | median)")"
}


# cpu_mark NAME...: from now on their CPU time counts

cpu_mark() {
    local name pid

    for name in "$@"; do
        pid=PID_$name
        printf -v "CPU_$name" %s "$(cpu "${!pid}")"
    done
}


# cpu_spent SIDE COUNT NAME...: since cpu_mark, ms per 1,000 of COUNT, into
# $DIR/cpu; not in the warm-up

cpu_spent() {
    local side=$1 count=$2 name pid was

    shift 2
    [ -z "$WARM" ] || return 0

    for name in "$@"; do
        pid=PID_$name
        was=CPU_$name
        awk -v a="${!was}" -v b="$(cpu "${!pid}")" -v n="$count" \
            -v s="$side" -v p="$name" \
            'BEGIN { print s, p, (b - a) / n / 1000 }'
    done >> "$DIR/cpu"
}


# cpu_table: what cpu_spent wrote, medians over the rounds

cpu_table() {
    local side name

    echo "CPU ms per 1,000 requests:"
    cut -d' ' -f1,2 "$DIR/cpu" | sort -u | while read -r side name; do
        echo "$side $name $(awk -v s="$side" -v p="$name" \
            '$1 == s && $2 == p { print $3 }' "$DIR/cpu" | median)"
    done | awk '$1 != s { printf "%s  %s:", s ? "\n" : "", $1; s = $1; t = 0 }
                { printf " %s %.1f", $2, $3 } END { print "" }'
}


# result OURS PEER GOAL higher|lower: writes the row to bench.json

result() {
    local row

    row=$(jq -n --arg name "$NAME" --argjson ours "$1" --argjson peer "$2" \
        --argjson goal "$3" --arg better "$4" '
        {name: $name, ours: $ours, peer: $peer,
         ratio: ($ours / $peer * 1000 | round / 1000),
         goal: $goal, better: $better}') || die "no numbers: $*"

    store_row "$NAME" "[$row]"
}


# result_value NAME VALUE UNIT GOAL higher|lower: one that no peer has.  A row
# may have several, named $NAME and $NAME.<what>

result_value() {
    local row

    row=$(jq -n --arg name "$1" --argjson ours "$2" --arg unit "$3" \
        --argjson goal "$4" --arg better "$5" '
        {name: $name, ours: $ours, unit: $unit, peer: null, ratio: null,
         goal: $goal, better: $better}') || die "no numbers: $*"

    store_row "$1" "[$row]"
}


drop_row() {
    store_row "$1" '[]'
}


# store_row NAME ARRAY: instead of what stands there under that name, and with
# an empty one, also of what has further names

store_row() {
    local old='[]'

    [ ! -s "$JSON" ] || old=$(jq -c 'if type == "array" then . else [] end' \
        "$JSON" 2> /dev/null) || old='[]'

    jq -n --argjson old "$old" --argjson new "$2" --arg name "$1" \
        '[$old[] | select(.name != $name
                          and ($new != [] or
                               (.name | startswith($name + ".") | not)))]
         + $new | sort_by(.name)' \
        > "$JSON.new" && mv "$JSON.new" "$JSON"
}


table() {
    [ -s "$JSON" ] || return 0

    {
        echo "row ours peer ratio goal -"
        jq -r '.[] | (if .ratio == null then .ours else .ratio end) as $is
                   | [.name, "\(.ours)\(.unit // "")", .peer // "-",
                      .ratio // "-",
                      (if .better == "higher" then ">=" else "<=" end)
                      + (.goal | tostring),
                      (if .better == "higher" then $is >= .goal
                       else $is <= .goal end
                       | if . then "met" else "MISSED" end)]
                   | map(tostring) | join(" ")' "$JSON"
    } | awk '{ printf "%-22s %12s %12s %8s %8s  %s\n", $1, $2, $3, $4, $5, $6 }'
}
